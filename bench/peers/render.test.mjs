import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("render.mjs", import.meta.url));

// 100 tokens/s of ours beside 50 of llama.cpp, of whose 20 ms a token 4 are JavaScript.
const results = () => ({
  date: "2026-01-02",
  cpu: "a processor",
  cores: 2,
  busy_cores: 0.01,
  threads: 2,
  rounds: 3,
  gen: 32,
  batchPrompt: 32,
  versions: { ashlar: "1", node: "v20", node_llama_cpp: "3", llama_cpp: "b1" },
  overhead: {
    empty_seconds: 0.5,
    empty_rss_bytes: 90e6,
    prompt: { 32: 0.064 },
    decode: 0.004,
    batch: {},
    contradictions: [],
  },
  networks: {
    small: {
      ashlar: {
        prompt: { 32: 400 },
        decode: { 32: 100 },
        batch: {},
        bandwidth_share: { 32: 0.9 },
        cold_seconds: 0.1,
        peak_rss_bytes: 50e6,
        weight_bytes: 30e6,
        isa: "avx512",
      },
      isas: {},
      llama_cpp: {
        prompt: { 32: 200 },
        decode: { 32: 50 },
        batch: {},
        cold_seconds: 1,
        peak_rss_bytes: 200e6,
      },
    },
  },
});

function render(value) {
  const folder = mkdtempSync(join(tmpdir(), "render-"));
  try {
    writeFileSync(join(folder, "results.json"), JSON.stringify(value));
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, join(folder, "results.json")]);
    assert.equal(status, 0, `${stderr}`);
    return `${stdout}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const lineOf = (page, beginning) => page.split("\n").find((line) => line.startsWith(beginning));

test("a ratio is shown as measured and without JavaScript's share", () => {
  const page = render(results());
  assert.equal(lineOf(page, "| decode after 32"),
               "| decode after 32 | 100 | 50.0 | 2.00 | 62.5 | 1.60 | 90 % |");
  assert.equal(lineOf(page, "| prompt of 32"), "| prompt of 32 | 400 | 200 | 2.00 | 333 | 1.20 |  |");
  assert.match(page, /A token takes 4\.00 ms of it/);
  assert.doesNotMatch(page, /other instruction sets/);
});

test("without a share that can be told, tokens are not corrected, and the page says why", () => {
  const told = results();
  delete told.overhead.decode;
  told.overhead.contradictions = ["decode after 32: 23.00 ms in one layer and 2.00 in 8"];
  const page = render(told);
  assert.equal(lineOf(page, "| decode after 32"),
               "| decode after 32 | 100 | 50.0 | 2.00 | -- | -- | 90 % |");
  assert.equal(lineOf(page, "| prompt of 32"), "| prompt of 32 | 400 | 200 | 2.00 | 333 | 1.20 |  |");
  assert.equal(lineOf(page, "| cold start"), "| cold start (s) | 0.10 | 1.00 | 10.00 | 0.50 | 5.00 |  |");
  assert.match(page, /cannot be told: the two depths contradict each other/);
  assert.match(page, /^- decode after 32: 23\.00 ms in one layer and 2\.00 in 8$/m);
});

test("a workload without a share of its own stays uncorrected", () => {
  const told = results();
  told.overhead.prompt = {};
  told.overhead.contradictions = ["prompt of 32: 960.00 ms in one layer and 320.00 in 8"];
  const page = render(told);
  assert.equal(lineOf(page, "| prompt of 32"), "| prompt of 32 | 400 | 200 | 2.00 | -- | -- |  |");
  assert.match(lineOf(page, "| decode after 32"), / 62\.5 \| 1\.60 /);
});

test("other instruction sets stand beside the corrected llama.cpp, and count as behind", () => {
  const told = results();
  told.networks.small.isas = { avx2: { prompt: { 32: 500 }, decode: { 32: 50 } } };
  const page = render(told);
  assert.equal(lineOf(page, "| small | prompt of 32"), "| small | prompt of 32 | 500 | 1.50 |");
  assert.equal(lineOf(page, "| small | decode after 32"), "| small | decode after 32 | 50.0 | 0.80 |");
  assert.match(page, /^- small on avx2, decode after 32: 0\.80$/m);
});

test("beside a llama.cpp that could not be corrected, other instruction sets are marked", () => {
  const told = results();
  delete told.overhead.decode;
  told.networks.small.isas = { avx2: { prompt: { 32: 500 }, decode: { 32: 75 } } };
  assert.equal(lineOf(render(told), "| small | decode after 32"),
               "| small | decode after 32 | 75.0 | 1.50* |");
});

test("goals are met by corrected ratios, of a network of a billion weights by its codec", () => {
  const told = results();
  told.networks["llama-1b-q4"] = structuredClone(told.networks.small);
  const { ashlar, llama_cpp, isas } = told.networks["llama-1b-q4"];
  ashlar.decode = { 1: 100, 2048: 50 };
  llama_cpp.decode = { 1: 50, 2048: 40 };
  ashlar.bandwidth_share = { 1: 0.9, 2048: 0.7 };
  ashlar.page_bytes = 30e6;
  isas.avx2 = { prompt: { 32: 500 }, decode: { 1: 70, 2048: 60 } };
  told.networks.small.isas = { avx2: { prompt: { 32: 500 }, decode: { 32: 50 } } };
  const page = render(told);
  assert.equal(lineOf(page, "| small | decode:"), "| small | decode: 1.5 times | 1.60 | yes |");
  const goal = (what) => lineOf(page, `| llama-1b-q4 | ${what}`);
  assert.match(goal("decode: 1.6 times"), /\| 1\.60, 1\.05 \| no \|$/);
  assert.match(goal("decode: 0.8 of the bandwidth"), /\| 0\.90, 0\.70 \| no \|$/);
  assert.match(goal("cold start"), /\| 5\.00 \| yes \|$/);
  assert.match(goal("avx2, decode"), /\| 1\.12, 1\.26 \| yes \|$/);
  assert.match(goal("memory"), /\| -10 MB \| yes \|$/);
  assert.match(goal("decode after 2048:"), /\| 2\.00 times as long for 2\.00 times the bytes \| yes \|$/);
  assert.equal(goal("prompt of 128 and"), undefined, "of what was not measured nothing is said");
  delete told.overhead.decode;
  assert.match(lineOf(render(told), "| small | decode:"), /\| 2\.00\* \| yes \|$/);
});

test("a machine that was not quiet is named", () => {
  assert.doesNotMatch(render(results()), /kept/);
  assert.match(render({ ...results(), busy_cores: 1.23 }), /Other programs kept 1\.2 cores busy/);
});
