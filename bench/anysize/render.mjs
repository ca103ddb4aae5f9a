// The section of docs/anysize.md and its plot, from what measure.mjs printed.
// render.mjs RESULTS.json PLOT.svg
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const [results, plot] = process.argv.slice(2);
const { texts, series } = JSON.parse(readFileSync(results, "utf8"));
const { files } = JSON.parse(readFileSync(new URL("peer_files.json", import.meta.url)));
const vocabularyBytes = 300000;
const peer = { name: "llama.cpp", points: files.map(({ name, bytes, ratio }) => (
  { label: name, weights_bytes: bytes - vocabularyBytes, loss: Math.log(ratio) })) };

// ---- Tables

const megabytes = (bytes) => (bytes / 1e6).toFixed(2);
const named = Object.fromEntries(series.map((each) => [each.name, each]));
const at = (each, bytes) =>
  each?.points.filter((point) => point.weights_bytes <= bytes).at(-1);
const lines = [];
lines.push(`![curves](${path.basename(plot)})`, "", `Texts: ${texts.join(", ")}.`, "",
           "| bytes of weights | llama.cpp | its L | bitplane L | of it | bitstack L |",
           "|---|---|---|---|---|---|");
for (const { label, weights_bytes, loss } of peer.points) {
  const ours = at(named.bitplane, weights_bytes);
  const theirs = at(named.bitstack, weights_bytes);
  const text = (point) => (point ? point.loss.toFixed(4) : "below its floor");
  lines.push(`| ${megabytes(weights_bytes)} MB | ${label} | ${loss.toFixed(4)} | ${text(ours)} | ${
    ours ? `${(ours.loss / loss).toFixed(2)}x` : ""} | ${text(theirs)} |`);
}
lines.push("", "| network | stored | resident | L | decode |", "|---|---|---|---|---|");
for (const { name, stored_bytes, points } of series) {
  for (const { weights_bytes, loss, tokens_per_second } of points) {
    lines.push(`| ${name} | ${megabytes(stored_bytes)} MB | ${megabytes(weights_bytes)} MB | ${
      loss.toFixed(4)} | ${tokens_per_second.toFixed(0)} tokens/s |`);
  }
}
console.log(lines.join("\n"));

// ---- The plot: two panels above each other

const [width, height, left, right, top, bottom] = [940, 400, 70, 24, 34, 48];
const colors = { bitplane: "#0072b2", bitstack: "#cc79a7", q4: "#009e73", q8: "#d55e00",
                 "llama.cpp": "#444444" };
const low = 6e6;
const high = 34e6;
const x = (bytes) => left + ((bytes - low) / (high - low)) * (width - left - right);

function panel(offset, title, yName, ticks, y, all, value) {
  const out = [`<g transform="translate(0 ${offset})">`,
               `<text x="${left}" y="20" font-size="15">${title}</text>`];
  for (let bytes = 8e6; bytes <= high; bytes += 4e6) {
    out.push(`<line x1="${x(bytes)}" x2="${x(bytes)}" y1="${top}" y2="${height - bottom}" stroke="#e4e4e4"/>`,
             `<text x="${x(bytes)}" y="${height - bottom + 18}" text-anchor="middle">${bytes / 1e6}</text>`);
  }
  for (const tick of ticks) {
    out.push(`<line x1="${left}" x2="${width - right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#e4e4e4"/>`,
             `<text x="${left - 8}" y="${y(tick) + 4}" text-anchor="end">${tick}</text>`);
  }
  out.push(`<text x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">bytes of weights, MB</text>`,
           `<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${yName}</text>`);
  all.forEach(({ name, points }, i) => {
    const color = colors[name] ?? "#000000";
    const shown = points.filter((point) => value(point) !== undefined);
    if (shown.length > 1 && name !== "llama.cpp") {
      out.push(`<polyline fill="none" stroke="${color}" stroke-width="2" points="${
        shown.map((p) => `${x(p.weights_bytes).toFixed(1)},${y(value(p)).toFixed(1)}`).join(" ")}"/>`);
    }
    for (const p of shown) {
      const [px, py] = [x(p.weights_bytes), y(value(p))];
      out.push(`<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="3" fill="${color}"/>`);
      if (p.label) {
        out.push(`<text x="${(px + 6).toFixed(1)}" y="${(py - 5).toFixed(1)}" font-size="10" fill="${color}">${p.label}</text>`);
      }
    }
    out.push(`<text x="${width - right - 8}" y="${top + 18 + 18 * i}" text-anchor="end" fill="${color}">${name}</text>`);
  });
  out.push("</g>");
  return out.join("\n");
}

// Losses span three decades: their logarithm; what is below 1e-4 lies on the edge.
const losses = [...series, peer].flatMap(({ points }) => points.map(({ loss }) => loss));
const floor = 1e-4;
const ceiling = 10 ** Math.ceil(Math.log10(Math.max(...losses)));
const yLoss = (loss) => height - bottom - (Math.log10(Math.max(loss, floor) / floor)
  / Math.log10(ceiling / floor)) * (height - top - bottom);
const fastest = Math.max(...series.flatMap(({ points }) => points.map((p) => p.tokens_per_second)));
const step = 10 ** Math.floor(Math.log10(fastest / 2));
const ySpeed = (speed) => height - bottom - (speed / (fastest * 1.1)) * (height - top - bottom);
const decades = [];
for (let tick = floor; tick <= ceiling * 1.001; tick *= 10) decades.push(+tick.toPrecision(2));
const speeds = [];
for (let tick = 0; tick <= fastest * 1.1; tick += step) speeds.push(tick);
writeFileSync(plot, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${2 * height}" width="${width}" height="${2 * height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
${panel(0, "Loss above f32, against size", "L, nats per token", decades, yLoss, [...series, peer], (p) => p.loss)}
${panel(height, "Decoding, against size", "tokens per second", speeds, ySpeed, series, (p) => p.tokens_per_second)}
</svg>
`);
