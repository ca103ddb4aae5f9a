// Every endpoint over a service that runs: requests as a server hands them over, answers as it
// would send them.
#include "ashlar/server/api/api.h"

#include <fstream>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/test_time.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/api/reference.h"
#include "ashlar/server/api/testing_api_fixture.h"
#include "ashlar/server/config/service_settings.h"
#include "ashlar/server/service/testing_service.h"

namespace ashlar {
namespace {

using testing_api::ApiTest;
using testing_api::HeardResponder;

constexpr std::string_view kHello =
    R"({"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12,
        "temperature": 0.7, "seed": 3)";

// The text of a stream's deltas.
std::string StreamedText(std::string_view body, std::string_view member) {
  std::string text;
  while (body.starts_with("data: {")) {
    const std::size_t end = body.find("\n\n");
    const Json event = *ParseJson(body.substr(6, end - 6));
    body.remove_prefix(end + 2);
    const Json::Array& choices = *event.Find("choices")->array();
    if (!choices.empty()) {
      const Json* delta = member == "text" ? &choices[0] : choices[0].Find("delta");
      const Json* piece = delta->Find(member);
      text += piece != nullptr && piece->string() != nullptr ? *piece->string() : "";
    }
  }
  EXPECT_EQ(body, "data: [DONE]\n\n");
  return text;
}

TEST_F(ApiTest, AChatSaysTheSameWholeAndStreamed) {
  const Json whole = Asked("/v1/chat/completions", std::string(kHello) + "}");
  EXPECT_EQ(At(whole, {"object"}), Json("chat.completion"));
  EXPECT_EQ(At(whole, {"id"}), Json("chatcmpl-test_id"));
  EXPECT_EQ(At(whole, {"usage", "completion_tokens"}), Json(12));
  EXPECT_EQ(At(whole, {"choices", "0", "finish_reason"}), Json("length"));
  const std::string& text = *At(whole, {"choices", "0", "message", "content"}).string();
  EXPECT_EQ(text.size(), 12u);
  const HttpResponse streamed =
      Ask("/v1/chat/completions", std::string(kHello) + R"(, "stream": true})");
  EXPECT_EQ(streamed.status, 200);
  EXPECT_TRUE(streamed.content_type.starts_with("text/event-stream"));
  EXPECT_EQ(StreamedText(streamed.body, "content"), text);
  // The same again finds its prompt in the cache.
  const Json again = Asked("/v1/chat/completions", std::string(kHello) + "}");
  EXPECT_EQ(At(again, {"choices"}), At(whole, {"choices"}));
  EXPECT_GT(*At(again, {"usage", "prompt_tokens_details", "cached_tokens"}).integer(), 0);
}

TEST_F(ApiTest, CompletionsContinueEchoAndScore) {
  const Json whole = Asked("/v1/completions", R"({"model": "plain", "prompt": ["ab", [33, 34]],
      "n": 2, "max_tokens": 4, "echo": true, "logprobs": 1, "temperature": 0, "seed": 1})");
  ASSERT_EQ(At(whole, {"choices"}).array()->size(), 4u);
  for (const Json& choice : *At(whole, {"choices"}).array()) {
    EXPECT_EQ(At(choice, {"text"}).string()->size(), 6u);
    EXPECT_EQ(At(choice, {"logprobs", "tokens"}).array()->size(), 6u);
    EXPECT_TRUE(At(choice, {"logprobs", "token_logprobs", "0"}).is_null());
    EXPECT_LT(*At(choice, {"logprobs", "token_logprobs", "1"}).real(), 0);
  }
  EXPECT_TRUE(At(whole, {"choices", "2", "text"}).string()->starts_with("AB"));
  const std::string& text = *At(whole, {"choices", "0", "text"}).string();
  const HttpResponse streamed =
      Ask("/v1/completions", R"({"model": "plain", "prompt": "ab", "max_tokens": 4, "echo": true,
          "logprobs": 1, "temperature": 0, "stream": true})");
  EXPECT_EQ(StreamedText(streamed.body, "text"), text);
  const Json read = Asked("/v1/completions", R"({"model": "plain", "prompt": "ab", "max_tokens": 0,
      "echo": true, "logprobs": 0})");
  EXPECT_EQ(At(read, {"choices", "0", "text"}), Json("ab"));
  EXPECT_EQ(At(read, {"usage", "completion_tokens"}), Json(0));
}

