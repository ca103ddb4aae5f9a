// What requests mean, without a service: JSON in; generations, answers and errors out.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/server/api/constraints.h"
#include "ashlar/server/api/endpoint.h"
#include "ashlar/server/api/problem.h"
#include "ashlar/server/api/testing_networks.h"

namespace ashlar {
namespace {

using testing_api::kToolTemplate;
using testing_api::MakeCard;

const Endpoint& EndpointAt(std::string_view path) {
  for (const Endpoint& endpoint : AllEndpoints()) {
    if (endpoint.path == path) {
      return endpoint;
    }
  }
  CHECK(false);
  return AllEndpoints().front();
}

RequestSetting SettingOf(std::shared_ptr<const NetworkCard> card) {
  static Constraints constraints;
  return {.network = std::move(card),
          .max_positions = 4096,
          .seed = 7,
          .id = "id",
          .created = 1,
          .arrived_micros = 1'000'000,
          .constraints = &constraints};
}

Result<Work> Ask(std::string_view path, std::string_view body,
                 const std::shared_ptr<const NetworkCard>& card) {
  const Result<Json> json = ParseJson(body);
  CHECK(json.ok());
  const Endpoint& endpoint = EndpointAt(path);
  ASHLAR_TRY(const Parameters parameters, Parameters::Read(JsonCursor(*json), endpoint.parameters));
  return endpoint.work(parameters, SettingOf(card));
}

std::string TextOf(const Generation& generation) {
  return generation.network->tokenizer->Decode(generation.prompt, {.skip_special_tokens = false});
}

struct RefusalCase {
  const char* path;
  const char* body;
  const char* param;
  const char* message;
  int status = 400;
};

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kText = "/v1/completions";

constexpr RefusalCase kRefusals[] = {
    // Names, types and ranges follow from the tables.
    {kText, R"({"prompt": "a", "best": 2})", "best", "no such parameter"},
    {kText, R"({})", "prompt", "is required"},
    {kText, R"({"prompt": 3})", "prompt", "expected string or array, found integer"},
    {kText, R"({"prompt": "a", "temperature": -1})", "temperature", "from 0 to 100"},
    {kText, R"({"prompt": "a", "temperature": "hot"})", "temperature", "expected number"},
    {kText, R"({"prompt": "a", "n": 1.5})", "n", "expected integer"},
    {kText, R"({"prompt": "a", "top_p": 1.01})", "top_p", "from 0 to 1"},
    {kText, R"({"prompt": "a", "stream": "yes"})", "stream", "expected boolean"},
    {kText, R"([1])", "", "expected an object"},
    {"/v1/responses", R"({"input": "a", "previous_response_id": "resp_1"})", "previous_response_id",
     "no such parameter"},
    {"/v1/responses", R"({"input": "a", "stream_options": {}})", "stream_options",
     "\"stream\": true only"},
    // Values inside.
    {kText, R"({"prompt": [1, 2, 99999]})", "prompt[2]", "expected a token id from 0 to 257"},
    {kText, R"({"prompt": [1, "a"]})", "prompt[1]", "expected a token id"},
    {kText, R"({"prompt": ["a", 3]})", "prompt[1]", "expected an array of token ids"},
    {kText, R"({"prompt": []})", "prompt", "is empty"},
    {kText, R"({"prompt": ""})", "prompt", "has no tokens"},
    {kText, R"({"prompt": "a", "logit_bias": {"x": 1}})", "logit_bias.x", "token id"},
    {kText, R"({"prompt": "a", "logit_bias": {"3": 101}})", "logit_bias.3", "from -100 to 100"},
    {kText, R"({"prompt": "a", "stop": ["b", ""]})", "stop", "empty string"},
    {kText, R"({"prompt": "a", "stop": [1]})", "stop[0]", "expected a string"},
    {kText, R"({"prompt": "a", "stream_options": {"include_usage": true}})", "stream_options",
     "\"stream\": true only"},
    {kText, R"({"prompt": "a", "stream": true, "stream_options": {"x": 1}})", "stream_options.x",
     "no such member here: expected include_usage"},
    {kText, R"({"prompt": "a", "n": 3, "best_of": 2})", "best_of", "at least n"},
    {kText, R"({"prompt": "a", "best_of": 2, "stream": true})", "best_of", "cannot be streamed"},
    {kText, R"({"prompt": "a", "max_tokens": 0})", "max_tokens", "echo"},
    {kText, R"({"prompt": "a", "suffix": "b"})", "suffix", "no marks"},
    {"/infill", R"({"input_prefix": "a", "input_suffix": "b"})", "model", "no marks"},
    // Limits of tokens.
    {kText, R"({"prompt": "a", "min_tokens": 17})", "min_tokens", "at most 16"},
    {kText, R"({"prompt": "a", "min_tokens": 3, "guided_regex": "a"})", "min_tokens",
     "goes without guided_regex"},
    {kText, R"({"prompt": "a", "bad_words": ["b", ""]})", "bad_words[1]", "has no tokens"},
    {kText, R"({"prompt": "a", "allowed_token_ids": []})", "allowed_token_ids", "is empty"},
    // The context: never cut in silence.
    {kText, R"({"prompt": "a", "max_tokens": 512})", "max_tokens", "at most 511 are left"},
    // Messages.
    {kChat, R"({"messages": []})", "messages", "at least one"},
    {kChat, R"({"messages": [{"role": "king", "content": "a"}]})", "messages[0].role",
     "expected one of"},
    {kChat, R"({"messages": [{"role": "user"}]})", "messages[0]", "has no content"},
    {kChat, R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
     "messages[0].content[0].type", "read text only"},
    {kChat,
     R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "bogus": 1}]}]})",
     "messages[0].content[0].bogus", "no such member here: expected"},
    {kChat,
     R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function",
         "function": {"name": "f", "arguments": "{}", "bogus": 1}}]}]})",
     "messages[0].tool_calls[0].function.bogus", "no such member here: expected"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "a"}],
         "tools": [{"type": "function", "function": {"name": "f"}}],
         "tool_choice": {"type": "function", "function": {"name": "f", "bogus": 1}}})",
     "tool_choice.function.bogus", "no such member here: expected"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "a"}],
         "tools": [{"type": "function", "function": {"name": "f"}}],
         "tool_choice": {"type": "function", "name": "f", "bogus": 1}})",
     "tool_choice.bogus", "no such member here: expected"},
    {kChat, R"({"messages": [{"role": "user", "content": "a", "mood": 1}]})", "messages[0].mood",
     "no such member"},
    {kChat, R"({"messages": [{"role": "user", "content": "a", "tool_calls": [1]}]})",
     "messages[0].tool_calls", "no such member"},
    {kChat, R"({"messages": [{"role": "user", "content": "Hi"}], "top_logprobs": 2})",
     "top_logprobs", "\"logprobs\": true only"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3,
         "max_completion_tokens": 4})",
     "max_tokens", "give one of them"},
    {kChat, R"({"messages": [{"role": "user", "content": "Hi"}], "store": true})", "store",
     "false only"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "chat_template_kwargs":
         {"messages": 1}})",
     "chat_template_kwargs.messages", "set by the request itself"},
    {kChat, R"({"messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "x"}]})",
     "tools[0].type", "expected \"function\""},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}],
         "tools": [{"type": "function", "function": {"name": "f"}}]})",
     "tools", "has no tools"},
    {kChat, R"({"messages": [{"role": "user", "content": "Hi"}], "tool_choice": "sometimes"})",
     "tool_choice", "expected none, auto"},
    {kChat, R"({"messages": [{"role": "user", "content": "Hi"}], "tool_choice": "required"})",
     "tool_choice", "there are no tools"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "response_format": {"type": "xml"}})",
     "response_format.type", "expected text, json_object or json_schema"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "stop_token_ids": [9], "response_format":
         {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}})",
     "response_format.json_schema.schema", "not"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "stop_token_ids": [9], "response_format":
         {"type": "json_object", "schema": {"not": {}}}})",
     "response_format.schema", "\"not\""},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "response_format":
         {"type": "json_schema", "extra": 2, "json_schema": {"name": "a", "schema": {}}}})",
     "response_format.extra", "no such member"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "response_format":
         {"type": "json_schema", "json_schema": {"name": "a", "bogus": 1, "schema": {}}}})",
     "response_format.json_schema.bogus", "expected name, description, schema, strict"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "response_format":
         {"type": "text", "schema": {}}})",
     "response_format.schema", "no such member"},
    {kChat,
     R"({"messages": [{"role": "user", "content": "Hi"}], "stop_token_ids": [9], "ignore_eos": true,
         "response_format": {"type": "json_object"}})",
     "ignore_eos", "goes without response_format.type"},
    {kText, R"({"prompt": "a", "stop_token_ids": [9], "grammar": "root := x"})", "grammar", ""},
    {kText, R"({"prompt": "a", "grammar": "root ::= \"x\"", "guided_regex": "x"})", "guided_regex",
     "give one of them"},
    {"/v1/responses", R"({"input": "a", "previous_response_id": "b"})", "previous_response_id",
     "no such parameter"},
    {"/v1/responses",
     R"({"input": "a", "stop_token_ids": [9], "text": {"format":
         {"type": "json_object", "schema": {"not": {}}}}})",
     "text.format.schema", "\"not\""},
    {"/v1/responses",
     R"({"input": "a", "text": {"format": {"type": "json_schema", "schema": {}, "json": 1}}})",
     "text.format.json", "no such member"},
    {"/v1/responses", R"({"input": "a", "text": {"verbosity": "low"}})", "text.verbosity",
     "no such member"},
    {"/v1/responses", R"({"input": [{"type": "image"}]})", "input[0].type", "expected message"},
    {"/v1/responses",
     R"({"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]})",
     "input[0].output", "expected a string or an array of parts"},
    {"/v1/responses",
     R"({"input": "a", "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "f"}]})",
     "tools[1].name", "stands twice"},
    {"/v1/responses", R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
     "input[0].content[0].type", "read text only"},
    {"/v1/embeddings", R"({"input": "a", "dimensions": 5})", "dimensions", "have 4"},
    {"/v1/embeddings", R"({"input": "a", "encoding_format": "hex"})", "encoding_format",
     "one of float, base64"},
    {"/v1/rerank", R"({"query": "a", "documents": [{"title": "b"}]})", "documents[0].title",
     "no such member here: expected text"},
    {"/v1/rerank", R"({"query": "", "documents": ["b"]})", "query", "has no tokens"},
    {"/v1/score", R"({"text_1": ["a", "b"], "text_2": "c"})", "text_1", "as many"},
};

