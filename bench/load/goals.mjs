// node bench/load/goals.mjs --ashlar FILE --store DIR --family A,A2,B,B2 [--large NET]
//   [--large-derived NET] [--quantized NET] [--masks FILE] [--peer DIR --gguf NET=FILE,...]
//   [--only PART,...]
//
// Measures what docs/serving.md promises, against running servers, and prints JSON (render.mjs makes
// a table of it). `family`: two networks, and one derived from each, in the order base, derived,
// base, derived. `large`: another network, whose steps take long, and one derived from it. `quantized`: the first one in fewer
// bits. `masks`: what ashlar_grammar_bench has said as JSON. `peer`: where bench/peers/peer.mjs and node-llama-cpp are, to run the same numbers of
// requests on files.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { complete, idleConnections } from "./client.mjs";
import { sentence, uniform } from "./random.mjs";
import { pss, serve } from "./server.mjs";
import { gaps, median, percentile } from "./statistics.mjs";

const { values: flags } = parseArgs({ options: {
  ashlar: { type: "string", default: "build/release/ashlar" }, store: { type: "string" },
  family: { type: "string" }, large: { type: "string" }, quantized: { type: "string" },
  threads: { type: "string", default: "2" },
  rounds: { type: "string", default: "3" }, mixed: { type: "string", default: "500" },
  masks: { type: "string" }, peer: { type: "string" }, gguf: { type: "string", default: "" },
  "large-derived": { type: "string" }, only: { type: "string" },
} });
const family = flags.family.split(",");
const rounds = Number(flags.rounds);
const note = (text) => process.stderr.write(text + "\n");
const start = (...words) => serve(flags.ashlar, flags.store, ...words);
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

// What answers that were all asked for at once have said, in tokens per second of all together.
async function rate(asked) {
  const begin = performance.now();
  const answers = await Promise.all(asked.map(({ url, body }) => complete(url, body)));
  const failed = answers.find(({ error }) => error);
  if (failed) throw new Error(failed.error);
  return sum(answers.map(({ usage }) => usage.completion_tokens)) / ((performance.now() - begin) / 1000);
}
// A prompt of so many tokens, which are plain ones in every vocabulary: what a text comes to differs.
const promptOf = (seed, count) => {
  const random = uniform(seed);
  return Array.from({ length: count }, () => 8 + Math.floor(random() * 200));
};
const promptTokens = 40;
const body = (model, i, tokens = 64) => ({ model, prompt: promptOf(i + 1, promptTokens),
                                           max_tokens: tokens, temperature: 0, ignore_eos: true });

const files = Object.fromEntries(flags.gguf.split(",").filter(Boolean).map((pair) => pair.split("=")));
const counts = [1, 4, 8, 16];
const answerTokens = 128;

// Tokens per second of so many requests at once on one network; and of llama.cpp, which is asked
// within its own process, without HTTP.
async function throughput(network) {
  const ours = Object.fromEntries(counts.map((count) => [count, []]));
  const theirs = Object.fromEntries(counts.map((count) => [count, []]));
  for (let round = 0; round < rounds; ++round) {
    const server = await start("--threads", flags.threads);
    await rate([{ url: server.url, body: body(network, 0, 8) }]);
    for (const count of counts) {
      ours[count].push(await rate(Array.from({ length: count }, (_, i) =>
        ({ url: server.url, body: body(network, 1000 * round + 100 * count + i, answerTokens) }))));
    }
    await server.stop();
    if (flags.peer && files[network]) {
      const options = { threads: Number(flags.threads), flash: true, prompts: [32],
                        gen: answerTokens, batches: counts, batchPrompt: promptTokens };
      const { total } = JSON.parse(execFileSync(process.execPath,
        [`${flags.peer}/peer.mjs`, "MEASURE", files[network], JSON.stringify(options)]));
      for (const count of counts) theirs[count].push(total[count]);
    }
  }
  return Object.fromEntries(counts.map((count) =>
    [count, { ashlar: median(ours[count]), llama_cpp: median(theirs[count]) }]));
}

