// The section of docs/anysize.md, a part for each document that speed.mjs printed, and beside the
// page a plot of each: render.mjs FOLDER RESULTS.json... writes FOLDER/anysize-NETWORK.svg.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { curvesSvg } from "./curves_svg.mjs";
import { peerPoints } from "./peer.mjs";

const mostStoredBits = 8.6;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
// The best that fits into so many bytes.
const within = (series, bytes) =>
  series?.points.filter((point) => point.weights_bytes <= bytes).at(-1);
const lossText = (point) => (point ? point.loss.toFixed(4) : "below its floor");
const speedText = (point) => (point ? point.tokens_per_second.toFixed(0) : "");
const verdict = (holds) => (holds ? "met" : "**missed**");

function part({ network, parameters, texts, series }, plot) {
  const { bitplane, bitstack, ...fixed } =
    Object.fromEntries(series.map((each) => [each.name, each]));
  const peers = peerPoints(parameters);
  const meets = ({ weights_bytes, goal }) => (within(bitplane, weights_bytes)?.loss ?? Infinity) <= goal;
  // (bitstack can be smaller than two planes; it loses everything there.)
  const betterThanBitstack = bitstack?.points.every(({ weights_bytes, loss }) =>
    (within(bitplane, weights_bytes)?.loss ?? 0) < loss);
  const storedBits = (8 * bitplane.stored_bytes) / parameters;
  const lines = [
    `### ${network}, ${(parameters / 1e6).toFixed(1)} million parameters`, "",
    `![quality and speed against size](${plot})`, "",
    `Texts: ${texts.map((text) => text.replace(/\.txt$/, "")).join(", ")}. ` +
    `Goals: ${peers.filter(meets).length} of ${peers.length} met; better than \`bitstack\` at ` +
    `every size of both: ${bitstack ? verdict(betterThanBitstack) : "not measured"}; stored in ${storedBits.toFixed(2)} bits per ` +
    `weight, at most ${mostStoredBits}: ${verdict(storedBits <= mostStoredBits)}.`, "",
    "| bits per weight | bytes | llama.cpp | its L | goal | bitplane | | of its L | bitstack |",
    "|---|---|---|---|---|---|---|---|---|"];
  for (const peer of peers) {
    const ours = within(bitplane, peer.weights_bytes);
    lines.push(`| ${peer.bits.toFixed(2)} | ${megabytes(peer.weights_bytes)} | ${peer.name} | ${
      peer.loss.toFixed(4)} | ${peer.goal.toFixed(4)} | ${lossText(ours)} | ${
      verdict(meets(peer))} | ${ours ? `${(ours.loss / peer.loss).toFixed(2)}x` : ""} | ${
      bitstack ? lossText(within(bitstack, peer.weights_bytes)) : ""} |`);
  }
  lines.push("", "Every size that was measured, what `ashlar plan` expects of it, and tokens per " +
             "second of decoding:", "", "| bytes | bits per weight | bitplane L | expected | tokens/s | bitstack L | tokens/s |",
             "|---|---|---|---|---|---|---|");
  const sizes = new Map();  // by budget: most are the same for both
  for (const each of [bitplane, bitstack].filter(Boolean)) {
    for (const point of each.points) {
      const row = sizes.get(point.budget) ?? {};
      row[each.name] = point;
      sizes.set(point.budget, row);
    }
  }
  for (const [budget, row] of [...sizes].sort(([a], [b]) => a - b)) {
    lines.push(`| ${megabytes(budget)} | ${((8 * budget) / parameters).toFixed(2)} | ${
      row.bitplane ? lossText(row.bitplane) : ""} | ${
      row.bitplane ? row.bitplane.expected.toFixed(4) : ""} | ${speedText(row.bitplane)} | ${
      row.bitstack ? lossText(row.bitstack) : ""} | ${speedText(row.bitstack)} |`);
  }
  lines.push("", "| of one size | bytes | bits per weight | L | tokens/s |", "|---|---|---|---|---|");
  for (const { name, points: [point] } of Object.values(fixed)) {
    lines.push(`| ${name} | ${megabytes(point.weights_bytes)} | ${
      ((8 * point.weights_bytes) / parameters).toFixed(2)} | ${lossText(point)} | ${
      speedText(point)} |`);
  }
  return { text: lines.join("\n"), svg: curvesSvg(series, { name: "llama.cpp", points: peers }) };
}

const [folder, ...results] = process.argv.slice(2);
const parts = results.map((file) => {
  const measured = JSON.parse(readFileSync(file, "utf8"));
  const plot = `anysize-${measured.network}.svg`;
  const { text, svg } = part(measured, plot);
  writeFileSync(path.join(folder, plot), svg);
  return text;
});
console.log(parts.join("\n\n"));