TEST(Requests, WhatIsWrongIsNamedAndNothingIsPassedOver) {
  const auto card = MakeCard();
  for (const RefusalCase& each : kRefusals) {
    const Result<Work> work = Ask(each.path, each.body, card);
    ASSERT_FALSE(work.ok()) << each.body;
    const Problem problem = ProblemOf(work.error());
    EXPECT_EQ(problem.status, each.status) << each.body << "\n" << problem.message;
    EXPECT_EQ(problem.param, each.param) << each.body << "\n" << problem.message;
    EXPECT_NE(problem.message.find(each.message), std::string::npos) << each.body << "\n"
                                                                     << problem.message;
    const Json body = problem.Body();
    const Json::Object& error = *body.Find("error")->object();
    EXPECT_EQ(error.size(), 4u);  // message, type, param, code
  }
}

TEST(Requests, APromptThatLeavesNoRoomIsRefusedWithTheNumbers) {
  const auto card = MakeCard({.context = 8});
  const Result<Work> work = Ask(kText, R"({"prompt": "123456789"})", card);
  ASSERT_FALSE(work.ok());
  const Problem problem = ProblemOf(work.error());
  EXPECT_EQ(problem.status, 400);
  EXPECT_EQ(problem.code, "context_length_exceeded");
  EXPECT_EQ(problem.param, "prompt");
  EXPECT_NE(problem.message.find("9 tokens"), std::string::npos) << problem.message;
  EXPECT_NE(problem.message.find("is 8"), std::string::npos) << problem.message;
  // What is not asked for is fitted: 16 tokens by default, 5 where no more fit.
  EXPECT_EQ(Ask(kText, R"({"prompt": "123"})", card)->generations.front().max_tokens, 5);
}

