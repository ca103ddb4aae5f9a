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

test("a share is never more than the fastest run of one layer", () => {
  near(shareOfJavaScript([0.4e-3, 23e-3, 24e-3], [23.1e-3, 23.1e-3, 23.1e-3], 8).seconds, 0.4e-3);
});

test("a share is never less than nothing", () => {
  assert.equal(shareOfJavaScript([1e-3], [16e-3], 8).seconds, 0);
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

test("a token is told by at least half of the lengths, or not at all", () => {
  const withDecode = (decode) => ({ ...run(3), decode });
  const half = overheadOf([withDecode({ 1: 1e3 / 3, 32: 1e3 / 30 })], [run(10)], 8);
  near(half.decode, 2e-3);
  const none = overheadOf([withDecode({ 1: 1e3 / 30, 32: 1e3 / 30 })], [run(10)], 8);
  assert.equal(none.decode, undefined);
  assert.equal(none.contradictions.length, 2);
});
