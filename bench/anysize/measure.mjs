// Measures a network at many sizes: perplexity on the first 32,000 characters of each text, and the
// speed of decoding. Prints one JSON document:
//   { network, parameters, texts, reference: [perplexity of each text], series: [{ name,
//     stored_bytes, points: [{ budget, weights_bytes, loss, tokens_per_second }] }] }
// where `loss` is the mean over the texts of ln(perplexity / that of the network as imported), and
// what has one size only has no budget.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { peerPoints } from "./peer.mjs";

const { values: options } = parseArgs({ options: {
  ashlar: { type: "string" }, store: { type: "string" }, model: { type: "string" },
  network: { type: "string" }, texts: { type: "string" } } });
const characters = 32000;
const window = 512;
// Sizes between those of the peer's files, in bits per weight; and how many tokens tell the speed.
// bitstack rebuilds its matrices for every token: a few sizes and tokens of it take as long as all
// the rest.
const stacks = [
  { codec: "bitplane", evenBits: [3, 5.5, 6, 7, 7.5, 8], tokens: 64 },
  { codec: "bitstack", evenBits: [], tokens: 4 },
];

const log = (text) => process.stderr.write(`${text}\n`);
function ashlar(...words) {
  log(`$ ashlar ${words.join(" ")}`);
  return JSON.parse(execFileSync(options.ashlar, [...words, "--json", "--store", options.store],
                                 { encoding: "utf8", maxBuffer: 1 << 28,
                                   stdio: ["ignore", "pipe", "inherit"] }));
}

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
const speed = (network, tokens, ...more) =>
  ashlar("bench", network, "--prompt", "32", "--gen", String(tokens), ...more)
    .decode_tokens_per_second;

const series = [];
for (const codec of ["q4", "q8"]) {
  ashlar("encode", "whole", "--as", codec, "--codec", codec);
  const bytes = ashlar("plan", codec).weights_bytes;
  series.push({ name: codec, stored_bytes: bytes, points: [{
    weights_bytes: bytes,
    loss: loss(parts.map((part) => perplexity(codec, part).perplexity)),
    tokens_per_second: speed(codec, 64) }] });
}
for (const { codec, evenBits, tokens } of stacks) {
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
      tokens_per_second: speed(codec, tokens, "--weights", String(budget)) })) });
}
console.log(JSON.stringify({ network: options.network, parameters, texts, reference, series },
                           null, 1));