// A client that reads that the context is too long makes it shorter.
TEST(Requests, AGrammarThatIsTooLargeIsNoContextThatIsTooLong) {
  const Result<Work> work =
      Ask(kText, R"({"prompt": "a", "stop_token_ids": [9], "guided_regex": "(a{999}b{999}){999}"})",
          MakeCard());
  ASSERT_FALSE(work.ok());
  const Problem problem = ProblemOf(work.error());
  EXPECT_EQ(problem.status, 400);
  EXPECT_EQ(problem.code, "invalid_value") << problem.message;
  EXPECT_EQ(problem.param, "guided_regex");
}

TEST(Requests, NullIsTheSameAsNotGiven) {
  const auto work =
      Ask(kText, R"({"prompt": "a", "stop": null, "seed": null, "n": null})", MakeCard());
  ASSERT_TRUE(work.ok()) << work.error().message;
  EXPECT_TRUE(work->generations.front().stop.empty());
  EXPECT_EQ(work->generations.front().sampling.seed, 7u);  // the setting's
}

TEST(Requests, NullInsideOfValuesIsTheSameAsNotGiven) {
  const auto card = MakeCard({.chat_template = kToolTemplate});
  const auto same = [&](std::string_view path, const std::string& body) {
    const auto with_nulls = Ask(path, body, card);
    ASSERT_TRUE(with_nulls.ok()) << body << "\n" << with_nulls.error().message;
    std::string bare = body;
    constexpr std::string_view kNull = R"(, "x": null)";
    for (auto at = bare.find(kNull); at != std::string::npos; at = bare.find(kNull)) {
      bare.erase(at, kNull.size());
    }
    const auto without = Ask(path, bare, card);
    ASSERT_TRUE(without.ok()) << bare << "\n" << without.error().message;
    EXPECT_EQ(TextOf(with_nulls->generations.front()), TextOf(without->generations.front()));
  };
  same(kChat, R"({"messages": [
      {"role": "user", "content": [{"type": "text", "text": "a", "x": null}], "x": null},
      {"role": "assistant", "content": [{"type": "output_text", "text": "b", "x": null}],
       "tool_calls": [{"id": "123456789", "type": "function", "x": null,
                       "function": {"name": "f", "arguments": "{}", "x": null}}]},
      {"role": "tool", "tool_call_id": "123456789", "content": "c", "x": null}],
      "tools": [{"type": "function", "x": null, "function": {"name": "f", "x": null}}],
      "tool_choice": {"type": "function", "function": {"name": "f", "x": null}, "x": null}})");
  same(kChat, R"({"messages": [{"role": "user", "content": "a", "tool_call_id": null}],
      "tools": [{"type": "function", "function": {"name": "f"}}],
      "tool_choice": {"type": "function", "name": "f", "x": null}})");
  same(kChat, R"({"messages": [{"role": "user", "content": "a"}], "stream": true,
      "stream_options": {"include_usage": true, "x": null}, "response_format":
      {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "x": null}, "x": null}})");
  same("/v1/responses", R"({"input": [
      {"type": "message", "role": "user", "content": "a", "x": null},
      {"type": "function_call", "call_id": "123456789", "name": "f", "arguments": "{}", "x": null},
      {"type": "function_call_output", "call_id": "123456789", "output": "c", "x": null}],
      "text": {"format": {"type": "text", "x": null}, "x": null}})");
}