// How long the tokens of four streams are apart before `act(url)`, and while it runs. What they say
// are words: of tokens that are parts of characters, several make one piece of text, and what is
// between the pieces is no gap between tokens.
async function gapsOnceBeside(network, act) {
  const server = await start("--threads", flags.threads);
  await rate([{ url: server.url, body: body(network, 0, 8) }]);
  const streams = Array.from({ length: 4 }, (_, i) => complete(server.url,
    { ...body(network, i, 1000), prompt: sentence(uniform(i + 1), 30) }));
  await sleep(1500);
  const begin = performance.now();
  await act(server.url);
  const end = performance.now();
  const before = [];
  const during = [];
  for (const answer of await Promise.all(streams)) {
    if (answer.tokens.length < answer.usage?.completion_tokens) {
      throw new Error(`a stream said ${answer.tokens.length} words in ${answer.usage.completion_tokens} tokens`);
    }
    gaps(answer).forEach((gap, i) => {
      const came = answer.tokens[i + 1];
      if (i > 2 && came < begin) before.push(gap);
      else if (came >= begin && answer.tokens[i] < end) during.push(gap);
    });
  }
  await server.stop();
  if (before.length === 0 || during.length === 0) throw new Error("the streams ended too soon");
  const longest = percentile(during, 100);
  return { seconds: (end - begin) / 1000, median_before_ms: median(before),
           longest_before_ms: percentile(before, 100), median_during_ms: median(during),
           p99_during_ms: percentile(during, 99), longest_during_ms: longest,
           longest_times_median: longest / median(before) };
}

// The median of some runs, each number for itself, and of each run how often its median the longest
// gap was: a run has one longest gap, and any other work of the machine is in it.
async function gapsBeside(network, act) {
  const runs = [];
  for (let round = 0; round < rounds; ++round) runs.push(await gapsOnceBeside(network, act));
  const of = (key) => runs.map((run) => run[key]);
  return { ...Object.fromEntries(Object.keys(runs[0]).map((key) => [key, median(of(key))])),
           runs: of("longest_times_median") };
}

const longPrompt = 2048; // tokens
const besideAPrompt = (network) => gapsBeside(network, async (url) => {
  const { error } = await complete(url, { model: network, prompt: promptOf(99, longPrompt),
                                          max_tokens: 1, temperature: 0, ignore_eos: true });
  if (error) throw new Error(`the long prompt: ${error}`);
});

const besideALoad = (network, loaded) => gapsBeside(network, async (url) => {
  const answer = await fetch(`${url}/admin/networks/load`,
                             { method: "POST", headers: { "Content-Type": "application/json" },
                               body: JSON.stringify({ model: loaded }) });
  if (!answer.ok) throw new Error(`loading ${loaded}: ${await answer.text()}`);
});

// A gauge of the server's.
async function metric(url, name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = new RegExp(`^${name} (\\S+)$`, "m").exec(text);
  if (!found) throw new Error(`/metrics has no ${name}`);
  return Number(found[1]);
}

