// node generate.mjs MODEL.gguf REQUEST.json
//
// What llama.cpp makes of a GGUF file. REQUEST is {"texts": [...], "prompts": [text or [ids], ...],
// "count": N}; prints {"release", "ids": the ids of each text, "tokens": N greedy ones after each
// prompt}. Keys and values are kept in f32, as in the references that this is compared with.
import { readFileSync } from "node:fs";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [modelPath, requestPath] = process.argv.slice(2);
const { texts, prompts, count } = JSON.parse(readFileSync(requestPath, "utf8"));
// One thread: several wait for each other by spinning, which takes minutes on a busy machine.
const llama = await getLlama({
  gpu: false,
  build: "never",
  maxThreads: 1,
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath, checkTensors: true });
const context = await model.createContext({
  contextSize: 512,
  threads: 1,
  flashAttention: false,
  experimentalKvCacheKeyType: "F32",
  experimentalKvCacheValueType: "F32",
});
const sequence = context.getSequence();

const tokens = [];
for (const prompt of prompts) {
  const ids = typeof prompt === "string" ? model.tokenize(prompt, true) : prompt;
  const generated = [];
  for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    generated.push(token);
    if (generated.length === count) break;
  }
  tokens.push(generated);
  await sequence.clearHistory();
}
const ids = texts.map((text) => model.tokenize(text, true));
process.stdout.write(JSON.stringify({ release: llama.llamaCppRelease.release, ids, tokens }) + "\n");
await llama.dispose();
