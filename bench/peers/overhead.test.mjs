import assert from "node:assert/strict";
import { test } from "node:test";
import { median, overheadOf, shareOfJavaScript } from "./overhead.mjs";

const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}`);
// A run that takes `ms` for a token that is decoded, and for each of a prompt and a batch.
const run = (ms) => ({
  prompt: { 32: 1e3 / ms },
  decode: { 1: 1e3 / ms, 32: 1e3 / ms },
  batch: { 4: 4e3 / ms },
});

test("a median of an even number of values is between the two in the middle", () => {
  assert.equal(median([4, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test("a share is what is left with no layer at all", () => {
  near(shareOfJavaScript([3e-3], [10e-3], 8).seconds, 2e-3);
});

test("a disturbed run does not move a share", () => {
  near(shareOfJavaScript([3e-3, 250e-3, 3e-3], [10e-3, 10e-3, 900e-3], 8).seconds, 2e-3);
});

test("a share that is a little below nothing is nothing, and one far below contradicts itself", () => {
  assert.equal(shareOfJavaScript([1e-3], [8.5e-3], 8).seconds, 0);
  assert.equal(shareOfJavaScript([3e-3], [35e-3], 8).seconds, undefined);
});

test("layers that take no time of their own contradict each other, in words", () => {
  const { seconds, contradiction } = shareOfJavaScript([23e-3], [2e-3], 8);
  assert.equal(seconds, undefined);
  assert.equal(contradiction, "23.00 ms in one layer and 2.00 in 8");
});

test("an overhead is in seconds for a prompt, a token and a step", () => {
  const overhead = overheadOf([run(3)], [run(10)], 8);
  near(overhead.prompt[32], 32 * 2e-3);
  near(overhead.decode, 2e-3);
  near(overhead.batch[4], 2e-3);
  assert.deepEqual(overhead.contradictions, []);
});

test("a workload that contradicts itself is left out and named", () => {
  const one = { ...run(3), prompt: { 32: 1e3 / 30 } };
  const overhead = overheadOf([one], [run(10)], 8);
  assert.deepEqual(overhead.prompt, {});
  near(overhead.decode, 2e-3);
  assert.deepEqual(overhead.contradictions,
                   ["prompt of 32: 960.00 ms in one layer and 320.00 in 8"]);
});

test("a token is told by all lengths, or not at all", () => {
  const one = { ...run(3), decode: { 1: 1e3 / 3, 32: 1e3 / 30 } };
  const { decode, contradictions } = overheadOf([one], [run(10)], 8);
  assert.equal(decode, undefined);
  assert.equal(contradictions.length, 1);
});
