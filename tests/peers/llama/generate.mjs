// node generate.mjs REQUESTS.json
//
// What llama.cpp makes of GGUF files. REQUESTS is a list of {"file": path, "texts": [...],
// "prompts": [text or [ids], ...], "count": N, "scored": text}, each but the first of which may be
// absent. Prints, for each of them, {"release", "ids": the ids of each text, "tokens": N greedy ones
// after each prompt, "logprobs": {"ids": of the scored text, "values": the log-probability of each of
// them after the first, given those before it}}. Keys and values are kept in f32, as in the
// references that this is compared with.
import { readFileSync } from "node:fs";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const requests = JSON.parse(readFileSync(process.argv[2], "utf8"));
// One thread: several wait for each other by spinning, which takes minutes on a busy machine.
const llama = await getLlama({
  gpu: false,
  build: "never",
  maxThreads: 1,
  logLevel: LlamaLogLevel.error,
});

// Of a row's logits, token -> logit.
const logprob = (logits, token) => {
  const largest = Math.max(...logits.values());
  let sum = 0;
  for (const logit of logits.values()) sum += Math.exp(logit - largest);
  return logits.get(token) - largest - Math.log(sum);
};

const answer = async ({ file, texts = [], prompts = [], count = 0, scored }) => {
  const model = await llama.loadModel({ modelPath: file, checkTensors: true });
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

  let logprobs;
  if (scored !== undefined) {
    const all = model.tokenize(scored, true);
    const rows = await sequence.controlledEvaluate(
      all.map((token) => [token, { generateNext: { logits: true } }]),
    );
    const values = all.slice(1).map((token, i) => logprob(rows[i].next.logits, token));
    logprobs = { ids: all, values };
  }

  const ids = texts.map((text) => model.tokenize(text, true));
  const release = llama.llamaCppRelease.release;
  await context.dispose();
  await model.dispose();
  return { release, ids, tokens, logprobs };
};

const answers = [];
for (const request of requests) {
  try {
    answers.push(await answer(request));
  } catch (error) {
    throw new Error(`${request.file}: ${error.message}`, { cause: error });
  }
}
process.stdout.write(JSON.stringify(answers) + "\n");
await llama.dispose();
