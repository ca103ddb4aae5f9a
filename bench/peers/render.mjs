// node render.mjs RESULTS.json | scripts/write-section.sh peers
//
// The section of docs/benchmarks.md on what run.mjs measured. Rates are tokens per second; a ratio above 1 means that ashlar
// is ahead. "Corrected" is llama.cpp without what Node and the binding take.
import { readFileSync } from "node:fs";
import { goalsOf } from "./goals.mjs";

const results = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { overhead, threads } = results;
const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
const rate = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
const times = (value) => value.toFixed(2);

// {what, ours, theirs, corrected} in words, the ratios, and the name of each instruction set's
// figure, for each workload of a network. A corrected figure may be missing.
function rowsOf({ ashlar, llama_cpp }) {
  const rows = [];
  const add = ({ what, ours, theirs, corrected, show, ahead, note = "", figure = [] }) =>
    rows.push({
      what,
      figure,
      theirRate: theirs,
      correctedRate: corrected,
      ours: show(ours),
      theirs: show(theirs),
      corrected: corrected === undefined ? "--" : show(corrected),
      ratio: ahead(ours, theirs),
      correctedRatio: corrected === undefined ? undefined : ahead(ours, corrected),
      note,
    });
  const more = (ours, theirs) => ours / theirs;
  const less = (ours, theirs) => theirs / ours;
  // What is left of a figure; nothing can be said when nearly all of it is to be taken away.
  const left = (whole, part) =>
    part !== undefined && part < 0.9 * whole ? whole - part : undefined;
  // A rate over `tokens` that took `seconds` too long.
  const without = (tokens, value, seconds) => {
    const rest = left(tokens / value, seconds);
    return rest === undefined ? undefined : tokens / rest;
  };
  for (const [length, ours] of Object.entries(ashlar.prompt)) {
    if (Number(length) === 1) continue;
    const theirs = llama_cpp.prompt[length];
    add({
      what: `prompt of ${length}`,
      ours,
      theirs,
      corrected: without(Number(length), theirs, overhead.prompt[length]),
      show: rate,
      ahead: more,
      figure: ["prompt", length],
    });
  }
  for (const [length, ours] of Object.entries(ashlar.decode)) {
    const theirs = llama_cpp.decode[length];
    add({
      what: `decode after ${length}`,
      ours,
      theirs,
      corrected: without(1, theirs, overhead.decode),
      show: rate,
      ahead: more,
      note: `${(100 * ashlar.bandwidth_share[length]).toFixed(0)} %`,
      figure: ["decode", length],
    });
  }
  for (const [count, ours] of Object.entries(ashlar.batch)) {
    const theirs = llama_cpp.batch[count];
    add({
      what: `decode of ${count} sequences, total`,
      ours,
      theirs,
      corrected: without(Number(count), theirs, overhead.batch[count]),
      show: rate,
      ahead: more,
    });
  }
  add({
    what: "cold start (s)",
    ours: ashlar.cold_seconds,
    theirs: llama_cpp.cold_seconds,
    corrected: left(llama_cpp.cold_seconds, overhead.empty_seconds),
    show: times,
    ahead: less,
  });
  add({
    what: "peak memory (MB)",
    ours: ashlar.peak_rss_bytes,
    theirs: llama_cpp.peak_rss_bytes,
    corrected: left(llama_cpp.peak_rss_bytes, overhead.empty_rss_bytes),
    show: megabytes,
    ahead: less,
  });
  return rows;
}

