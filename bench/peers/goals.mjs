// What ashlar is to reach beside llama.cpp, as data, and how far a measurement by run.mjs does.

// Ratios to llama.cpp, and shares of the bandwidth, of a network of a billion weights by its codec.
const billion = {
  q4: { prompt: 3, decode: 1.6, bandwidth: 0.8, sequences: 3 },
  q8: { prompt: 3, decode: 1.3, bandwidth: 0.85, sequences: 3 },
  bf16: { prompt: 1.5, decode: 1.3, bandwidth: 0.85, sequences: 1.5 },
};
const avx2 = { prompt: 1.2, decode: 1 };
const coldStart = 2;
const megabytesBesides = 64;  // of memory, besides weights and keys and values
const smallDecode = 1.5;
const longest = 2048;
// Of the time that decoding takes with a long context, what noise may add to its bytes.
const noise = 1.03;

const shown = (value) => value.toFixed(2);

// [{goal, measured, met}] of one network, from its `rows` (render.mjs) and what was measured.
export function goalsOf(name, { ashlar, isas }, rows) {
  const goals = [];
  const add = (goal, measured, met) => goals.push({ goal, measured, met });
  const least = (what, figures, goal, word = "times") => {
    if (figures.length === 0) return;
    add(`${what}: ${goal} ${word}`,
        figures.map(({ value, raw }) => `${shown(value)}${raw ? "*" : ""}`).join(", "),
        figures.every(({ value }) => value >= goal));
  };
  const ratios = (pattern) =>
    rows.filter(({ what }) => pattern.test(what))
      .map((row) => ({ value: row.correctedRatio ?? row.ratio,
                       raw: row.correctedRatio === undefined }));
  const codec = billion[name.split("-").at(-1)];
  if (!name.startsWith("llama-1b-") || codec === undefined) {
    least("decode", ratios(/^decode after/), smallDecode);
    return goals;
  }
  least("prompt of 128 and 512", ratios(/^prompt of (128|512)$/), codec.prompt);
  least("decode", ratios(/^decode after/), codec.decode);
  least("decode", Object.values(ashlar.bandwidth_share).map((value) => ({ value })),
        codec.bandwidth, "of the bandwidth");
  least("16 sequences", ratios(/^decode of 16 /), codec.sequences);
  least("cold start", ratios(/^cold start/), coldStart);
  if (isas.avx2 !== undefined) {
    const restricted = (kind, pattern) =>
      rows.filter(({ what }) => pattern.test(what))
        .map(({ figure, correctedRate, theirRate }) => ({
          value: isas.avx2[kind][figure[1]] / (correctedRate ?? theirRate),
          raw: correctedRate === undefined,
        }));
    least("avx2, prompt of 128 and 512", restricted("prompt", /^prompt of (128|512)$/), avx2.prompt);
    least("avx2, decode", restricted("decode", /^decode after/), avx2.decode);
  }
  if (ashlar.page_bytes !== undefined) {
    const besides = (ashlar.peak_rss_bytes - ashlar.weight_bytes - ashlar.page_bytes) / 1e6;
    add(`memory besides weights, keys and values: at most ${megabytesBesides} MB`,
        `${besides.toFixed(0)} MB`, besides <= megabytesBesides);
    if (ashlar.decode[1] !== undefined && ashlar.decode[longest] !== undefined) {
      const takes = ashlar.decode[1] / ashlar.decode[longest];
      const reads = 1 + ashlar.page_bytes / ashlar.weight_bytes;
      add(`decode after ${longest}: no longer than its bytes explain`,
          `${shown(takes)} times as long for ${shown(reads)} times the bytes`,
          takes <= noise * reads);
    }
  }
  return goals;
}
