// node drive.mjs URL MODEL TOOLS
//
// Drives every endpoint that OpenAI's own client has, and a chat of Vercel's SDK, against the
// server at URL. MODEL is a network of it, TOOLS one whose chat template has tools. Fails at the
// first thing that is not as the client's types say.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText } from "ai";
import OpenAI from "openai";

const [url, model, tools_model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Tell me of the sea." }];
const plain = { model, messages, max_completion_tokens: 12, temperature: 0 };

// ---- Models
const models = [];
for await (const each of client.models.list()) models.push(each.id);
assert.ok(models.includes(model));
assert.equal((await client.models.retrieve(model)).id, model);
await assert.rejects(client.models.retrieve("none"), OpenAI.NotFoundError);

// ---- Chat, whole and streamed
const chat = await client.chat.completions.create({ ...plain, logprobs: true, top_logprobs: 2 });
assert.equal(chat.choices[0].message.role, "assistant");
assert.equal(chat.choices[0].finish_reason, "length");
assert.equal(chat.usage.completion_tokens, 12);
assert.equal(chat.choices[0].logprobs.content.length, 12);
assert.equal(chat.choices[0].logprobs.content[0].top_logprobs.length, 2);
const text = chat.choices[0].message.content;
assert.ok(text.length > 0);

let streamed = "";
let usage = null;
const stream = await client.chat.completions.create({
  ...plain,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(streamed, text);
assert.equal(usage.completion_tokens, 12);

const helper = client.chat.completions.stream(plain);
assert.equal((await helper.finalChatCompletion()).choices[0].message.content, text);

const several = await client.chat.completions.create({ ...plain, n: 3, temperature: 1, seed: 5 });
assert.deepEqual(several.choices.map((choice) => choice.index), [0, 1, 2]);

// ---- Tools: offered, called earlier, answered
const tools = [
  {
    type: "function",
    function: {
      name: "tide",
      description: "The tide at a place.",
      parameters: { type: "object", properties: { place: { type: "string" } } },
    },
  },
];
const called = await client.chat.completions.create({
  ...plain,
  model: tools_model,
  tools,
  tool_choice: "auto",
  messages: [
    ...messages,
    {
      role: "assistant",
      content: null,
      tool_calls: [
        { id: "abcdefghi", type: "function", function: { name: "tide", arguments: '{"place":"x"}' } },
      ],
    },
    { role: "tool", tool_call_id: "abcdefghi", content: "high" },
  ],
});
assert.equal(called.choices.length, 1);
await assert.rejects(
  client.chat.completions.create({ ...plain, tools }),
  (error) => error instanceof OpenAI.BadRequestError && error.param === "tools",
);

// ---- Answers that are held to a form
const schema = {
  type: "object",
  properties: { place: { enum: ["sea", "shore"] }, depth: { type: "integer", minimum: 0, maximum: 99 } },
  required: ["place", "depth"],
  additionalProperties: false,
};
const held = await client.chat.completions.create({
  model,
  messages,
  seed: 1,
  response_format: { type: "json_schema", json_schema: { name: "place", schema, strict: true } },
});
assert.ok(["sea", "shore"].includes(JSON.parse(held.choices[0].message.content).place));
const forced = await client.chat.completions.create({
  model: tools_model,
  messages,
  seed: 1,
  tools: [{ type: "function", function: { name: "tide", parameters: schema, strict: true } }],
  tool_choice: { type: "function", function: { name: "tide" } },
});
assert.equal(forced.choices[0].finish_reason, "tool_calls");
const call = forced.choices[0].message.tool_calls[0];
assert.equal(call.function.name, "tide");
assert.ok(JSON.parse(call.function.arguments).depth >= 0);

// ---- Completions
const completion = await client.completions.create({
  model,
  prompt: ["Once", "Twice"],
  max_tokens: 4,
  echo: true,
  logprobs: 1,
  temperature: 0,
});
assert.ok(completion.choices[0].text.startsWith("Once"));
assert.ok(completion.choices[1].text.startsWith("Twice"));
assert.equal(completion.choices[0].logprobs.token_logprobs[0], null);
let continued = "";
for await (const chunk of await client.completions.create({
  model,
  prompt: "Once",
  max_tokens: 4,
  temperature: 0,
  echo: true,
  stream: true,
})) {
  continued += chunk.choices[0]?.text ?? "";
}
assert.equal(continued, completion.choices[0].text);

// ---- Embeddings: the client asks for base64 by itself, and decodes it
const floats = await client.embeddings.create({ model, input: ["a", "b"], encoding_format: "float" });
const decoded = await client.embeddings.create({ model, input: ["a", "b"] });
assert.equal(floats.data.length, 2);
floats.data[1].embedding.forEach((number, i) =>
  assert.ok(Math.abs(number - decoded.data[1].embedding[i]) < 1e-7),
);

// ---- Responses
const ask = { model, input: "Tell me of the sea.", max_output_tokens: 8, temperature: 0 };
const response = await client.responses.create(ask);
assert.equal(response.status, "incomplete");
assert.ok(response.output_text.length > 0);
let written = "";
const events = [];
for await (const event of await client.responses.create({ ...ask, stream: true })) {
  events.push(event.type);
  if (event.type === "response.output_text.delta") written += event.delta;
}
assert.equal(written, response.output_text);
assert.equal(events[0], "response.created");
assert.equal(events.at(-1), "response.incomplete");

// ---- Errors
await assert.rejects(
  client.chat.completions.create({ ...plain, temperature: -1 }),
  (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature",
);
await assert.rejects(client.chat.completions.create({ ...plain, model: "none" }), (error) =>
  error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
);

// ---- Going away: the generation ends with it
const long = await client.completions.create({
  model,
  prompt: "Once",
  max_tokens: 400,
  ignore_eos: true,
  stream: true,
});
for await (const chunk of long) {
  assert.ok(chunk.choices);
  break;  // aborts the request
}
const running = async () => (await (await fetch(`${url}/admin/status`)).json()).running;
for (let i = 0; (await running()) > 0; ++i) {
  assert.ok(i < 1000, "the generation goes on");
  await new Promise((wake) => setTimeout(wake, 10));
}

// ---- Vercel's SDK
const provider = createOpenAICompatible({ name: "ashlar", baseURL: `${url}/v1` });
const result = streamText({
  model: provider(model),
  prompt: "Tell me of the sea.",
  maxOutputTokens: 12,
  temperature: 0,
});
let said = "";
for await (const piece of result.textStream) said += piece;
assert.equal(said, text);
assert.equal(await result.finishReason, "length");

console.log("ok");
