// llama.cpp's points as quality.mjs and render.mjs use them: for a network of so many parameters,
// the sizes of the lab network's files at the same bits per weight.
import { readFileSync } from "node:fs";

const { parameters: ofLab, vocabulary_bytes, files } = JSON.parse(
  readFileSync(new URL("peer_files.json", import.meta.url)));

// Few bits are the hard case: there the goal is to lose a fifth less.
const fewBits = 3.5;
const fewBitsShare = 0.8;

export const peerPoints = (parameters) => files.map(({ name, bytes, bits, ratio }) => ({
  name,
  bits,
  weights_bytes: Math.round((bytes - vocabulary_bytes) * (parameters / ofLab)),
  loss: Math.log(ratio),
  goal: Math.log(ratio) * (bits < fewBits ? fewBitsShare : 1),
}));
