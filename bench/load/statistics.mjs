// What many answers say together.

// The p-th percentile (nearest rank); null of nothing.
export function percentile(numbers, p) {
  const sorted = Float64Array.from(numbers).sort();
  return sorted.length === 0 ? null
    : sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1))];
}
export const median = (numbers) => percentile(numbers, 50);

const spread = (numbers) => ({ p50: percentile(numbers, 50), p95: percentile(numbers, 95),
                               p99: percentile(numbers, 99), max: percentile(numbers, 100) });

// Milliseconds between the pieces of one answer.
export const gaps = (answer) => answer.tokens.slice(1).map((time, i) => time - answer.tokens[i]);

// Answers of client.mjs, each with `due`: when it should have been sent. Waiting counts from there,
// so that a client which falls behind does not flatter the server.
export function summary(answers, seconds) {
  const good = answers.filter((answer) => answer.error === null);
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const usage = (name) => sum(good.map((answer) => answer.usage?.[name] ?? 0));
  return {
    requests: answers.length,
    failed: answers.length - good.length,
    prompt_tokens: usage("prompt_tokens"),
    completion_tokens: usage("completion_tokens"),
    tokens_per_second: usage("completion_tokens") / seconds,
    first_token_ms: spread(good.filter((a) => a.first !== null).map((a) => a.first - a.due)),
    between_tokens_ms: spread(good.flatMap(gaps)),
    total_ms: spread(good.map((answer) => answer.ended - answer.due)),
  };
}

// The same for each value of `key`.
export const summaryBy = (answers, key, seconds) =>
  Object.fromEntries([...new Set(answers.map((answer) => answer[key]))].sort().map((value) =>
    [value, summary(answers.filter((answer) => answer[key] === value), seconds)]));