// Requests as OpenAI's clients write them out, with what they know and do not ask for.
TEST(Requests, WhatClientsSendOfThemselvesIsTaken) {
  const auto card = MakeCard({.chat_template = kToolTemplate});
  const auto taken = [&](std::string_view path, std::string_view body) {
    const auto work = Ask(path, body, card);
    EXPECT_TRUE(work.ok()) << work.error().message;
  };
  taken(kChat, R"({"messages": [{"role": "user", "content": "Hi"}], "prediction": null,
      "audio": null, "reasoning_effort": null, "prompt_cache_key": "k", "safety_identifier": "s",
      "service_tier": "auto", "stream": true, "stream_options": {"include_obfuscation": false}})");
  taken("/v1/responses", R"({"input": "Hi", "previous_response_id": null, "service_tier": "default",
      "prompt_cache_key": "k", "safety_identifier": "s", "stream": true,
      "stream_options": {"include_obfuscation": true}})");
  for (const char* choice : {"auto", "none"}) {
    taken(kChat, fmt::format(R"({{"messages": [{{"role": "user", "content": "Hi"}}],
        "tool_choice": "{}", "tools": [{{"type": "function", "function": {{"name": "f",
        "strict": true}}}}]}})",
                             choice));
    taken("/v1/responses", fmt::format(R"({{"input": "Hi", "tool_choice": "{}",
        "tools": [{{"type": "function", "name": "f", "strict": true}}]}})",
                                       choice));
  }
}

TEST(Requests, SamplingIsWhatTheRequestSays) {
  const auto work = Ask(kText, R"({
      "prompt": ["ab", "c"], "max_tokens": 9, "n": 2, "best_of": 3, "temperature": 0.5,
      "top_p": 0.9, "top_k": 40, "min_p": 0.05, "typical_p": 0.8, "repetition_penalty": 1.5,
      "presence_penalty": 1, "frequency_penalty": -1, "logit_bias": {"65": -100}, "seed": -1,
      "stop": "x", "stop_token_ids": [3], "ignore_eos": true, "skip_special_tokens": false,
      "timeout": 2.5, "user": "u", "logprobs": 2, "echo": true, "cache_salt": "s",
      "min_tokens": 4, "bad_words": ["no"], "allowed_token_ids": [65, 3]})",
                        MakeCard());
  ASSERT_TRUE(work.ok()) << work.error().message;
  ASSERT_EQ(work->generations.size(), 2u);
  const Generation& first = work->generations[0];
  EXPECT_EQ(TextOf(first), "ab");
  EXPECT_EQ(TextOf(work->generations[1]), "c");
  EXPECT_EQ(first.max_tokens, 9);
  EXPECT_EQ(first.continuations, 3);
  EXPECT_EQ(first.sampling.temperature, 0.5f);
  EXPECT_EQ(first.sampling.top_p, 0.9f);
  EXPECT_EQ(first.sampling.top_k, 40);
  EXPECT_EQ(first.sampling.min_p, 0.05f);
  EXPECT_EQ(first.sampling.typical_p, 0.8f);
  EXPECT_EQ(first.sampling.repetition_penalty, 1.5f);
  EXPECT_EQ(first.sampling.presence_penalty, 1);
  EXPECT_EQ(first.sampling.frequency_penalty, -1);
  EXPECT_EQ(first.sampling.logit_bias, (std::map<std::int32_t, float>{{65, -100}}));
  EXPECT_EQ(first.sampling.seed, ~std::uint64_t{0});
  EXPECT_EQ(first.sampling.top_logprobs, 2);
  EXPECT_EQ(first.prompt_logprobs, 2);
  EXPECT_EQ(first.stop, (std::vector<std::string>{"x"}));
  EXPECT_EQ(first.stop_tokens, (std::vector<std::int32_t>{3}));
  EXPECT_TRUE(first.ignore_eos);
  EXPECT_TRUE(first.keep_special_tokens);
  EXPECT_EQ(first.deadline_micros, 3'500'000);
  EXPECT_EQ(first.cache_scope, std::string("\0s", 2));
  EXPECT_EQ(first.min_tokens, 4);
  EXPECT_EQ(first.bad_words, (std::vector<std::vector<std::int32_t>>{{'n', 'o'}, {' ', 'n', 'o'}}));
  EXPECT_EQ(first.allowed_tokens, (std::vector<std::int32_t>{65, 3}));
}