TEST_F(ApiTest, AnswersThatCanOnlyBeEmptyAreAllGiven) {
  for (const char* const form : {R"("guided_regex": "")", R"("guided_choice": [""])",
                                 R"("guided_grammar": "root ::= \"\"")"}) {
    const Json whole = Asked("/v1/completions", fmt::format(R"({{"model": "plain", "prompt": "xyz",
        "max_tokens": 4, "n": 3, "best_of": 3, "echo": true, "logprobs": 0, {}}})",
                                                            form));
    ASSERT_EQ(At(whole, {"choices"}).array()->size(), 3u) << form;
    for (const Json& choice : *At(whole, {"choices"}).array()) {
      EXPECT_EQ(At(choice, {"text"}), Json("xyz"));
      EXPECT_EQ(At(choice, {"finish_reason"}), Json("stop"));
      EXPECT_EQ(At(choice, {"logprobs", "tokens"}), (Json::Array{"x", "y", "z"}));
      EXPECT_LT(*At(choice, {"logprobs", "token_logprobs", "2"}).real(), 0);
    }
    EXPECT_EQ(At(whole, {"usage", "completion_tokens"}), Json(0));
  }
}

TEST_F(ApiTest, APromptThatIsOnlyReadHasAsManyChoicesAsAreAskedFor) {
  const Json whole = Asked("/v1/completions", R"({"model": "plain", "prompt": "xyz",
      "max_tokens": 0, "echo": true, "logprobs": 0, "n": 2, "best_of": 3})");
  ASSERT_EQ(At(whole, {"choices"}).array()->size(), 2u);
  EXPECT_EQ(At(whole, {"choices", "0", "logprobs"}), At(whole, {"choices", "1", "logprobs"}));
  EXPECT_LT(*At(whole, {"choices", "1", "logprobs", "token_logprobs", "2"}).real(), 0);
  EXPECT_EQ(At(whole, {"choices", "1", "text"}), Json("xyz"));
  EXPECT_EQ(At(whole, {"choices", "1", "finish_reason"}), Json("length"));
  const HttpResponse streamed = Ask("/v1/completions", R"({"model": "plain", "prompt": "xyz",
      "max_tokens": 0, "echo": true, "n": 2, "stream": true})");
  EXPECT_TRUE(streamed.body.ends_with("data: [DONE]\n\n")) << streamed.body;
  EXPECT_EQ(StreamedText(streamed.body, "text"), "xyzxyz");
}

TEST_F(ApiTest, EmbeddingsScoresAndRanksAreOfTheSameVectors) {
  const auto vector = [&](std::string_view text) {
    const Json answer =
        Asked("/v1/embeddings", WriteJson(Json::Of({{"model", "plain"}, {"input", text}})));
    std::vector<double> numbers;
    for (const Json& number : *At(answer, {"data", "0", "embedding"}).array()) {
      numbers.push_back(number.real() != nullptr ? *number.real() : 0);
    }
    return numbers;
  };
  const std::vector<double> a = vector("apple");
  const std::vector<double> b = vector("plum");
  ASSERT_EQ(a.size(), 64u);
  double length = 0;
  double cosine = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    length += a[i] * a[i];
    cosine += a[i] * b[i];
  }
  EXPECT_NEAR(length, 1, 1e-5);
  const Json score = Asked("/v1/score", R"({"model": "plain", "text_1": "apple",
                                            "text_2": ["plum", "apple"]})");
  EXPECT_NEAR(*At(score, {"data", "0", "score"}).real(), cosine, 1e-5);
  EXPECT_NEAR(*At(score, {"data", "1", "score"}).real(), 1, 1e-5);
  const Json ranks = Asked("/v1/rerank", R"({"model": "plain", "query": "apple", "top_n": 2,
      "documents": ["plum", "apple", {"text": "pear"}], "return_documents": true})");
  ASSERT_EQ(At(ranks, {"results"}).array()->size(), 2u);
  EXPECT_EQ(At(ranks, {"results", "0", "index"}), Json(1));
  EXPECT_EQ(At(ranks, {"results", "0", "document", "text"}), Json("apple"));
  const Json likely = Asked("/v1/score", R"({"model": "plain", "text_1": "ap", "text_2": "ple",
                                             "method": "likelihood"})");
  const Json echo = Asked("/v1/completions", R"({"model": "plain", "prompt": "apple",
      "max_tokens": 0, "echo": true, "logprobs": 0})");
  double sum = 0;
  for (const std::string_view i : {"2", "3", "4"}) {
    sum += *At(echo, {"choices", "0", "logprobs", "token_logprobs", i}).real();
  }
  EXPECT_NEAR(*At(likely, {"data", "0", "score"}).real(), sum / 3, 1e-5);
}

TEST_F(ApiTest, MoreInputsThanTheServiceTakesAtOnceAreAllAnswered) {
  Json inputs = Json::Array();
  for (int i = 0; i < 400; ++i) {  // its queue has room for 256
    inputs.Append(fmt::format("text {}", i));
  }
  const Json answer = Asked("/v1/embeddings", WriteJson(Json::Of({{"model", "plain"},
                                                                  {"input", inputs},
                                                                  {"encoding_format", "base64"},
                                                                  {"dimensions", 3},
                                                                  {"pooling", "last"}})));
  ASSERT_EQ(At(answer, {"data"}).array()->size(), 400u);
  EXPECT_EQ(At(answer, {"data", "7", "embedding"}).string()->size(), 16u);  // of 12 bytes
}