// Four networks in one process, and each in one of its own with one thread or two, whichever is
// better. Prompts are new in each round, and the same on both sides. Memory is read as the last answer
// has come, when that of steps is held, and again when nothing has been asked for a while.
async function oneProcess() {
  const asked = (urlOf, round) => family.flatMap((network, n) =>
    Array.from({ length: 2 }, (_, i) =>
      ({ url: urlOf(n), body: body(network, 1000 * round + 10 * n + i) })));
  const one = { pss: 0, pss_at_work: 0, rates: [] };
  const apart = { pss: Infinity, rates: { 1: [], 2: [] } };
  const quiet = 500; // milliseconds
  for (let round = 0; round < rounds; ++round) {
    const server = await start("--threads", flags.threads);
    await rate(asked(() => server.url, 0));
    one.rates.push(await rate(asked(() => server.url, round + 1)));
    one.pss_at_work = Math.max(one.pss_at_work, pss(server.pid));
    await sleep(quiet);
    one.pss = Math.max(one.pss, pss(server.pid));
    one.weights = await metric(server.url, "ashlar_weights_resident_bytes");
    one.pages = await metric(server.url, "ashlar_kv_used_bytes");
    await server.stop();
    for (const threads of [1, 2]) {
      const servers = [];
      for (const network of family) servers.push(await start("--threads", `${threads}`));
      await rate(asked((n) => servers[n].url, 0));
      apart.rates[threads].push(await rate(asked((n) => servers[n].url, round + 1)));
      await sleep(quiet);
      apart.pss = Math.min(apart.pss, sum(servers.map(({ pid }) => pss(pid))));
      for (const server of servers) await server.stop();
    }
  }
  return { one: { ...one, tokens_per_second: median(one.rates) },
           apart: { pss: apart.pss,
                    tokens_per_second: Math.max(...Object.values(apart.rates).map(median)) } };
}

// A network with its derived one in one batch, against the mean of as many requests of each alone.
async function together() {
  const [base, derived] = family;
  const server = await start("--threads", flags.threads);
  let fresh = 0; // no prompt twice
  const eight = (networkOf) => rate(Array.from({ length: 8 }, (_, i) =>
    ({ url: server.url, body: body(networkOf(i), ++fresh) })));
  await eight((i) => (i % 2 ? derived : base));
  const ratios = [];
  for (let round = 0; round < rounds; ++round) {
    const alone = (await eight(() => base) + await eight(() => derived)) / 2;
    ratios.push(await eight((i) => (i % 2 ? derived : base)) / alone);
  }
  await server.stop();
  return { ratio: median(ratios) };
}

// Many different requests at once, and each again alone: how many texts differ.
async function exactness() {
  const random = uniform(7);
  const bodies = Array.from({ length: Number(flags.mixed) }, (_, i) => ({
    model: family[Math.floor(random() * family.length)],
    prompt: sentence(random, 1 + Math.floor(random() * 60)),
    max_tokens: 1 + Math.floor(random() * 40), temperature: random() < 0.5 ? 0 : 1, seed: i,
    top_p: random() < 0.5 ? 1 : 0.9 }));
  let server = await start("--threads", flags.threads, "--queue", `${bodies.length}`);
  const crowded = await Promise.all(bodies.map((each) => complete(server.url, each)));
  const refused = crowded.find(({ error }) => error);
  if (refused) throw new Error(`crowded: ${refused.error}`);
  await server.stop();
  server = await start("--threads", "1");
  let different = 0;
  for (let i = 0; i < bodies.length; ++i) {
    const alone = await complete(server.url, bodies[i]);
    const same = !alone.error && !crowded[i].error && alone.text === crowded[i].text &&
      alone.finish === crowded[i].finish &&
      alone.usage.completion_tokens === crowded[i].usage.completion_tokens;
    different += same ? 0 : 1;
  }
  await server.stop();
  return { requests: bodies.length, different };
}

// How much more is resident when one network after another is asked for besides the first, and what
// of each no other has.
async function loadedBeside([first, ...others]) {
  const server = await start("--threads", flags.threads);
  const resident = async (network) => {
    await rate([{ url: server.url, body: body(network, 0, 8) }]);
    await sleep(1000); // what a step takes goes back to the system
    return pss(server.pid);
  };
  let before = await resident(first);
  const of = {};
  for (const network of others) {
    const after = await resident(network);
    const { networks } = await (await fetch(`${server.url}/admin/networks`)).json();
    const { weight_bytes: weights, unique_bytes: unique } =
      networks.find(({ model }) => model === network);
    of[network] = { more: after - before, weights, unique };
    before = after;
  }
  await server.stop();
  return { beside: first, of };
}

