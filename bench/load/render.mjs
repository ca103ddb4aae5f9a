// node render.mjs RESULTS.json | scripts/write-section.sh goals docs/serving.md
//
// The table of docs/serving.md: what goals.mjs measured, beside what was aimed at. Parts that were
// not measured (--only) have no rows.
import { readFileSync } from "node:fs";
import { cpus } from "node:os";

const results = JSON.parse(readFileSync(process.argv[2], "utf8"));
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
const fixed = (value, digits = 2) => (value == null ? "--" : value.toFixed(digits));
const rows = [];
const row = (what, measured, goal, met) => rows.push(`| ${what} | ${measured} | ${goal} | ${met === null ? "" : met ? "yes" : "no"} |`);

const { throughput = {}, long_prompt: long = {}, loading = {}, one_process: memory, together,
        exactness, second = {}, idle, held = {}, masks } = results;
for (const [network, rates] of Object.entries(throughput)) {
  for (const [count, { ashlar, llama_cpp: theirs }] of Object.entries(rates)) {
    const ratio = theirs && ashlar / theirs;
    row(`${network}, ${count} requests at once`,
        `${fixed(ashlar, 1)} tokens/s${theirs ? `, ${fixed(ratio)} times llama.cpp's ${fixed(theirs, 1)}` : ""}`,
        count === "8" ? "2 times llama.cpp" : "", count === "8" && theirs ? ratio >= 2 : null);
  }
}
const gap = (what, of) => row(what,
    `${fixed(of.longest_during_ms, 1)} ms, ${fixed(of.longest_times_median)} times the median of ${fixed(of.median_before_ms, 1)} ms before (in ${of.runs.length} runs ${of.runs.map((each) => fixed(each, 1)).join(", ")}; longest before: ${fixed(of.longest_before_ms, 1)} ms); it takes ${fixed(of.seconds, 1)} s`,
    "3 times", of.longest_times_median <= 3);
for (const [network, of] of Object.entries(long)) {
  gap(`${network}: longest gap between tokens of four streams while a prompt of ${of.prompt} tokens is read`, of);
}
for (const [network, of] of Object.entries(loading)) {
  gap(`base: longest gap between tokens of four streams while ${network} is loaded`, of);
}
if (memory) {
  const { weights, pages } = memory.one;
  const most = weights + pages + Math.max(0.05 * weights, 16e6);
  row("four networks in one process, resident (PSS)",
      `${megabytes(memory.one.pss)}, of which ${megabytes(weights)} weights and ${megabytes(pages)} cached prompts (${megabytes(memory.one.pss_at_work)} as the last answer comes); in four processes ${megabytes(memory.apart.pss)}`,
      "these, and the larger of 5 % and 16 MB", memory.one.pss <= most);
  const gain = memory.one.tokens_per_second / memory.apart.tokens_per_second;
  row("the same, tokens of all together",
      `${fixed(memory.one.tokens_per_second, 0)} tokens/s, ${fixed(gain)} times the four processes`, "1.5 times", gain >= 1.5);
}
for (const { beside, of } of Object.values(second)) {
  for (const [network, { more, weights, unique }] of Object.entries(of)) {
    row(`${network}, loaded beside ${beside}: more resident (PSS)`,
        `${megabytes(more)}; of its ${megabytes(weights)} of weights ${megabytes(unique)} are its own`,
        "these, and the larger of 5 % and 16 MB", more <= unique + Math.max(0.05 * unique, 16e6));
  }
}
if (together) row("a network and its derived one in one batch", `${fixed(together.ratio)} of one network alone`, "0.9", together.ratio >= 0.9);
for (const [network, { vocabulary, shares }] of Object.entries(held)) {
  row(`${network}, answers held to a form, of a vocabulary of ${vocabulary}`,
      `${fixed(shares[1])} of the tokens/s of free ones with one stream, ${fixed(shares[8])} with eight`,
      "0.95", Math.min(...Object.values(shares)) >= 0.95);
}
if (masks) {
  const slowest = (times) => Math.max(...Object.values(times));
  const percent = (part) => `${(100 * part).toPrecision(2)} %`;
  const [now, later] = [masks.first_us, masks.next_us];
  // What they are of a token's time shows where that was measured, too.
  const [network, rates] = Object.entries(throughput).at(-1) ?? [];
  const share = (times, count) => slowest(times) * 1e-6 * rates[count].ashlar;
  row("masks of structured output at a vocabulary of 131072, for each token of the slowest of " +
      `${Object.keys(now).length} grammars`,
      `${fixed(slowest(now), 0)} µs in the first answer to it, ${fixed(slowest(later), 1)} µs in later ones` +
      (rates ? `: ${percent(share(now, 1))} and ${percent(share(later, 1))} of a token's time with one stream of ${network}; where each of 8 at once has one of its own, ${percent(share(now, 8))} and ${percent(share(later, 8))}` : ""),
      "5 %", rates ? share(now, 1) <= 0.05 : null);
}
if (idle) {
  row(`${idle.count} connections that wait`,
      `${fixed(idle.bytes_each, 0)} bytes of the server's memory each (PSS); a request of one token takes ${fixed(idle.beside_ms, 1)} ms beside them, ${fixed(idle.alone_ms, 1)} ms without`,
      "", null);
}
if (exactness) row(`${exactness.requests} requests at once, and each alone`, `${exactness.different} texts differ`, "0", exactness.different === 0);

console.log(`Measured on ${cpus()[0].model.trim()}, ${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}, by \`make bench-serving\`.

| what | measured | goal | met |
|---|---|---|---|
${rows.join("\n")}`);
