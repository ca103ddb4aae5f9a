import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("render.mjs", import.meta.url));

const gap = { longest_during_ms: 9, longest_times_median: 2.5, median_before_ms: 3.6,
              longest_before_ms: 5, runs: [2.5], seconds: 1 };
// Of each part that goals.mjs measures, and the beginnings of its rows.
const parts = {
  throughput: [{ base: { 1: { ashlar: 50, llama_cpp: null }, 8: { ashlar: 200, llama_cpp: 50 } } },
               "base, 1 requests at once", "base, 8 requests at once"],
  long_prompt: [{ base: { prompt: 2048, ...gap } }, "base: longest gap"],
  loading: [{ big: gap }, "base: longest gap"],
  one_process: [{ one: { pss: 1e8, pss_at_work: 1.1e8, weights: 8e7, pages: 1e7, tokens_per_second: 100 },
                  apart: { pss: 2e8, tokens_per_second: 60 } },
                "four networks", "the same, tokens"],
  together: [{ ratio: 0.95 }, "a network and its derived one"],
  exactness: [{ requests: 5, different: 0 }, "5 requests at once, and each alone"],
  second: [{ base: { beside: "base", of: { tuned: { more: 1, weights: 2, unique: 1 } } } },
           "tuned, loaded beside base"],
  idle: [{ count: 10, bytes_each: 5, beside_ms: 1, alone_ms: 1 }, "10 connections that wait"],
  held: [{ base: { vocabulary: 96, shares: { 1: 0.96, 8: 0.97 } } }, "base, answers held to a form"],
  masks: [{ first_us: { json: 50 }, next_us: { json: 2 } }, "masks of structured output"],
};

function rowsOf(results) {
  const folder = mkdtempSync(join(tmpdir(), "render-"));
  try {
    writeFileSync(join(folder, "results.json"), JSON.stringify(results));
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, join(folder, "results.json")]);
    assert.equal(status, 0, `${stderr}`);
    return `${stdout}`.split("\n").filter((line) => line.startsWith("| ")).slice(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const [part, [measured, ...beginnings]] of Object.entries(parts)) {
  test(`${part} that was measured alone has its rows, and no others`, () => {
    const rows = rowsOf({ [part]: measured });
    assert.equal(rows.length, beginnings.length, rows.join("\n"));
    beginnings.forEach((beginning, i) => assert.ok(rows[i].startsWith(`| ${beginning}`), rows[i]));
  });
}

test("all parts have the rows of each, and masks what they are of a token's time", () => {
  const rows = rowsOf(Object.fromEntries(Object.entries(parts).map(([part, [measured]]) => [part, measured])));
  assert.equal(rows.length, 12);
  assert.match(rows[1], /4\.00 times llama\.cpp's 50\.0 \| 2 times llama\.cpp \| yes \|$/);
  const masks = rows.find((line) => line.startsWith("| masks"));
  assert.match(masks, /with one stream of base/);
});