const lines = [];
const put = (...text) => lines.push(...text);
put(
  "## ashlar beside llama.cpp",
  "",
  `Measured by \`make bench-peers\` on ${results.date}, both engines in turn on the same machine,`,
  `${threads} threads each, median of ${results.rounds} rounds after a warm-up.`,
  "",
  "```",
  `${results.cpu}, ${results.cores} cores`,
  `ashlar ${results.versions.ashlar}, ${Object.values(results.networks)[0]?.ashlar.isa}, -O2`,
  `llama.cpp ${results.versions.llama_cpp} through node-llama-cpp ${results.versions.node_llama_cpp}, ` +
    `its prebuilt binary, Node ${results.versions.node}`,
  "```",
  "",
  "Each pair runs the same weights: a network of the store, and the GGUF file that `ashlar export`",
  "wrote of it. Keys and values are f16 on both sides; llama.cpp runs with flash attention and",
  "without, and the faster counts. Rates are tokens per second. A prompt counts until its first",
  `token; decoding is over ${results.gen - 1} tokens from then on; sequences decode in step, after ` +
    `prompts of ${results.batchPrompt}. A`,
  "cold start is from the start of the process to the first token, files in the page cache. Memory is",
  "the most that the process had resident with one sequence, mapped weights among it. The share of",
  "bandwidth is what ashlar's decoding read of its weights, against what as many threads can read.",
  "",
  `llama.cpp runs inside Node: an empty process with the binding takes ` +
    `${times(overhead.empty_seconds)} s to start and ${megabytes(overhead.empty_rss_bytes)} MB.`,
);
put(
  "What JavaScript takes of a prompt, a token and a step of sequences is told from a small network in",
  "two depths, with one thread and flash attention, as the median of several runs: its time with the",
  "layers extrapolated away, so that its embedding and head count as JavaScript too. (With as many",
  "threads as cores JavaScript may take more, as it shares a core with a thread that computes.) The",
  "corrected columns leave all of that out; where that is nearly all of a figure, or cannot be told,",
  "they say nothing (--).",
  overhead.decode !== undefined
    ? `A token takes ${(1e3 * overhead.decode).toFixed(2)} ms of it.`
    : "Of tokens that are decoded it cannot be told: the two depths contradict each other.",
);
if (overhead.contradictions?.length > 0) {
  put("", "Runs that contradict each other:", ...overhead.contradictions.map((each) => `- ${each}`));
}
if (results.busy_cores > 0.2) {
  put("", `Other programs kept ${results.busy_cores.toFixed(1)} cores busy when it began.`);
}
const behind = [];
for (const [name, network] of Object.entries(results.networks)) {
  put(
    "",
    `### ${name}`,
    "",
    `${megabytes(network.ashlar.weight_bytes)} MB of weights.`,
    "",
    "| workload | ashlar | llama.cpp | ratio | corrected | ratio | of bandwidth |",
    "|---|---:|---:|---:|---:|---:|---:|",
  );
  const rows = rowsOf(network);
  for (const row of rows) {
    const correctedRatio = row.correctedRatio === undefined ? "--" : times(row.correctedRatio);
    put(
      `| ${row.what} | ${row.ours} | ${row.theirs} | ${times(row.ratio)} |` +
        ` ${row.corrected} | ${correctedRatio} | ${row.note} |`,
    );
    const ratio = row.correctedRatio ?? row.ratio;
    if (ratio < 1) behind.push(`${name}, ${row.what}: ${times(ratio)}`);
  }
}
const isas = Object.keys(Object.values(results.networks)[0]?.isas ?? {});
if (isas.length > 0) {
  put(
    "",
    "### With other instruction sets",
    "",
    "ashlar restricted to one (`ASHLAR_ISA`), and its ratio to the corrected llama.cpp (*: as it was",
    "measured, where it cannot be corrected), which keeps the best that this processor has.",
    "",
    `| network | workload |${isas.map((isa) => ` ${isa} | ratio |`).join("")}`,
    `|---|---|${"---:|---:|".repeat(isas.length)}`,
  );
  for (const [name, network] of Object.entries(results.networks)) {
    for (const row of rowsOf(network)) {
      const [kind, length] = row.figure;
      if (kind === undefined) continue;
      const cells = isas.map((isa) => {
        const ours = network.isas[isa][kind][length];
        const ratio = ours / (row.correctedRate ?? row.theirRate);
        if (ratio < 1) behind.push(`${name} on ${isa}, ${row.what}: ${times(ratio)}`);
        return ` ${rate(ours)} | ${times(ratio)}${row.correctedRate === undefined ? "*" : ""} |`;
      });
      put(`| ${name} | ${row.what} |${cells.join("")}`);
    }
  }
}
put(
  "",
  "### Goals",
  "",
  "Ratios to the corrected llama.cpp (*: as it was measured), in the order of the workloads above.",
  "",
  "| network | goal | measured | met |",
  "|---|---|---|---|",
);
for (const [name, network] of Object.entries(results.networks)) {
  for (const { goal, measured, met } of goalsOf(name, network, rowsOf(network))) {
    put(`| ${name} | ${goal} | ${measured} | ${met ? "yes" : "no"} |`);
  }
}
put("", "### Where ashlar is behind", "");
put(...(behind.length === 0 ? ["Nowhere in this table."] : behind.map((each) => `- ${each}`)));
process.stdout.write(lines.join("\n") + "\n");