// Random networks say nothing that parses unless they are held to it.
TEST_F(ApiTest, AnswersAreHeldToTheFormThatIsAskedFor) {
  const Json held = Asked("/v1/chat/completions", R"({"model": "chat", "seed": 1,
      "stop_token_ids": [95], "messages": [{"role": "user", "content": "Hi"}],
      "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":
          {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99},
                                            "b": {"enum": ["x", "yes"]}},
           "required": ["a", "b"]}}}})");
  EXPECT_EQ(At(held, {"choices", "0", "finish_reason"}), Json("stop"));
  const auto value = ParseJson(*At(held, {"choices", "0", "message", "content"}).string());
  ASSERT_TRUE(value.ok()) << value.error().message;
  EXPECT_NE(At(*value, {"a"}).integer(), nullptr);
  EXPECT_NE(At(*value, {"b"}).string(), nullptr);

  constexpr std::string_view kMustCall = R"({"model": "chat", "seed": 2, "stop_token_ids": [95],
      "messages": [{"role": "user", "content": "Hi"}], "tool_choice": "required",
      "tools": [{"type": "function", "function": {"name": "f", "parameters":
                    {"type": "object", "properties": {"x": {"enum": [1, 22]}},
                     "required": ["x"]}}},
                {"type": "function", "function": {"name": "g", "parameters":
                    {"type": "object", "properties": {"y": {"type": "boolean"}},
                     "required": ["y"]}}}])";
  const Json called = Asked("/v1/chat/completions", std::string(kMustCall) + "}");
  EXPECT_EQ(At(called, {"choices", "0", "finish_reason"}), Json("tool_calls"));
  const Json& function = At(called, {"choices", "0", "message", "tool_calls", "0", "function"});
  const Json arguments = *ParseJson(*At(function, {"arguments"}).string());
  EXPECT_NE(arguments.Find(At(function, {"name"}) == Json("f") ? "x" : "y"), nullptr);
  const HttpResponse streamed =
      Ask("/v1/chat/completions", std::string(kMustCall) + R"(, "stream": true})");
  EXPECT_NE(streamed.body.find("\"finish_reason\":\"tool_calls\""), std::string::npos)
      << streamed.body;

  const Json chosen = Asked("/v1/completions", R"({"model": "plain", "prompt": "a", "n": 3,
      "max_tokens": 20, "stop_token_ids": [95], "guided_choice": ["yes", "no?"]})");
  for (const Json& choice : *At(chosen, {"choices"}).array()) {
    const std::string& text = *At(choice, {"text"}).string();
    EXPECT_TRUE(text == "yes" || text == "no?") << text;
  }
}

TEST_F(ApiTest, WithToolsAndAFormWhatTheFormSaysOfCallsIsText) {
  const auto ask = [&](std::string_view path, std::string_view more, int bias) {
    return Asked(path, fmt::format(R"({{"model": "chat", "seed": 1, "stop_token_ids": [95],
        "logit_bias": {{"28": {}}}, {}}})",
                                   bias, more));  // of "<", which a call begins with
  };
  constexpr std::string_view kSaid = R"("<tool_call>{'name': 'f'}")";
  constexpr std::string_view kChat = R"("messages": [{"role": "user", "content": "Hi"}],
      "parallel_tool_calls": false,
      "tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters":
          {"properties": {}, "additionalProperties": false}}}],
      "response_format": {"type": "json_schema", "json_schema": {"name": "n",
          "schema": {"const": "<tool_call>{'name': 'f'}"}}})";
  const Json text = ask("/v1/chat/completions", kChat, -100);
  EXPECT_EQ(At(text, {"choices", "0", "finish_reason"}), Json("stop"));
  EXPECT_EQ(At(text, {"choices", "0", "message", "content"}), Json(kSaid));
  EXPECT_EQ(At(text, {"choices", "0", "message"}).Find("tool_calls"), nullptr);
  const Json call = ask("/v1/chat/completions", kChat, 100);
  EXPECT_EQ(At(call, {"choices", "0", "finish_reason"}), Json("tool_calls"));
  EXPECT_TRUE(At(call, {"choices", "0", "message", "content"}).is_null());

  std::string other(kChat);
  other.replace(other.find("<tool_call>"), 1, "[");
  EXPECT_EQ(At(ask("/v1/chat/completions", other, -100), {"choices", "0", "message", "content"}),
            Json(R"("[tool_call>{'name': 'f'}")"));

  constexpr std::string_view kFlat = R"("input": "Hi", "tools": [{"type": "function", "name": "f",
      "parameters": {"properties": {}, "additionalProperties": false}}], "text": {"format":
      {"type": "json_schema", "name": "n", "schema": {"const": "<tool_call>{'name': 'f'}"}}})";
  const Json item = At(ask("/v1/responses", kFlat, -100), {"output", "0"});
  EXPECT_EQ(At(item, {"content", "0", "text"}), Json(kSaid)) << WriteJson(item);
}

