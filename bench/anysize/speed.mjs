// Measures how fast the networks that quality.mjs left in a store decode: speed.mjs with what it
// printed as --qualities prints the same, each point with its tokens_per_second.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ashlarOf } from "./ashlar.mjs";

const { values: options } = parseArgs({ options: {
  ashlar: { type: "string" }, store: { type: "string" }, qualities: { type: "string" } } });
const ashlar = ashlarOf(options);
const measured = JSON.parse(readFileSync(options.qualities, "utf8"));
for (const { name, points } of measured.series) {
  const tokens = name === "bitstack" ? 4 : 64;  // it rebuilds its matrices for every token
  for (const point of points) {
    const size = point.budget === undefined ? [] : ["--weights", String(point.budget)];
    point.tokens_per_second = ashlar("bench", name, "--prompt", "32", "--gen", String(tokens),
                                     ...size).decode_tokens_per_second;
  }
}
console.log(JSON.stringify(measured, null, 1));
