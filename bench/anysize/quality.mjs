// Measures how good a network is at many sizes: perplexity on the first 32,000 characters of each
// text. Prints one JSON document:
//   { network, parameters, texts, reference: [perplexity of each text], series: [{ name,
//     stored_bytes, points: [{ budget, weights_bytes, loss, expected }] }] }
// where `loss` is the mean over the texts of ln(perplexity / that of the network as imported),
// `expected` what `ashlar plan` says of it, and what has one size only has neither this nor a budget.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { ashlarOf } from "./ashlar.mjs";
import { peerPoints } from "./peer.mjs";

const { values: options } = parseArgs({ options: {
  ashlar: { type: "string" }, store: { type: "string" }, model: { type: "string" },
  network: { type: "string" }, texts: { type: "string" } } });
const characters = 32000;
const window = 512;
// Sizes between those of the peer's files, in bits per weight. (bitstack, which rebuilds matrices as it
// runs, takes as long at a few sizes as all the rest.)
const stacks = [
  { codec: "bitplane", evenBits: [3, 5.5, 6, 7, 7.5, 8] },
  { codec: "bitstack", evenBits: [] },
];

const ashlar = ashlarOf(options);

rmSync(options.store, { recursive: true, force: true });
mkdirSync(path.dirname(options.store), { recursive: true });
const texts = readdirSync(options.texts).filter((file) => file.endsWith(".txt")).sort();
const parts = texts.map((file) => {
  const part = path.join(path.dirname(options.store), file);
  const whole = readFileSync(path.join(options.texts, file), "utf8");
  writeFileSync(part, [...whole].slice(0, characters).join(""));
  return part;
});
const { parameters } = ashlar("import", "hf", options.model, "--as", "whole");

const perplexity = (network, part, ...more) =>
  ashlar("eval", "ppl", network, "--text", part, "--window", String(window), "--windows", "1000",
         ...more);
const reference = parts.map((part) => perplexity("whole", part).perplexity);
const loss = (perplexities) =>
  perplexities.reduce((sum, each, i) => sum + Math.log(each / reference[i]), 0) / reference.length;

const series = [];
for (const codec of ["q4", "q8"]) {
  ashlar("encode", "whole", "--as", codec, "--codec", codec);
  const bytes = ashlar("plan", codec).weights_bytes;
  series.push({ name: codec, stored_bytes: bytes, points: [{
    weights_bytes: bytes,
    loss: loss(parts.map((part) => perplexity(codec, part).perplexity)) }] });
}
for (const { codec, evenBits } of stacks) {
  ashlar("shrink", "whole", "--as", codec, "--codec", codec);
  const plan = ashlar("plan", codec);
  const budgets = [...new Set([
    plan.floor_weights_bytes,
    ...peerPoints(parameters).map(({ weights_bytes }) => weights_bytes),
    ...evenBits.map((bits) => Math.floor((bits * parameters) / 8)),
    plan.most_weights_bytes,
  ])].filter((bytes) => bytes >= plan.floor_weights_bytes && bytes <= plan.most_weights_bytes)
     .sort((a, b) => a - b);
  const curves = parts.map((part) => perplexity(codec, part, "--weights", budgets.join(",")));
  series.push({ name: codec, stored_bytes: plan.most_weights_bytes, points: budgets.map(
    (budget, i) => ({
      budget,
      weights_bytes: curves[0][i].weights_bytes,
      loss: loss(curves.map((curve) => curve[i].perplexity)),
      expected: Math.log(
        ashlar("plan", codec, "--weights", String(budget)).networks[0].expected_perplexity_ratio) })) });
}
console.log(JSON.stringify({ network: options.network, parameters, texts, reference, series },
                           null, 1));
