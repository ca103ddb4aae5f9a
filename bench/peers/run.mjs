// node run.mjs NETWORK=FILE.gguf... --one-layer FILE.gguf --all-layers FILE.gguf --layers N
//
// Measures ashlar and llama.cpp side by side, and prints results as JSON (render.mjs makes a page of
// them). For each round and network the two run in turn, with 2 threads each, keys and values in
// f16, after a warm-up; llama.cpp with and without flash attention, of which the faster counts.
//
// With --isas avx2,avxvnni ashlar also reads prompts and decodes restricted to each of these
// instruction sets; llama.cpp keeps its best.
//
// llama.cpp runs inside Node. What that costs is told by overhead.mjs from a small network in two
// depths, all N of its layers and the first alone. It runs there with one thread: two of them wait
// for each other in a loop after each of a token's operations, and where Node's main thread, or
// anything else, has one of the cores, the one that runs waits out the time slices of the other.
// (One layer on 2 cores with a load of 7: 80 to 290 ms a token with 2 threads, 0.3 to 1.8 with one.)
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median, overheadOf } from "./overhead.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ashlar: { type: "string", default: "build/bench/ashlar" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
    gen: { type: "string", default: "32" },
    prompts: { type: "string", default: "1,32,128,512,2048" },
    batches: { type: "string", default: "4,16" },
    isas: { type: "string", default: "" },
    "overhead-rounds": { type: "string", default: "5" },
    "one-layer": { type: "string" },
    "all-layers": { type: "string" },
    layers: { type: "string" },
  },
});
const numbers = (list) => (list === "" ? [] : list.split(",").map(Number));
const prompts = numbers(flags.prompts);
const batches = numbers(flags.batches);
const isas = flags.isas === "" ? [] : flags.isas.split(",");
const [rounds, threads, gen] = [flags.rounds, flags.threads, flags.gen].map(Number);
const batchPrompt = 32;
const peerScript = join(dirname(fileURLToPath(import.meta.url)), "peer.mjs");
const note = (text) => process.stderr.write(text + "\n");

// Runs a program, with `environment` besides its own; its output, and when the first of it came.
function run(program, words, environment = {}) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, words, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...environment },
    });
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
const bench = async (environment, network, prompt, batch) =>
  JSON.parse(
    (await run(flags.ashlar,
               ["bench", network, "--kv", "f16", "--rounds", "1", "--threads", `${threads}`,
                "--gen", `${gen}`, "--prompt", `${prompt}`, "--batch", `${batch}`, "--json"],
               environment)).out,
  );
const peer = async (...words) => {
  const { out, first } = await run(process.execPath, [peerScript, ...words]);
  return { ...JSON.parse(out), first };
};

async function measureOurs(network) {
  const result = { prompt: {}, decode: {}, batch: {}, bandwidth_share: {} };
  for (const length of prompts) {
    const figures = await bench({}, network, length, 1);
    result.prompt[length] = figures.prompt_tokens_per_second;
    result.decode[length] = figures.decode_tokens_per_second;
    result.bandwidth_share[length] = figures.bandwidth_share;
    // Of the longest, as the peer's.
    result.peak_rss_bytes = Math.max(result.peak_rss_bytes ?? 0, figures.plan.peak_rss_bytes);
    result.page_bytes = Math.max(result.page_bytes ?? 0, figures.plan.page_bytes);
    result.isa = figures.isa;
    result.weight_bytes = figures.weight_bytes;
  }
  for (const count of batches) {
    result.batch[count] = (await bench({}, network, batchPrompt, count)).decode_tokens_per_second;
  }
  const cold = await ashlar("run", network, "--prompt", "Hello", "--max-tokens", "1", "--context",
                            "512", "--kv", "f16", "--threads", `${threads}`, "--ignore-eos",
                            "--json");
  result.cold_seconds = cold.first;
  return result;
}

// Prompts and decoding with one instruction set.
async function measureIsa(network, isa) {
  const result = { prompt: {}, decode: {} };
  for (const length of prompts) {
    const figures = await bench({ ASHLAR_ISA: isa }, network, length, 1);
    if (figures.isa !== isa) throw new Error(`${network}: asked for ${isa}, ran ${figures.isa}`);
    result.prompt[length] = figures.prompt_tokens_per_second;
    result.decode[length] = figures.decode_tokens_per_second;
  }
  return result;
}

async function measurePeer(file, flash) {
  const options = { threads, flash, prompts, batches, gen, batchPrompt };
  const result = await peer("MEASURE", file, JSON.stringify(options));
  result.cold_seconds = (await peer("FIRST", file, JSON.stringify({ threads, flash }))).first;
  return result;
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

// Seconds of JavaScript in each workload. The two depths run in turn.
async function measureOverhead() {
  const options = JSON.stringify({ threads: 1, prompts, batches, gen, batchPrompt });
  const [one, all] = [[], []];
  const overheadRounds = Number(flags["overhead-rounds"]);
  for (let round = 0; round < overheadRounds; ++round) {
    note(`JavaScript's share, round ${round + 1} of ${overheadRounds}`);
    one.push(await peer("MEASURE", flags["one-layer"], options));
    all.push(await peer("MEASURE", flags["all-layers"], options));
  }
  return overheadOf(one, all, Number(flags.layers));
}

// Cores that other programs keep busy, over a second.
async function busyCores() {
  const ticks = () => {
    const add = (numbers) => numbers.reduce((a, b) => a + b);
    const times = cpus().map((core) => core.times);
    return {
      idle: add(times.map((each) => each.idle)),
      all: add(times.map((each) => add(Object.values(each)))),
    };
  };
  const before = ticks();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = ticks();
  return cpus().length * (1 - (after.idle - before.idle) / (after.all - before.all));
}

const busy = await busyCores();
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
  const restricted = Object.fromEntries(isas.map((isa) => [isa, []]));
  const seen = { true: [], false: [] };
  for (let round = 0; round < rounds; ++round) {
    note(`${name}: ashlar, round ${round + 1} of ${rounds}`);
    ours.push(await measureOurs(name));
    for (const isa of isas) {
      note(`${name}: ashlar on ${isa}, round ${round + 1} of ${rounds}`);
      restricted[isa].push(await measureIsa(name, isa));
    }
    for (const flash of [true, false]) {
      note(`${name}: llama.cpp, round ${round + 1} of ${rounds}, flash attention ${flash}`);
      seen[flash].push(await measurePeer(file, flash));
    }
  }
  networks[name] = {
    ashlar: combine(ours, median),
    isas: Object.fromEntries(isas.map((isa) => [isa, combine(restricted[isa], median)])),
    llama_cpp: better(combine(seen[true], median), combine(seen[false], median)),
    rounds: { ashlar: ours, isas: restricted, flash: seen[true], no_flash: seen[false] },
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
      busy_cores: busy,
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