// What connections that wait take of the server's memory, and of the time of those that ask.
async function idle(network, count = 10000) {
  const server = await start("--threads", flags.threads);
  let fresh = 0;
  const answered = async () => {
    const times = [];
    for (let i = 0; i < 20; ++i) {
      const { sent, ended, error } = await complete(server.url, body(network, ++fresh, 1));
      if (error) throw new Error(error);
      times.push(ended - sent);
    }
    await sleep(1000);
    return median(times);
  };
  await answered();
  const alone = await answered();
  const before = pss(server.pid);
  const close = await idleConnections(server.url, count);
  const bytes = pss(server.pid) - before;
  const beside = await answered();
  const open = await metric(server.url, "ashlar_http_connections");
  if (open < count) throw new Error(`of ${count} connections ${open} are open`);
  close();
  await server.stop();
  return { count, bytes_each: bytes / count, alone_ms: alone, beside_ms: beside };
}

// Answers that are held to a form (any text before a character that never comes) against free ones:
// tokens per second of one stream and of eight, as a share.
async function held(network) {
  const server = await start("--threads", flags.threads);
  let fresh = 0;
  const { vocabulary } = await (await fetch(`${server.url}/v1/models/${network}`)).json();
  const of = (count, form) => rate(Array.from({ length: count }, () =>
    ({ url: server.url, body: { ...body(network, ++fresh, 48), ...form } })));
  const form = { guided_regex: "[^]*\\u0000", ignore_eos: false };
  await of(1, form);
  const share = async (count) => {
    const shares = [];
    for (let round = 0; round < rounds; ++round) {
      const free = await of(count, {});
      shares.push(await of(count, form) / free);
    }
    return median(shares);
  };
  const shares = { 1: await share(1), 8: await share(8) };
  await server.stop();
  return { vocabulary, shares };
}

// What ashlar_grammar_bench has measured, by grammar: microseconds per token of the first answer to
// it and of those after it.
function masks() {
  const { benchmarks } = JSON.parse(readFileSync(flags.masks, "utf8"));
  const of = (name) => Object.fromEntries(benchmarks.filter((each) => each.name.startsWith(name))
    .map(({ label, mean_us }) => [label, mean_us]));
  return { first_us: of("BM_FirstAnswer"), next_us: of("BM_NextAnswer") };
}

const results = {};
const only = flags.only?.split(",");
const measure = async (part, what, run) => {
  if (only && !only.includes(part)) return;
  note(what);
  Object.assign(results[part] ??= {}, await run());
};
const loaded = flags.large ?? family[2];
await measure("one_process", "four networks in one process", oneProcess);
await measure("together", "a network and its derived one together", together);
await measure("exactness", "the same requests crowded and alone", exactness);
for (const network of [family[0], flags.quantized, flags.large].filter(Boolean)) {
  await measure("throughput", `throughput of ${network}`,
                async () => ({ [network]: await throughput(network) }));
}
for (const network of [family[0], flags.large].filter(Boolean)) {
  await measure("long_prompt", `a long prompt beside streams of ${network}`,
                async () => ({ [network]: { prompt: longPrompt, ...await besideAPrompt(network) } }));
}
await measure("loading", `loading ${loaded} beside streams`,
              async () => ({ [loaded]: await besideALoad(family[0], loaded) }));
await measure("second", "networks that share weights with one that is loaded",
              async () => ({ [family[0]]: await loadedBeside(family.slice(0, 3)) }));
if (flags.large && flags["large-derived"]) {
  await measure("second", `the same of ${flags.large}`, async () =>
    ({ [flags.large]: await loadedBeside([flags.large, flags["large-derived"]]) }));
}
for (const network of [family[0], flags.large].filter(Boolean)) {
  await measure("held", `answers of ${network} that are held to a form`,
                async () => ({ [network]: await held(network) }));
}
await measure("idle", "connections that wait", () => idle(family[0]));
if (flags.masks) await measure("masks", "masks of grammars", masks);
console.log(JSON.stringify(results, null, 2));