TEST_F(ApiTest, FormsHoldAgainstBiasAndPenaltiesInEachOfSeveralAnswers) {
  // "z" (90) is all but asked for, "a" (65) all but ruled out; what was said is said no more.
  const Json answers = Asked("/v1/completions", R"form({"model": "plain", "prompt": "zzz", "n": 6,
      "seed": 1, "max_tokens": 50, "stop_token_ids": [95], "temperature": 1.9, "repetition_penalty": 3,
      "presence_penalty": 2, "frequency_penalty": 2, "logit_bias": {"90": 100, "65": -100,
      "95": 100},
      "guided_regex": "[a-c]{5}(a|bb)"})form");
  std::set<std::string> texts;
  for (const Json& choice : *At(answers, {"choices"}).array()) {
    const std::string& text = *At(choice, {"text"}).string();
    EXPECT_TRUE(std::regex_match(text, std::regex("[a-c]{5}(a|bb)"))) << text;
    EXPECT_EQ(At(choice, {"finish_reason"}), Json("stop"));
    texts.insert(text);
  }
  EXPECT_GT(texts.size(), 1u);
}

TEST_F(ApiTest, AFormThatTheTokensDoNotSufficeForIsCutAndSaysSo) {
  const Json cut = Asked("/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 4,
      "stop_token_ids": [95], "guided_json": {"type": "array", "items": {"const": 12345},
      "minItems": 2}})");
  EXPECT_EQ(At(cut, {"choices", "0", "finish_reason"}), Json("length"));
  const std::string& text = *At(cut, {"choices", "0", "text"}).string();
  EXPECT_TRUE(text == "[123" || text == "[ 12") << text;
  // The last token that there is room for is the last one of the form.
  const Json whole = Asked("/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 4,
      "stop_token_ids": [95], "guided_json": {"const": 1234}})");
  EXPECT_EQ(At(whole, {"choices", "0", "text"}), Json("1234"));
  EXPECT_EQ(At(whole, {"choices", "0", "finish_reason"}), Json("stop"));
  const Json call = Asked("/v1/chat/completions", R"({"model": "chat", "max_tokens": 3,
      "messages": [{"role": "user", "content": "Hi"}], "tool_choice": "required",
      "tools": [{"type": "function", "function": {"name": "f"}}]})");
  EXPECT_EQ(At(call, {"choices", "0", "finish_reason"}), Json("length"));
}

TEST_F(ApiTest, AGrammarThatProvesTooAmbiguousIsTheRequestsFault) {
  // Each A may be open, and each B close any that is. (All are A, whatever is drawn: how ambiguous
  // a mixture is depends on it.)
  constexpr std::string_view kAmbiguous = R"({"model": "plain", "prompt": "a", "max_tokens": 500,
      "stop_token_ids": [95], "logit_bias": {"33": 100}, "grammar": "root ::= x x x x x x x x\nx ::= x x | \"A\" x \"B\" | \"A\" x | \"A\" | x \"B\"")";
  const HttpResponse whole = Ask("/v1/completions", std::string(kAmbiguous) + "}");
  EXPECT_EQ(whole.status, 400) << whole.body;
  const HttpResponse streamed =
      Ask("/v1/completions", std::string(kAmbiguous) + R"(, "stream": true})");
  for (const std::string_view part :
       {R"("type":"invalid_request_error")", R"("code":"invalid_value")", R"("param":"grammar")",
        "too ambiguous"}) {
    EXPECT_NE(whole.body.find(part), std::string::npos) << whole.body;
    EXPECT_NE(streamed.body.find(part), std::string::npos) << streamed.body;
  }
}

TEST_F(ApiTest, ResponsesAreAnswered) {
  const Json whole = Asked("/v1/responses", R"({"model": "chat", "input": "Hi", "temperature": 0,
                                               "max_output_tokens": 6, "instructions": "Rhyme."})");
  EXPECT_EQ(At(whole, {"status"}), Json("incomplete"));
  EXPECT_EQ(At(whole, {"output", "0", "role"}), Json("assistant"));
  EXPECT_EQ(At(whole, {"usage", "output_tokens"}), Json(6));
  EXPECT_EQ(At(whole, {"instructions"}), Json("Rhyme."));
  const HttpResponse streamed =
      Ask("/v1/responses", R"({"model": "chat", "input": "Hi", "temperature": 0, "stream": true,
                               "max_output_tokens": 6, "instructions": "Rhyme."})");
  EXPECT_TRUE(streamed.body.starts_with("event: response.created\n")) << streamed.body;
  EXPECT_NE(streamed.body.find("event: response.incomplete\n"), std::string::npos);
}