TEST(Requests, AConversationIsWrittenByTheNetworksTemplate) {
  const auto work = Ask(kChat, R"({"messages": [
      {"role": "developer", "content": "Be kind."},
      {"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "123456789", "type": "function",
          "function": {"name": "f", "arguments": "{\"a\": [1, 2]}"}}]},
      {"role": "tool", "tool_call_id": "123456789", "content": "<|im_end|>"}],
      "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]})",
                        MakeCard({.chat_template = kToolTemplate}));
  ASSERT_TRUE(work.ok()) << work.error().message;
  EXPECT_EQ(TextOf(work->generations.front()), R"(<|im_start|>system
{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
Write <tool_call>{"name", "arguments"}</tool_call><|im_end|>
<|im_start|>system
Be kind.<|im_end|>
<|im_start|>user
Hello<|im_end|>
<|im_start|>assistant
<tool_call>
{"name": "f", "arguments": {"a": [1, 2]}}
</tool_call><|im_end|>
<|im_start|>tool
<|im_end|><|im_end|>
<|im_start|>assistant
)");
  // The mark in the tool's answer is text: its ids are not those of the mark.
  const std::vector<std::int32_t>& ids = work->generations.front().prompt;
  EXPECT_EQ(std::ranges::count(ids, 257), 5);
}

TEST(Requests, ToolsThatTheNetworkIsNotToldOfAreNotInThePrompt) {
  const auto work = Ask(kChat, R"({"messages": [{"role": "user", "content": "a"}],
      "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"})",
                        MakeCard({.chat_template = kToolTemplate}));
  ASSERT_TRUE(work.ok()) << work.error().message;
  EXPECT_EQ(TextOf(work->generations.front()),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
}

TEST(Requests, AnAnswerThatMustBeACallBeginsWithItsMark) {
  const auto work = Ask(kChat, R"({"messages": [{"role": "user", "content": "a"}],
      "stop_token_ids": [9], "tool_choice": {"type": "function", "function": {"name": "f"}},
      "tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters":
          {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "required": ["x"]}}}]})",
                        MakeCard({.chat_template = kToolTemplate}));
  ASSERT_TRUE(work.ok()) << work.error().message;
  const Generation& generation = work->generations.front();
  EXPECT_TRUE(TextOf(generation).ends_with("<|im_start|>assistant\n<tool_call>"));
  // The whole of the call is held to the schema: letter by letter there is little choice.
  const auto constraint = generation.constraint();
  for (const char c : std::string_view(R"({"name":"f","arguments":{"x":2}})")) {
    const auto allowed = constraint->Allowed();
    ASSERT_TRUE(allowed.ok()) << allowed.error().message;
    const auto id = static_cast<unsigned char>(c);
    ASSERT_TRUE(((*allowed)[id / 64] >> (id % 64) & 1) != 0) << c;
    EXPECT_EQ((*allowed)['g' / 64] >> ('g' % 64) & 1, c == 'g') << "before " << c;
    ASSERT_TRUE(constraint->Accept(id).ok());
  }
  const auto last = constraint->Allowed();
  ASSERT_TRUE(last.ok()) << last.error().message;
  EXPECT_TRUE(((*last)[0] >> 9 & 1) != 0);  // the end
}

bool MayCome(TokenConstraint& answer, std::int32_t token) {
  const auto allowed = answer.Allowed();
  CHECK(allowed.ok());
  return ((*allowed)[static_cast<std::size_t>(token) / 64] >> (token % 64) & 1) != 0;
}

TEST(Requests, CallsOfStrictToolsAreHeldWhereverTheNetworkBeginsThem) {
  constexpr std::string_view kTools = R"("tools": [
      {"type": "function", "function": {"name": "f", "strict": true, "parameters":
          {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "required": ["x"]}}},
      {"type": "function", "function": {"name": "g", "strict": false, "parameters":
          {"type": "object", "properties": {"y": {"not": {}}}}}}])";
  const auto card = MakeCard({.chat_template = kToolTemplate});
  const auto work = Ask(kChat,
                        fmt::format(R"({{"messages": [{{"role": "user", "content": "a"}}],
      "stop_token_ids": [9], {}}})",
                                    kTools),
                        card);
  ASSERT_TRUE(work.ok()) << work.error().message;
  EXPECT_TRUE(TextOf(work->generations.front()).ends_with("<|im_start|>assistant\n"));
  const auto say = [&](TokenConstraint& answer, std::string_view text) {
    for (const char c : text) {
      if (!MayCome(answer, static_cast<unsigned char>(c)) ||
          !answer.Accept(static_cast<unsigned char>(c)).ok()) {
        return false;
      }
    }
    return true;
  };
  constexpr std::int32_t kSpecial = 256;  // <|im_start|>, which no grammar knows
  const auto answer = work->generations.front().constraint();
  ASSERT_TRUE(say(*answer, "Well, \xFF<tool"));
  EXPECT_TRUE(MayCome(*answer, 9) && MayCome(*answer, kSpecial));
  ASSERT_TRUE(answer->Accept(kSpecial).ok());
  ASSERT_TRUE(say(*answer, " <tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": "));
  for (int token = 0; token < 258; ++token) {
    EXPECT_EQ(MayCome(*answer, token), token == '1' || token == '2') << token;
  }
  ASSERT_TRUE(say(*answer, "2}}\n</tool_call>; <tool_call>"));
  EXPECT_FALSE(MayCome(*answer, 9) || MayCome(*answer, kSpecial));
  // Of the other tool any object will do.
  ASSERT_TRUE(say(*answer, "{\"name\": \"g\", \"arguments\": {\"z\": [true]}} and so on"));
  EXPECT_TRUE(MayCome(*answer, 9));
  EXPECT_FALSE(answer->finished());

  const auto flat = Ask("/v1/responses", R"({"input": "a", "stop_token_ids": [9], "tools": [
      {"type": "function", "name": "f", "strict": true}]})",
                        card);
  ASSERT_TRUE(flat.ok()) << flat.error().message;
  EXPECT_FALSE(say(*flat->generations.front().constraint(), "<tool_call>{\"name\": \"h"));
  // What costs nothing where nothing is strict.
  const auto free = Ask(kChat, R"({"messages": [{"role": "user", "content": "a"}], "tools": [
      {"type": "function", "function": {"name": "f"}}]})",
                        card);
  ASSERT_TRUE(free.ok()) << free.error().message;
  EXPECT_EQ(free->generations.front().constraint, nullptr);
}

