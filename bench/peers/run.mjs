// node run.mjs NETWORK=FILE.gguf... --one-layer FILE.gguf --all-layers FILE.gguf --layers N
//
// Measures ashlar and llama.cpp side by side, and prints results as JSON (render.mjs makes a page of
// them). For each round and network the two run in turn, with 2 threads each, keys and values in
// f16, after a warm-up; llama.cpp with and without flash attention, of which the faster counts.
//
// llama.cpp runs inside Node. What that costs is measured on a small network in two depths, all N of
// its layers and the first alone: a workload that takes t(N) and t(1) there would take
// t(1) - (t(N) - t(1)) / (N - 1) with no layer at all, and that is taken for JavaScript's share,
// though the small network's embedding and head are in it too.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ashlar: { type: "string", default: "build/bench/ashlar" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
    gen: { type: "string", default: "32" },
    prompts: { type: "string", default: "1,32,128,512,2048" },
    batches: { type: "string", default: "4,16" },
    "one-layer": { type: "string" },
    "all-layers": { type: "string" },
    layers: { type: "string" },
  },
});
const numbers = (list) => (list === "" ? [] : list.split(",").map(Number));
const prompts = numbers(flags.prompts);
const batches = numbers(flags.batches);
const [rounds, threads, gen] = [flags.rounds, flags.threads, flags.gen].map(Number);
const batchPrompt = 32;
const peerScript = join(dirname(fileURLToPath(import.meta.url)), "peer.mjs");
const note = (text) => process.stderr.write(text + "\n");

// Runs a program; its output, and when the first of it came.
function run(program, words) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    let first = 0;
    child.stdout.on("data", (data) => {
      first ||= (performance.now() - start) / 1e3;
      out += data;
    });
    child.on("close", (code) =>
      code === 0
        ? resolve({ out, first })
        : reject(new Error(`${program} ${words.join(" ")}: exit code ${code}`)),
    );
    child.on("error", reject);
  });
}
const ashlar = (...words) => run(flags.ashlar, words);
const ashlarJson = async (...words) => JSON.parse((await ashlar(...words, "--json")).out);
const peer = async (...words) => {
  const { out, first } = await run(process.execPath, [peerScript, ...words]);
  return { ...JSON.parse(out), first };
};

async function measureOurs(network) {
  const result = { prompt: {}, decode: {}, batch: {}, bandwidth_share: {} };
  const bench = (prompt, batch) =>
    ashlarJson("bench", network, "--kv", "f16", "--rounds", "1", "--threads", `${threads}`,
               "--gen", `${gen}`, "--prompt", `${prompt}`, "--batch", `${batch}`);
  for (const length of prompts) {
    const figures = await bench(length, 1);
    result.prompt[length] = figures.prompt_tokens_per_second;
    result.decode[length] = figures.decode_tokens_per_second;
    result.bandwidth_share[length] = figures.bandwidth_share;
    // Of the longest, as the peer's.
    result.peak_rss_bytes = Math.max(result.peak_rss_bytes ?? 0, figures.plan.peak_rss_bytes);
    result.isa = figures.isa;
    result.weight_bytes = figures.weight_bytes;
  }
  for (const count of batches) {
    result.batch[count] = (await bench(batchPrompt, count)).decode_tokens_per_second;
  }
  const cold = await ashlar("run", network, "--prompt", "Hello", "--max-tokens", "1", "--context",
                            "512", "--kv", "f16", "--threads", `${threads}`, "--ignore-eos",
                            "--json");
  result.cold_seconds = cold.first;
  return result;
}

async function measurePeer(file, flash) {
  const options = { threads, flash, prompts, batches, gen, batchPrompt };
  const result = await peer("MEASURE", file, JSON.stringify(options));
  result.cold_seconds = (await peer("FIRST", file, JSON.stringify({ threads, flash }))).first;
  return result;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// One figure for each number at the same place in all of `results`, through objects.
function combine(results, figure) {
  const [first] = results;
  if (typeof first === "number") return figure(results);
  if (typeof first !== "object") return first;
  return Object.fromEntries(
    Object.keys(first).map((key) => [key, combine(results.map((result) => result[key]), figure)]),
  );
}

// Of two medians of the peer, with and without flash attention, the better at each place.
function better(a, b, key = "") {
  if (typeof a === "number") {
    return /^(peak_rss_bytes|cold_seconds|first)$/.test(key) ? Math.min(a, b) : Math.max(a, b);
  }
  return Object.fromEntries(Object.keys(a).map((name) => [name, better(a[name], b[name], name)]));
}

async function peerMedian(name, file) {
  const seen = { true: [], false: [] };
  for (let round = 0; round < rounds; ++round) {
    for (const flash of [true, false]) {
      note(`${name}: llama.cpp, round ${round + 1} of ${rounds}, flash attention ${flash}`);
      seen[flash].push(await measurePeer(file, flash));
    }
  }
  return better(combine(seen[true], median), combine(seen[false], median));
}

// Seconds of JavaScript in each workload, from a small network in two depths.
async function measureOverhead() {
  const one = await peerMedian("one layer", flags["one-layer"]);
  const all = await peerMedian("all layers", flags["all-layers"]);
  const layers = Number(flags.layers);
  const share = (tokens) => (rateOfOne, rateOfAll) => {
    const [t1, tn] = [tokens / rateOfOne, tokens / rateOfAll];
    return Math.max(0, t1 - (tn - t1) / (layers - 1));
  };
  const each = (kind, tokens) =>
    Object.fromEntries(
      Object.keys(one[kind]).map((key) => [
        key,
        share(tokens(Number(key)))(one[kind][key], all[kind][key]),
      ]),
    );
  return {
    prompt: each("prompt", (length) => length), // seconds for the prompt
    decode: median(Object.values(each("decode", () => 1))), // for a token, whatever its context
    batch: each("batch", (count) => count), // for a step
  };
}

const empty = [];
for (let i = 0; i < rounds; ++i) empty.push(await peer("EMPTY"));
const overhead = {
  empty_seconds: median(empty.map((each) => each.first)),
  empty_rss_bytes: median(empty.map((each) => each.peak_rss_bytes)),
  ...(await measureOverhead()),
};

const networks = {};
for (const pair of positionals) {
  const [name, file] = pair.split("=");
  const ours = [];
  const seen = { true: [], false: [] };
  for (let round = 0; round < rounds; ++round) {
    note(`${name}: ashlar, round ${round + 1} of ${rounds}`);
    ours.push(await measureOurs(name));
    for (const flash of [true, false]) {
      note(`${name}: llama.cpp, round ${round + 1} of ${rounds}, flash attention ${flash}`);
      seen[flash].push(await measurePeer(file, flash));
    }
  }
  networks[name] = {
    ashlar: combine(ours, median),
    llama_cpp: better(combine(seen[true], median), combine(seen[false], median)),
    rounds: { ashlar: ours, flash: seen[true], no_flash: seen[false] },
  };
}

const peerPackage = JSON.parse(
  readFileSync(join(dirname(peerScript), "node_modules/node-llama-cpp/package.json"), "utf8"),
);
process.stdout.write(
  JSON.stringify(
    {
      date: new Date().toISOString().slice(0, 10),
      cpu: cpus()[0].model,
      cores: cpus().length,
      threads,
      rounds,
      gen,
      batchPrompt,
      versions: {
        ashlar: (await ashlarJson("version")).version,
        node: process.version,
        node_llama_cpp: peerPackage.version,
        llama_cpp: empty[0].llama_cpp,
      },
      overhead,
      networks,
    },
    null,
    1,
  ) + "\n",
);