TEST_F(ApiTest, TokensAndTemplatesAreShown) {
  const Json tokens =
      Asked("/tokenize", R"({"model": "plain", "content": "!#", "with_pieces": true})");
  EXPECT_EQ(WriteJson(At(tokens, {"tokens"})), R"([{"id":1,"piece":"!"},{"id":3,"piece":"#"}])");
  EXPECT_EQ(At(Asked("/detokenize", R"({"model": "plain", "tokens": [1, 3, 95]})"), {"content"}),
            Json("!#<end>"));
  EXPECT_EQ(At(Asked("/apply-template",
                     R"({"model": "chat", "messages": [{"role": "user", "content": "a"}]})"),
               {"prompt"}),
            Json("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"));
}

TEST_F(ApiTest, NetworksAreListedLoadedDerivedAndUnloaded) {
  EXPECT_EQ(At(Got("/v1/models"), {"data"}).array()->size(), 2u);
  const Json shown = Got("/v1/models/plain");
  EXPECT_EQ(At(shown, {"id"}), Json("plain"));
  EXPECT_EQ(At(shown, {"embedding_dimensions"}), Json(64));
  EXPECT_EQ(At(Got("/v1/models"), {"data", "1", "max_model_len"}), At(shown, {"max_model_len"}));
  Asked("/admin/networks/derive", R"({"name": "short", "from": "plain",
      "steps": [{"transform": "drop", "arguments": {"layers": [1, 2]}}]})");
  EXPECT_EQ(At(Got("/v1/models"), {"data"}).array()->size(), 3u);
  const Json short_one = At(Got("/v1/models/short"), {"digest"});
  constexpr std::string_view kShorter = R"({"name": "short", "from": "plain",
      "steps": [{"transform": "drop", "arguments": {"layers": [1]}}])";
  const HttpResponse taken = Ask("/admin/networks/derive", std::string(kShorter) + "}");
  EXPECT_EQ(taken.status, 409) << taken.body;
  EXPECT_NE(taken.body.find("\"param\":\"name\""), std::string::npos) << taken.body;
  EXPECT_EQ(At(Got("/v1/models/short"), {"digest"}), short_one);
  Asked("/admin/networks/derive", std::string(kShorter) + R"(, "replace": true})");
  EXPECT_NE(At(Got("/v1/models/short"), {"digest"}), short_one);
  Asked("/admin/networks/derive", R"({"name": "short", "from": "plain", "replace": true,
      "steps": [{"transform": "drop", "arguments": {"layers": [1, 2]}}]})");
  Asked("/admin/networks/load", R"({"model": "short", "pin": true})");
  Asked("/admin/networks/load", R"({"model": "plain"})");
  const Json networks = Got("/admin/networks");
  EXPECT_EQ(At(networks, {"networks", "0", "state"}), Json("absent"));  // chat
  EXPECT_EQ(At(networks, {"networks", "2", "state"}), Json("loaded"));
  EXPECT_EQ(At(networks, {"networks", "2", "pinned"}), Json(true));
  EXPECT_EQ(At(networks, {"networks", "2", "unique_bytes"}), Json(0));  // plain has all of it
  EXPECT_GT(*At(networks, {"networks", "1", "unique_bytes"}).integer(), 0);
  Asked("/admin/networks/load", R"({"model": "plain", "kv_format": "q8"})");
  std::vector<std::string> formats;  // the old one stays until nobody uses it
  const Json reloaded = Got("/admin/networks");
  for (const Json& network : *At(reloaded, {"networks"}).array()) {
    if (At(network, {"model"}) == Json("plain")) {
      formats.push_back(*At(network, {"kv_format"}).string());
    }
  }
  EXPECT_EQ(formats, (std::vector<std::string>{"f32", "q8"}));
  EXPECT_EQ(Ask("/admin/networks/load", R"({"model": "plain", "kv_format": "q3"})").status, 400);
  Asked("/admin/networks/pin", R"({"model": "short", "pinned": false})");
  Asked("/admin/networks/unload", R"({"model": "short"})");
  EXPECT_EQ(Ask("/admin/networks/unload", R"({"model": "short"})").status, 404);
  EXPECT_GT(*At(Got("/admin/status"), {"weights", "resident_bytes"}).integer(), 0);
  const HttpResponse bad = Ask("/admin/networks/derive", R"({"name": "x", "from": "plain",
      "steps": [{"transform": "melt"}]})");
  EXPECT_NE(bad.body.find("\"param\":\"steps[0].transform\""), std::string::npos) << bad.body;
}