TEST(Requests, WhatCannotBeHeldOfAStrictToolIsRefused) {
  const auto refused = [](std::string_view chat_template, std::string_view more) {
    const auto work = Ask(kChat,
                          fmt::format(R"({{"messages": [{{"role": "user", "content": "a"}}],
        "tools": [{{"type": "function", "function": {{"name": "e"}}}},
                  {{"type": "function", "function": {{"name": "f", "strict": true {} }}}}]}})",
                                      more),
                          MakeCard({.chat_template = chat_template}));
    return work.ok() ? Problem{} : ProblemOf(work.error());
  };
  const Problem schema = refused(kToolTemplate, R"(, "parameters": {"type": "object", "not": {}})");
  EXPECT_EQ(schema.param, "tools[1].function.strict");
  EXPECT_NE(schema.message.find("the parameters of \"f\""), std::string::npos) << schema.message;
  const Problem tags = refused(
      "{% if tools %}T{% endif %}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or "
      "[] %}<tool_call><function=f><parameter=a>1</parameter></function></tool_call>{% endfor %}"
      "{% endfor %}",
      R"(, "parameters": {"properties": {"a": {"type": "string", "pattern": "x"}}})");
  EXPECT_EQ(tags.param, "tools[1].function.strict");
  EXPECT_NE(tags.message.find("in tags"), std::string::npos) << tags.message;
  EXPECT_EQ(tags.status, 400);
}

TEST(Requests, AnAnswerWithToolsAndAFormIsACallOrOfTheForm) {
  constexpr std::string_view kAsked = R"({{"messages": [{{"role": "user", "content": "a"}}],
      "stop_token_ids": [9], "tools": [{{"type": "function", "function": {{"name": "f",
      "strict": true, "parameters": {{"properties": {{"x": {}}}}}}}}}], {}}})";
  const auto ask = [&](std::string_view x, std::string_view more,
                       std::string_view chat_template = kToolTemplate) {
    return Ask(kChat, fmt::format(kAsked, x, more), MakeCard({.chat_template = chat_template}));
  };
  const auto may_be = [](const Result<Work>& work, std::string_view text) {
    const auto answer = work->generations.front().constraint();
    return std::ranges::all_of(text,
                               [&](char c) {
                                 return MayCome(*answer, static_cast<unsigned char>(c)) &&
                                        answer->Accept(static_cast<unsigned char>(c)).ok();
                               }) &&
           MayCome(*answer, 9);
  };
  constexpr std::string_view kForm = R"("response_format": {"type": "json_schema", "json_schema":
      {"name": "n", "schema": {"const": "<tool_call>{}"}}})";
  const auto work = ask(R"({"enum": [1, 2]})", kForm);
  ASSERT_TRUE(work.ok()) << work.error().message;
  EXPECT_TRUE(may_be(work, "\"<tool_call>{}\""));
  EXPECT_TRUE(may_be(work, R"(<tool_call>{"name":"f","arguments":{"x":2}}</tool_call>)"));
  EXPECT_FALSE(may_be(work, R"(<tool_call>{"name":"f","arguments":{"x":3}}</tool_call>)"));
  EXPECT_FALSE(may_be(work, "yes"));
  const auto object = ask("true", R"("guided_json": {"type": "object"})");
  ASSERT_TRUE(object.ok()) << object.error().message;
  EXPECT_TRUE(may_be(object, "{}"));
  // A call that must come is no text that has a form.
  const auto call = ask("true", fmt::format(R"({}, "tool_choice": "required")", kForm));
  ASSERT_TRUE(call.ok()) << call.error().message;
  EXPECT_TRUE(may_be(call, R"({"name":"f","arguments":{}})"));
  EXPECT_FALSE(may_be(call, "\"<tool_call>{}\""));

  struct Refusal {
    Result<Work> work;
    std::string_view param;
    std::string_view message;
  };
  const Refusal refusals[] = {
      {ask("true", R"("guided_regex": "a")"), "guided_regex",
       "is held to JSON and to no other form"},
      {ask("true", kForm,
           "{% if tools %}T{% endif %}{% for m in messages %}{{ m.content }}{% for c in "
           "m.tool_calls or [] %}{\"name\": \"{{ c.function.name }}\"}{% endfor %}{% endfor %}"),
       "response_format.json_schema.schema", "cannot be told from an answer that is JSON"},
      {ask("true", R"("response_format": {"type": "json_object", "schema": {"not": {}}})"),
       "response_format.schema", "\"not\""},
      {ask(R"({"not": {}})", kForm), "tools[0].function.strict", "\"not\""},
  };
  for (const Refusal& each : refusals) {
    ASSERT_FALSE(each.work.ok()) << each.message;
    const Problem problem = ProblemOf(each.work.error());
    EXPECT_EQ(problem.status, 400);
    EXPECT_EQ(problem.param, each.param);
    EXPECT_NE(problem.message.find(each.message), std::string::npos) << problem.message;
  }
}

