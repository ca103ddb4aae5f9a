// node peer.mjs EMPTY | FIRST MODEL | MEASURE MODEL OPTIONS
//
// One process of llama.cpp, in Node, as bench/peers/run.mjs needs it. It prints one line of JSON.
//   EMPTY     only loads the engine: what Node and the binding take without a network
//   FIRST     generates one token after a short prompt, and prints it
//   MEASURE   the workloads of OPTIONS, a JSON object:
//             threads, flash (whether attention is flash attention), gen (tokens),
//             prompts (lengths), batches (numbers of sequences), batchPrompt (length of each's)
// Keys and values are f16, the binding's default.
import { readFileSync } from "node:fs";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [mode, modelPath, optionsText] = process.argv.slice(2);
const options = { threads: 2, flash: true, ...JSON.parse(optionsText ?? "{}") };
const llama = await getLlama({
  gpu: false,
  build: "never",
  maxThreads: options.threads,
  logLevel: LlamaLogLevel.error,
});

const peakBytes = () =>
  1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const seconds = () => performance.now() / 1e3;

async function makeContext(model, sequences, contextSize) {
  const context = await model.createContext({
    sequences,
    contextSize,
    threads: options.threads,
    batchSize: 512,
    flashAttention: options.flash,
  });
  return { context, all: Array.from({ length: sequences }, () => context.getSequence()) };
}

// Other tokens for every sequence, the same in every run. Only ids of plain tokens.
function randomTokens(model, count, seed) {
  let state = BigInt(seed) + 1n;
  return Array.from({ length: count }, () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & ((1n << 64n) - 1n);
    return 8 + Number((state >> 33n) % 200n);
  });
}

// Reads a prompt in every sequence, and then decodes in all of them in step. Tokens per second of
// all together: until each has its first token, and from then on; and new ones over the whole.
async function run(model, sequences, length, gen, seed) {
  const streams = sequences.map((sequence, i) =>
    sequence.evaluate(randomTokens(model, length, seed + i), {
      temperature: 0,
      yieldEogToken: true,
    }),
  );
  const step = () => Promise.all(streams.map((stream) => stream.next()));
  const start = seconds();
  await step();
  const read = seconds();
  for (let i = 1; i < gen; ++i) await step();
  const end = seconds();
  await Promise.all(streams.map((stream) => stream.return()));
  await Promise.all(sequences.map((sequence) => sequence.clearHistory()));
  return {
    prompt: (sequences.length * length) / (read - start),
    decode: (sequences.length * (gen - 1)) / (end - read),
    total: (sequences.length * gen) / (end - start),
  };
}

if (mode === "EMPTY") {
  print({ peak_rss_bytes: peakBytes(), llama_cpp: llama.llamaCppRelease.release });
} else if (mode === "FIRST") {
  const model = await llama.loadModel({ modelPath });
  const { all } = await makeContext(model, 1, 512);
  for await (const token of all[0].evaluate(model.tokenize("Hello"), {
    temperature: 0,
    yieldEogToken: true,
  })) {
    print({ token });
    break;
  }
} else {
  const { prompts, gen, batches, batchPrompt } = options;
  const model = await llama.loadModel({ modelPath });
  const result = { prompt: {}, decode: {}, batch: {}, total: {} };
  const longest = Math.max(...prompts);
  const single = await makeContext(model, 1, longest + gen);
  await run(model, single.all, Math.min(128, longest), 8, 0); // warm up
  for (const length of prompts) {
    const rates = await run(model, single.all, length, gen, length);
    result.prompt[length] = rates.prompt;
    result.decode[length] = rates.decode;
  }
  result.peak_rss_bytes = peakBytes(); // of one sequence
  await single.context.dispose();
  for (const count of batches) {
    const many = await makeContext(model, count, batchPrompt + gen);
    await run(model, many.all, batchPrompt, 4, 0);
    const rates = await run(model, many.all, batchPrompt, gen, count);
    result.batch[count] = rates.decode;
    result.total[count] = rates.total;
    await many.context.dispose();
  }
  print(result);
}
await llama.dispose();