TEST_F(ApiTest, PrefixesArePinnedListedAndLetGo) {
  const std::string prompt = std::string(80, 's');
  const auto cached_of = [&](const Json& answer) {
    return At(answer, {"usage", "prompt_tokens_details", "cached_tokens"});
  };
  const Json pinned =
      Asked("/admin/prefixes", R"({"model": "plain", "prompt": ")" + prompt + R"("})");
  EXPECT_EQ(At(pinned, {"cached_tokens"}), Json(80));
  EXPECT_EQ(cached_of(Asked("/v1/completions", R"({"model": "plain", "prompt": ")" + prompt +
                                                   R"( and more", "max_tokens": 2})")),
            Json(80));
  const Json listed = Got("/admin/prefixes");
  EXPECT_EQ(At(listed, {"prefixes", "0"}), pinned);
  EXPECT_GT(*At(Got("/admin/status"), {"pages", "pinned_bytes"}).integer(), 0);
  const std::string path = "/admin/prefixes/" + *At(pinned, {"id"}).string();
  EXPECT_EQ(Begin("DELETE", path)->Wait().status, 200);
  EXPECT_EQ(Begin("DELETE", path)->Wait().status, 404);
  EXPECT_EQ(Begin("DELETE", "/admin/prefixes/one")->Wait().status, 404);
  EXPECT_EQ(At(Got("/admin/prefixes"), {"prefixes"}).array()->size(), 0u);
  EXPECT_EQ(Ask("/admin/prefixes", R"({"model": "plain", "prompt": "short"})").status, 400);
  EXPECT_EQ(Ask("/admin/prefixes", R"({"model": "none", "prompt": "short"})").status, 404);
}

TEST_F(ApiTest, SessionsAreSavedAndRestored) {
  const std::string prompt = std::string(70, 'p');
  const std::string asked = R"({"model": "plain", "prompt": ")" + prompt + R"(")";
  const Json saved = Asked("/admin/sessions/save", asked + R"(, "file": "talk.1"})");
  EXPECT_EQ(At(saved, {"prompt_tokens"}), Json(70));
  EXPECT_GT(*At(saved, {"bytes"}).integer(), 0);
  const Json restored =
      Asked("/admin/sessions/restore", R"({"model": "plain", "file": "talk.1", "tenant": "*"})");
  EXPECT_EQ(At(restored, {"cached_tokens"}), Json(64));
  const auto refused = [&](std::string_view body) { return Ask("/admin/sessions/restore", body); };
  EXPECT_EQ(refused(R"({"model": "plain", "file": "talk.2"})").status, 404);
  EXPECT_EQ(refused(R"({"model": "chat", "file": "talk.1"})").status, 400);
  for (const char* name : {"../talk.1", ".hidden", "", "a/b"}) {
    const HttpResponse outside =
        refused(R"({"model": "plain", "file": ")" + std::string(name) + R"("})");
    EXPECT_EQ(outside.status, 400) << name;
    EXPECT_NE(outside.body.find("\"param\":\"file\""), std::string::npos) << outside.body;
  }
}