TEST(Requests, InAnAnswerOfAFormNothingIsReadAsACall) {
  const auto card = MakeCard(
      {.chat_template =
           "{% if tools %}T{% endif %}{% for m in messages %}{{ m.content }}{% for c in "
           "m.tool_calls or "
           "[] %}<function={{ c.function.name }}>{{ c.function.arguments }}</function>{% endfor %}"
           "{% endfor %}"});
  constexpr std::string_view kSaid = R"("<function=f>{}</function>")";
  constexpr std::string_view kBodies[][2] = {
      {kChat, R"({"messages": [{"role": "user", "content": "a"}], "stop_token_ids": [9],
          "tools": [{"type": "function", "function": {"name": "f"}}],
          "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":
              {"type": "string"}}}})"},
      {"/v1/responses", R"({"input": "a", "stop_token_ids": [9],
          "tools": [{"type": "function", "name": "f"}],
          "text": {"format": {"type": "json_schema", "name": "n", "schema":
              {"type": "string"}}}})"}};
  for (const auto& [path, body] : kBodies) {
    for (const bool is_call : {false, true}) {
      auto work = Ask(path, body, card);
      ASSERT_TRUE(work.ok()) << work.error().message;
      const std::string_view said = is_call ? kSaid.substr(1, kSaid.size() - 2) : kSaid;
      (void)work->answer->Take(0, {.text = std::string(said), .end = GenerationEnd::kStop});
      const std::string whole = WriteJson(work->answer->Whole());
      EXPECT_EQ(whole.find(WriteJson(Json(said))) != std::string::npos, !is_call) << whole;
      EXPECT_EQ(whole.find(R"("name":"f","arguments":"{}")") != std::string::npos, is_call)
          << whole;
    }
  }
}

TEST(Requests, MarksThatAreSpecialTokensBeginCallsOfStrictTools) {
  constexpr std::string_view kTemplate =
      "{% if tools %}T{% endif %}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or "
      "[] %}<|python_tag|>{\"name\": \"{{ c.function.name }}\", \"parameters\": {{ "
      "c.function.arguments | tojson }}}{% endfor %}{% endfor %}";
  const auto work = Ask(
      kChat, R"({"messages": [{"role": "user", "content": "a"}],
      "stop_token_ids": [9], "tools": [{"type": "function", "function":
          {"name": "f", "strict": true}}]})",
      MakeCard({.chat_template = kTemplate, .further_tokens = {"<|im_start|>", "<|python_tag|>"}}));
  ASSERT_TRUE(work.ok()) << work.error().message;
  EXPECT_TRUE(work->generations.front().keep_special_tokens);
  const auto answer = work->generations.front().constraint();
  ASSERT_TRUE(MayCome(*answer, 257) && MayCome(*answer, 256));
  ASSERT_TRUE(answer->Accept('a').ok() && answer->Accept(257).ok());
  EXPECT_TRUE(MayCome(*answer, '{'));
  EXPECT_FALSE(MayCome(*answer, 'a') || MayCome(*answer, 256) || MayCome(*answer, 9));
}

TEST(Requests, ToolsReachTheTemplateAsTheyWereSent) {
  const auto card = MakeCard({.chat_template = kToolTemplate});
  const auto shown = [&](std::string_view path, std::string_view body) {
    const auto work = Ask(path, body, card);
    EXPECT_TRUE(work.ok()) << work.error().message;
    const std::string text = TextOf(work->generations.front());
    return text.substr(0, text.find("\nWrite"));
  };
  constexpr std::string_view kShown =
      "<|im_start|>system\n"
      R"({"type": "function", "function": {"parameters": {"type": "object"}, "name": "f"}})"
      "\n"
      R"({"type": "function", "function": {"name": "g", "description": "G.", "parameters": )"
      R"({"type": "object", "properties": {}}}})";
  EXPECT_EQ(shown(kChat, R"({"messages": [{"role": "user", "content": "a"}], "tools": [
      {"type": "function", "function":
          {"parameters": {"type": "object"}, "name": "f", "strict": false}},
      {"type": "function", "function": {"name": "g", "description": "G."}}]})"),
            kShown);
  EXPECT_EQ(shown("/v1/responses", R"({"input": "a", "tools": [
      {"type": "function", "parameters": {"type": "object"}, "name": "f", "strict": false},
      {"type": "function", "name": "g", "description": "G."}]})"),
            kShown);
}