TEST_F(ApiTest, TheBudgetMovesAndAnswersSayWhatComputedThem) {
  {
    Catalog catalog(*store_, AllKinds());
    const auto lease = *store_->BeginWriting();
    const Network levels =
        testing_service::SpellingNetwork(*store_, {.layers = 1, .codec = "bitplane"});
    ASSERT_TRUE(catalog.Save(levels, "levels", Json::Array()).ok());
  }
  constexpr std::string_view kAsk = R"({"model": "levels", "prompt": "ab", "max_tokens": 3})";
  const auto plan_of = [&] {
    const HttpResponse response = Ask("/v1/completions", kAsk);
    std::string plan;
    for (const HttpHeader& header : response.headers) {
      plan += header.name == "Ashlar-Plan" ? header.value : "";
    }
    EXPECT_EQ(At(*ParseJson(response.body), {"system_fingerprint"}), Json("fp_" + plan));
    return plan;
  };
  const std::string plan = plan_of();
  EXPECT_EQ(plan.size(), 16u);
  EXPECT_TRUE(At(Got("/admin/budget"), {"bytes"}).is_null());

  const auto patched = [&](std::string_view body, int status) {
    const HttpResponse response = Begin("PATCH", "/admin/budget", body)->Wait();
    EXPECT_EQ(response.status, status) << response.body;
    return *ParseJson(response.body);
  };
  const Json first = patched(R"({"bytes": 4000000000})", 200);
  EXPECT_TRUE(At(first, {"old_bytes"}).is_null());
  EXPECT_EQ(At(first, {"bytes"}), Json(4'000'000'000));
  EXPECT_EQ(At(first, {"full"}), Json(false));
  EXPECT_GT(*At(first, {"floor_bytes"}).integer(), 0);
  EXPECT_EQ(At(first, {"plans", "0", "model"}), Json("levels"));
  EXPECT_EQ(At(first, {"plans", "0", "plan"}), Json(plan));
  EXPECT_EQ(At(patched(R"({"bytes": 3000000000})", 200), {"old_bytes"}), Json(4'000'000'000));
  EXPECT_EQ(At(Got("/admin/budget"), {"bytes"}), Json(3'000'000'000));
  EXPECT_EQ(plan_of(), plan);
  for (const char* wrong : {R"({"bytes": 1000})", R"({"bytes": 0})", R"({"bytes": "1G"})", "{}"}) {
    EXPECT_EQ(At(patched(wrong, 400), {"error", "param"}), Json("bytes")) << wrong;
  }
}

TEST_F(ApiTest, ErrorsHaveTheirStatusAndForm) {
  struct ErrorCase {
    const char* method;
    const char* path;
    const char* body;
    int status;
    const char* part;
  };
  constexpr ErrorCase kErrors[] = {
      {"POST", "/v1/completions", R"({"model": "none", "prompt": "a"})", 404, "model_not_found"},
      {"POST", "/v1/completions", R"({"prompt": "a"})", 400, "\"param\":\"model\""},
      {"POST", "/v1/completions", "{", 400, "no JSON"},
      {"POST", "/v1/completions", R"({"prompt": "a", "prompt": "b"})", 400, "no JSON"},
      {"POST", "/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 9999})", 400,
       "context_length_exceeded"},
      {"GET", "/v1/completions", "", 405, "takes POST only"},
      {"GET", "/v2", "", 404, "there is no"},
      {"GET", "/v1/models/none", "", 404, "model_not_found"},
  };
  for (const ErrorCase& each : kErrors) {
    const HttpResponse response = Begin(each.method, each.path, each.body)->Wait();
    EXPECT_EQ(response.status, each.status) << response.body;
    EXPECT_NE(response.body.find(each.part), std::string::npos) << response.body;
  }
}

TEST_F(ApiTest, AClientThatGoesAwayTakesItsGenerationWithIt) {
  brake_.After(10);
  const auto responder = Begin("POST", "/v1/completions", R"({"model": "plain", "prompt": "a",
      "max_tokens": 500, "stream": true, "n": 4})");
  responder->WaitForBytes();
  responder->GoAway();
  ASSERT_TRUE(Eventually([&] { return service_->status().running == 0; }));
  EXPECT_LT(service_->status().engine.rows, 4 * 500u);
}

TEST_F(ApiTest, AServerThatDrainsFinishesWhatWasBegunAndRefusesTheRest) {
  const auto begun = Begin("POST", "/v1/completions", R"({"model": "plain", "prompt": "a",
      "max_tokens": 60, "stream": true})");
  begun->WaitForBytes();
  Asked("/admin/drain", R"({"seconds": 60})");
  const HttpResponse whole = begun->Wait();
  EXPECT_NE(whole.body.find("\"finish_reason\":\"length\""), std::string::npos) << whole.body;
  EXPECT_TRUE(whole.body.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(Ask("/v1/completions", R"({"model": "plain", "prompt": "a"})").status, 503);
  EXPECT_EQ(Begin("GET", "/health")->Wait().status, 503);
  EXPECT_EQ(Begin("GET", "/health/live")->Wait().status, 200);
}

TEST_F(ApiTest, ANetworkWhoseManifestsAreDamagedIsListedWithoutAContext) {
  const auto lease = *store_->BeginWriting();
  const std::string_view nothing = "{}";
  const Digest digest = *store_->Put(std::as_bytes(std::span(nothing)));
  const Status tagged = store_->UpdateTags([&](Tags& tags) -> Status {
    Descriptor& broken = tags["broken"] = tags.at("plain");
    broken.digest = digest;
    broken.size = nothing.size();
    return {};
  });
  ASSERT_TRUE(tagged.ok()) << tagged.error().message;
  const Json list = Got("/v1/models");
  EXPECT_EQ(At(list, {"data", "0", "id"}), Json("broken"));
  EXPECT_EQ(At(list, {"data", "0"}).Find("max_model_len"), nullptr);
  EXPECT_EQ(At(list, {"data", "2", "max_model_len"}),
            At(Got("/v1/models/plain"), {"max_model_len"}));
}

TEST_F(ApiTest, AnAnswerIsAsLongAsThePagesHold) {
  // A layer's keys and values of 16 positions, in 4 bytes each, for less than the context of 512.
  const auto card = *service_->cards().Find("chat");
  const std::uint64_t fit = SequencePageBytes(card->network, 100, KvFormat::kF32);
  const auto service = *Service::Start(*store_, {.engine = {.max_positions = 512,
                                                            .max_rows = 64,
                                                            .max_logit_rows = 16,
                                                            .max_sequences = 8,
                                                            .page_bytes = fit}});
  Api api(*service, *store_);
  const auto ask = [&](std::string_view path, std::string_view body) {
    auto responder = std::make_shared<HeardResponder>();
    api.Handle({.method = body.empty() ? "GET" : "POST",
                .path = std::string(path),
                .body = std::string(body),
                .id = "x"},
               responder);
    return responder->Wait();
  };
  const auto shown = *ParseJson(ask("/v1/models/chat", "").body);
  const std::int64_t most = *At(shown, {"max_model_len"}).integer();
  EXPECT_GE(most, 100);
  EXPECT_LT(most, 512);
  EXPECT_EQ(most % 16, 0) << "whole pages";
  EXPECT_EQ(At(*ParseJson(ask("/v1/models", "").body), {"data", "0", "max_model_len"}), Json(most));
  const HttpResponse whole = ask("/v1/chat/completions", R"({"model": "chat", "temperature": 0,
      "messages": [{"role": "user", "content": "Hello"}], "ignore_eos": true})");
  ASSERT_EQ(whole.status, 200) << whole.body;
  EXPECT_EQ(At(*ParseJson(whole.body), {"usage", "total_tokens"}), Json(most));
  const HttpResponse response = ask("/v1/responses", R"({"model": "chat", "input": "Hello"})");
  EXPECT_EQ(response.status, 200) << response.body;
  // Pages that a prefix keeps are no room for an answer that says not how long it may be.
  const std::string prefix(40, 'a');
  const auto pinned =
      service->PinPrefix({.network = card, .prompt = testing_service::Spelled(prefix)});
  ASSERT_TRUE(pinned.ok()) << pinned.error().message;
  ASSERT_TRUE(Eventually([&] { return service->RoomFor(*card) < most; })) << "known after a step";
  const HttpResponse beside = ask("/v1/chat/completions", R"({"model": "chat", "temperature": 0,
      "messages": [{"role": "user", "content": "Hello"}], "ignore_eos": true})");
  ASSERT_EQ(beside.status, 200) << beside.body;
  EXPECT_EQ(At(*ParseJson(beside.body), {"usage", "total_tokens"}), Json(service->RoomFor(*card)));
  EXPECT_LT(service->RoomFor(*card), most);
  const HttpResponse longer =
      ask("/v1/completions", R"({"model": "plain", "prompt": "a", "max_tokens": 300})");
  EXPECT_EQ(longer.status, 400);
  EXPECT_NE(longer.body.find("context_length_exceeded"), std::string::npos) << longer.body;
  EXPECT_NE(longer.body.find(fmt::format("at most {} are left", most - 1)), std::string::npos)
      << longer.body;
}

TEST_F(ApiTest, AServiceThatCouldNeverAnswerIsNotStarted) {
  const auto started = [&](std::int64_t max_positions, std::uint64_t page_bytes) {
    return Service::Start(*store_,
                          {.engine = {.max_positions = max_positions, .page_bytes = page_bytes}});
  };
  const auto short_of_context = started(1, 8 << 20);
  ASSERT_FALSE(short_of_context.ok());
  EXPECT_NE(short_of_context.error().message.find("at least 2"), std::string::npos)
      << short_of_context.error().message;
  const auto card = *service_->cards().Find("plain");
  const std::uint64_t least = SequencePageBytes(card->network, 2, KvFormat::kF32);
  const auto short_of_pages = started(64, least - 1);
  ASSERT_FALSE(short_of_pages.ok());
  EXPECT_NE(short_of_pages.error().message.find(FormatBytes(least)), std::string::npos)
      << short_of_pages.error().message;
  EXPECT_TRUE(started(64, least).ok());
}

TEST_F(ApiTest, AStreamThatFailsSaysSoInItsOwnForm) {
  brake_.After(10);
  const auto response = Begin("POST", "/v1/responses", R"({"model": "chat", "input": "Hi",
      "stream": true, "ignore_eos": true})");
  const auto chat = Begin("POST", "/v1/chat/completions", R"({"model": "chat", "stream": true,
      "messages": [{"role": "user", "content": "Hi"}], "ignore_eos": true})");
  response->WaitForBytes();
  chat->WaitForBytes();
  service_->Drain(0);
  const std::string failed = response->Wait().body;
  EXPECT_NE(failed.find("event: response.failed\n"), std::string::npos) << failed;
  EXPECT_EQ(failed.find("[DONE]"), std::string::npos);
  const std::string chunks = chat->Wait().body;
  EXPECT_NE(chunks.find("data: {\"error\":"), std::string::npos) << chunks;
  EXPECT_TRUE(chunks.ends_with("data: [DONE]\n\n"));
}

TEST(Reference, IsThePageInTheDocs) {
  const auto page = ReadTextFile(ASHLAR_SOURCE_DIR "/docs/api.md");
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(*page, ApiReference()) << "write it anew: ashlar serve --reference >docs/api.md";
}

TEST(Reference, TheServicesSettingsAreInTheGuide) {
  const std::string page = *ReadTextFile(ASHLAR_SOURCE_DIR "/docs/serving.md");
  const std::string table = SettingsMarkdown(kServiceSettings);
  EXPECT_NE(page.find(table), std::string::npos) << "docs/serving.md should have\n" << table;
}

}  // namespace
}  // namespace ashlar