TEST(Requests, ResponsesAreConversationsOfItems) {
  const auto work = Ask("/v1/responses", R"({"instructions": "Be kind.", "input": [
      {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
      {"type": "message", "role": "assistant",
       "content": [{"type": "output_text", "text": "So.", "annotations": []}]},
      {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
      {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
      {"type": "function_call_output", "call_id": "1", "output": "one"}],
      "max_output_tokens": 5})",
                        MakeCard({.chat_template = kToolTemplate}));
  ASSERT_TRUE(work.ok()) << work.error().message;
  EXPECT_EQ(TextOf(work->generations.front()), R"(<|im_start|>system
Be kind.<|im_end|>
<|im_start|>user
Hi<|im_end|>
<|im_start|>assistant
So.<tool_call>
{"name": "f", "arguments": {}}
</tool_call><tool_call>
{"name": "g", "arguments": {}}
</tool_call><|im_end|>
<|im_start|>tool
one<|im_end|>
<|im_start|>assistant
)");
  EXPECT_EQ(work->generations.front().max_tokens, 5);
}

TEST(Requests, TheMiddleOfATextIsAskedForByTheMarksOfTheVocabulary) {
  const auto card =
      MakeCard({.further_tokens = {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"}});
  const auto completion = Ask(kText, R"({"prompt": "a<|fim_suffix|>", "suffix": "z"})", card);
  ASSERT_TRUE(completion.ok()) << completion.error().message;
  EXPECT_EQ(TextOf(completion->generations.front()),
            "<|fim_prefix|>a<|fim_suffix|><|fim_suffix|>z<|fim_middle|>");
  EXPECT_EQ(std::ranges::count(completion->generations.front().prompt, 257), 1);  // not the text's
  const auto infill = Ask("/infill", R"({"input_prefix": "a", "input_suffix": "z", "prompt": "b",
                                         "n_predict": 4})",
                          card);
  ASSERT_TRUE(infill.ok()) << infill.error().message;
  EXPECT_EQ(TextOf(infill->generations.front()), "<|fim_prefix|>ab<|fim_suffix|>z<|fim_middle|>");
  EXPECT_EQ(infill->generations.front().max_tokens, 4);

  constexpr std::string_view kWithFiles = R"({"input_prefix": "a", "input_suffix": "z",
      "input_extra": [{"filename": "x.c", "text": "X<|fim_suffix|>"}, {"text": "Y"}]})";
  const auto none = Ask("/infill", kWithFiles, card);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(ProblemOf(none.error()).param, "input_extra");
  EXPECT_TRUE(
      Ask("/infill", R"({"input_prefix": "a", "input_suffix": "z", "input_extra": []})", card)
          .ok());
  const auto with_files =
      Ask("/infill", kWithFiles,
          MakeCard({.further_tokens = {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>",
                                       "<|repo_name|>", "<|file_sep|>"}}));
  ASSERT_TRUE(with_files.ok()) << with_files.error().message;
  EXPECT_EQ(TextOf(with_files->generations.front()),
            "<|repo_name|>myproject\n<|file_sep|>x.c\nX<|fim_suffix|><|file_sep|>tmp\nY"
            "<|file_sep|>filename\n<|fim_prefix|>a<|fim_suffix|>z<|fim_middle|>");
  EXPECT_EQ(std::ranges::count(with_files->generations.front().prompt, 257), 1);
  const auto without_name = Ask(
      "/infill", kWithFiles, MakeCard({.further_tokens = {"[SUFFIX]", "[PREFIX]", "<filename>"}}));
  ASSERT_TRUE(without_name.ok()) << without_name.error().message;
  EXPECT_EQ(TextOf(without_name->generations.front()),
            "<filename>x.c\nX<|fim_suffix|><filename>tmp\nY<filename>filename\n[SUFFIX]z[PREFIX]a");
  const auto wrong = Ask("/infill", R"({"input_prefix": "a", "input_suffix": "z",
      "input_extra": [{"text": "b", "path": "x"}]})",
                         MakeCard({.further_tokens = {"[SUFFIX]", "[PREFIX]", "<filename>"}}));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(ProblemOf(wrong.error()).param, "input_extra[0].path");
}

TEST(Requests, EveryEndpointHasOneHandlerAndEachOfItsParametersOnce) {
  for (const Endpoint& endpoint : AllEndpoints()) {
    EXPECT_EQ(
        (endpoint.work != nullptr) + (endpoint.reply != nullptr) + (endpoint.manage != nullptr), 1)
        << endpoint.path;
    std::set<std::string_view> names;
    for (const ParameterPart* part : endpoint.parameters) {
      for (const Parameter& parameter : *part) {
        EXPECT_TRUE(names.insert(parameter.name).second) << endpoint.path << parameter.name;
        EXPECT_NE(parameter.types, 0u) << parameter.name;
        EXPECT_FALSE(parameter.doc.empty()) << parameter.name;
      }
    }
  }
}

}  // namespace
}  // namespace ashlar
