// What clients read, without a service: events in, JSON and server-sent events out.
#include <algorithm>

#include <gtest/gtest.h>

#include "ashlar/server/api/chat_answer.h"
#include "ashlar/server/api/completion_answer.h"
#include "ashlar/server/api/embeddings.h"
#include "ashlar/server/api/responses_answer.h"
#include "ashlar/server/api/testing_networks.h"

namespace ashlar {
namespace {

using testing_api::MakeCard;

const AnswerHead kHead{.id = "id", .created = 9, .model = "net", .fingerprint = "fp"};

GenerationEvent Said(std::string text, GenerationEnd end = GenerationEnd::kNone,
                     int continuation = 0) {
  GenerationEvent event{.continuation = continuation, .text = text, .end = end};
  for (const char c : text) {
    SampledToken token;
    token.token = static_cast<unsigned char>(c);
    token.logprob = -0.5f;
    token.top = {{token.token, -0.5f}};
    event.tokens.push_back(token);
  }
  event.usage = {.prompt_tokens = 3, .cached_tokens = 2, .completion_tokens = 4};
  return event;
}

// The JSON of each event, in order; "[DONE]" as text.
std::vector<Json> EventsOf(std::string_view stream) {
  std::vector<Json> events;
  while (!stream.empty()) {
    const std::size_t end = stream.find("\n\n");
    EXPECT_NE(end, std::string_view::npos);
    std::string_view event = stream.substr(0, end);
    stream.remove_prefix(end + 2);
    if (event.starts_with("event: ")) {
      event.remove_prefix(event.find('\n') + 1);
    }
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    event.remove_prefix(6);
    const Result<Json> json = ParseJson(event);
    events.push_back(json.ok() ? *json : Json(event));
  }
  return events;
}

const Json& Member(const Json& json, std::initializer_list<std::string_view> path) {
  static const Json kNothing;
  const Json* at = &json;
  for (const std::string_view key : path) {
    const bool index = key.find_first_not_of("0123456789") == std::string_view::npos;
    at = index && at->array() != nullptr
             ? &at->array()->at(static_cast<std::size_t>(std::stoi(std::string(key))))
             : at->Find(key);
    if (at == nullptr) {
      return kNothing;
    }
  }
  return *at;
}

const ToolSyntax* Hermes() {
  return &*std::ranges::find(AllToolSyntaxes(), std::string_view("tool_call"), &ToolSyntax::name);
}

constexpr std::string_view kCalls =
    "Hm.<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>"
    "<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>";

TEST(ChatAnswers, AreStreamedAsChunksOfOneIdThatBeginWithARoleAndEndWithAReason) {
  ChatAnswer answer({.head = kHead, .network = MakeCard(), .stream = true, .include_usage = true},
                    1);
  std::string stream = answer.Take(0, Said("Hel"));
  stream += answer.Take(0, Said("lo"));
  stream += answer.Take(0, Said("", GenerationEnd::kLength));
  stream += answer.End();
  const std::vector<Json> events = EventsOf(stream);
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events.back(), Json("[DONE]"));
  std::string text;
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_EQ(Member(events[i], {"id"}), Json("id"));
    EXPECT_EQ(Member(events[i], {"object"}), Json("chat.completion.chunk"));
    EXPECT_EQ(Member(events[i], {"created"}), Json(9));
    EXPECT_EQ(Member(events[i], {"model"}), Json("net"));
    EXPECT_NE(events[i].Find("usage"), nullptr);
  }
  EXPECT_EQ(Member(events[0], {"choices", "0", "delta", "role"}), Json("assistant"));
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string* piece = Member(events[i], {"choices", "0", "delta", "content"}).string();
    text += piece == nullptr ? "" : *piece;
    EXPECT_EQ(Member(events[i], {"choices", "0", "finish_reason"}),
              i == 3 ? Json("length") : Json());
    EXPECT_TRUE(Member(events[i], {"usage"}).is_null());
  }
  EXPECT_EQ(text, "Hello");
  EXPECT_EQ(Member(events[4], {"choices"}), Json(Json::Array()));
  EXPECT_EQ(Member(events[4], {"usage", "prompt_tokens"}), Json(3));
  EXPECT_EQ(Member(events[4], {"usage", "total_tokens"}), Json(7));
  EXPECT_EQ(Member(events[4], {"usage", "prompt_tokens_details", "cached_tokens"}), Json(2));
}

// An event of an answer whose network was resized.
GenerationEvent SaidAcross(std::string text, std::vector<PlanSpan> plans,
                           GenerationEnd end = GenerationEnd::kNone) {
  GenerationEvent event = Said(std::move(text), end);
  event.plans = std::move(plans);
  return event;
}

const Json kBothPlans =
    Json::Array{Json::Of({{"plan", "000000000000000a"}, {"first_position", 0}}),
                Json::Of({{"plan", "00000000000000bc"}, {"first_position", 21}})};

TEST(Answers, SayWhichPlansComputedThemInTheirLastChunkOrWhole) {
  const std::vector<PlanSpan> one = {{0xa, 0}};
  const std::vector<PlanSpan> both = {{0xa, 0}, {0xbc, 21}};
  const auto told = [&](ApiAnswer& answer, const std::vector<PlanSpan>& plans) {
    std::string stream = answer.Take(0, SaidAcross("Hel", one));
    stream += answer.Take(0, SaidAcross("lo", plans, GenerationEnd::kLength));
    return EventsOf(stream);
  };
  for (const bool resized : {false, true}) {
    const auto& plans = resized ? both : one;
    const Json expected = resized ? kBothPlans : Json();
    const Json last(resized ? "fp_00000000000000bc" : "fp_000000000000000a");
    ChatAnswer chat({.head = kHead, .network = MakeCard(), .stream = true}, 1);
    std::vector<Json> events = told(chat, plans);
    EXPECT_EQ(Member(events.front(), {"system_fingerprint"}), Json("fp_000000000000000a"));
    EXPECT_TRUE(Member(events.front(), {"choices", "0", "plans"}).is_null());
    EXPECT_EQ(Member(events.back(), {"system_fingerprint"}), last);
    EXPECT_EQ(Member(events.back(), {"choices", "0", "plans"}), expected);
    EXPECT_EQ(Member(chat.Whole(), {"choices", "0", "plans"}), expected);

    CompletionAnswer completion(
        {.head = kHead, .network = MakeCard(), .stream = true, .echoes = {""}});
    events = told(completion, plans);
    EXPECT_TRUE(Member(events.front(), {"choices", "0", "plans"}).is_null());
    EXPECT_EQ(Member(events.back(), {"choices", "0", "plans"}), expected);

    ResponsesAnswer response({.head = kHead, .request = Json::Object()});
    told(response, plans);
    EXPECT_EQ(Member(response.Whole(), {"system_fingerprint"}), last);
    EXPECT_EQ(Member(response.Whole(), {"plans"}), expected);
  }
}

TEST(Answers, ThatNoPlanComputedHaveTheNetworksFingerprint) {
  ChatAnswer answer({.head = kHead, .network = MakeCard()}, 1);
  answer.Take(0, Said("", GenerationEnd::kStop));
  EXPECT_EQ(Member(answer.Whole(), {"system_fingerprint"}), Json("fp"));
}

TEST(ChatAnswers, HoldLogprobsOfEveryTokenWithItsBytes) {
  for (const bool stream : {false, true}) {
    ChatAnswer answer({.head = kHead, .network = MakeCard(), .stream = stream, .logprobs = true},
                      1);
    GenerationEvent held = Said("\xc3");  // half a character: its text comes later
    held.text = "";
    std::string out = answer.Take(0, held);
    GenerationEvent rest = Said("\xa9", GenerationEnd::kStop);
    rest.text = "\xc3\xa9";
    out += answer.Take(0, rest);
    Json::Array entries;
    for (const Json& event : EventsOf(out)) {
      if (const Json::Array* some =
              Member(event, {"choices", "0", "logprobs", "content"}).array()) {
        entries.insert(entries.end(), some->begin(), some->end());
      }
    }
    if (!stream) {
      entries = *Member(answer.Whole(), {"choices", "0", "logprobs", "content"}).array();
    }
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(Member(entries[0], {"bytes"}), Json(Json::Array{0xc3}));
    EXPECT_EQ(Member(entries[1], {"bytes"}), Json(Json::Array{0xa9}));
    EXPECT_EQ(Member(entries[0], {"logprob"}), Json(-0.5));
    EXPECT_EQ(Member(entries[0], {"top_logprobs"}).array()->size(), 1u);
  }
}

TEST(ChatAnswers, CallsOfToolsAreTheSameWholeAndStreamed) {
  ChatAnswer whole({.head = kHead, .network = MakeCard(), .tools = Hermes()}, 1);
  EXPECT_EQ(whole.Take(0, Said(std::string(kCalls), GenerationEnd::kStop)), "");
  const Json answer = whole.Whole();
  const Json& message = Member(answer, {"choices", "0", "message"});
  EXPECT_EQ(Member(message, {"content"}), Json("Hm."));
  EXPECT_EQ(Member(answer, {"choices", "0", "finish_reason"}), Json("tool_calls"));
  ASSERT_EQ(Member(message, {"tool_calls"}).array()->size(), 2u);
  EXPECT_EQ(Member(message, {"tool_calls", "0", "function", "arguments"}), Json("{\"a\":1}"));

  ChatAnswer streamed({.head = kHead, .network = MakeCard(), .stream = true, .tools = Hermes()}, 1);
  std::string stream;
  for (std::size_t i = 0; i < kCalls.size(); ++i) {
    stream += streamed.Take(
        0, Said(std::string(kCalls.substr(i, 1)),
                i + 1 == kCalls.size() ? GenerationEnd::kStop : GenerationEnd::kNone));
  }
  std::map<std::int64_t, Json> calls;
  std::string reason;
  for (const Json& event : EventsOf(stream)) {
    const Json& choice = Member(event, {"choices", "0"});
    if (const Json::Array* deltas = Member(choice, {"delta", "tool_calls"}).array()) {
      const Json& delta = deltas->front();
      Json& call = calls[*delta.Find("index")->integer()];
      const Json* function = delta.Find("function");
      if (delta.Find("id") != nullptr) {  // the first one says all but the arguments
        call = Json::Of(
            {{"id", *delta.Find("id")}, {"type", *delta.Find("type")}, {"function", *function}});
      } else {
        Json grown = *call.Find("function");
        grown.Set("arguments",
                  *grown.Find("arguments")->string() + *function->Find("arguments")->string());
        call.Set("function", grown);
      }
    }
    if (const std::string* finish = Member(choice, {"finish_reason"}).string()) {
      reason = *finish;
    }
  }
  EXPECT_EQ(reason, "tool_calls");
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0], Member(message, {"tool_calls", "0"}));
  EXPECT_EQ(calls[1], Member(message, {"tool_calls", "1"}));
  EXPECT_EQ(Member(calls[0], {"id"}).string()->size(), 9u);
}

TEST(CompletionAnswers, HaveAChoiceForEachPromptAndContinuation) {
  CompletionAnswer answer({.head = kHead,
                           .network = MakeCard(),
                           .choices = 2,
                           .continuations = 2,
                           .echoes = {"A", "B"}});
  for (const int prompt : {1, 0}) {
    for (const int continuation : {1, 0}) {
      const std::string text = fmt::format("{}{}", prompt, continuation);
      answer.Take(prompt, Said(text, GenerationEnd::kStop, continuation));
    }
  }
  const Json whole = answer.Whole();
  std::vector<std::string> texts;
  for (const Json& choice : *Member(whole, {"choices"}).array()) {
    EXPECT_EQ(Member(choice, {"index"}), Json(texts.size()));
    texts.push_back(*Member(choice, {"text"}).string());
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"A00", "A01", "B10", "B11"}));
  EXPECT_EQ(Member(whole, {"usage", "prompt_tokens"}), Json(6));
  EXPECT_EQ(Member(whole, {"usage", "completion_tokens"}), Json(16));
}

TEST(CompletionAnswers, KeepTheLikeliestOfThoseThatWereMade) {
  CompletionAnswer answer(
      {.head = kHead, .network = MakeCard(), .choices = 1, .continuations = 3, .echoes = {""}});
  const float logprobs[] = {-2, -1, -3};
  for (int i = 0; i < 3; ++i) {
    GenerationEvent event =
        Said(std::string(1 + static_cast<std::size_t>(i), 'a'), GenerationEnd::kLength, i);
    for (SampledToken& token : event.tokens) {
      token.logprob = logprobs[i];
    }
    answer.Take(0, event);
  }
  const Json whole = answer.Whole();
  ASSERT_EQ(Member(whole, {"choices"}).array()->size(), 1u);
  EXPECT_EQ(Member(whole, {"choices", "0", "text"}), Json("aa"));
}

TEST(CompletionAnswers, AreAsLikelyAsTheirTokensAndTheirEnd) {
  const auto best_of = [](std::optional<float> ends) {
    CompletionAnswer answer(
        {.head = kHead, .network = MakeCard(), .choices = 1, .continuations = 2, .echoes = {""}});
    GenerationEvent cut = Said("aa", GenerationEnd::kLength, 0);
    cut.tokens[0].logprob = cut.tokens[1].logprob = -2;
    answer.Take(0, cut);
    GenerationEvent ended = Said("b", GenerationEnd::kStop, 1);
    ended.tokens[0].logprob = -1;
    if (ends) {
      ended.stop_token = SampledToken{.token = 0, .logprob = *ends};
    }
    answer.Take(0, ended);
    return Member(answer.Whole(), {"choices", "0", "text"});
  };
  EXPECT_EQ(best_of(-4), Json("aa")) << "a mean of -2.5 against -2";
  EXPECT_EQ(best_of(-2), Json("b"));
  EXPECT_EQ(best_of(std::nullopt), Json("b"));
}

TEST(CompletionAnswers, KeepNoneOfWhichNothingIsKnownWhereAnotherSaysSomething) {
  CompletionAnswer answer(
      {.head = kHead, .network = MakeCard(), .choices = 1, .continuations = 2, .echoes = {""}});
  GenerationEvent said = Said("a", GenerationEnd::kLength, 0);
  said.tokens.front().logprob = -9;
  answer.Take(0, said);
  answer.Take(0, Said("", GenerationEnd::kStop, 1));
  EXPECT_EQ(Member(answer.Whole(), {"choices", "0", "text"}), Json("a"));
}

TEST(CompletionAnswers, EchoTheLogprobsOfThePromptFirstWholeAndStreamed) {
  const auto card = MakeCard();
  GenerationEvent first = Said("c");
  first.prompt_logprobs = {{'a', std::nullopt, {}}, {'b', -1.5f, {{'b', -1.5f}}}};
  for (const bool stream : {false, true}) {
    CompletionAnswer answer({.head = kHead,
                             .network = card,
                             .stream = stream,
                             .logprobs = true,
                             .echoes = {"ab"},
                             .echo_logprobs = true});
    std::string out = answer.Take(0, first);
    out += answer.Take(0, Said("d", GenerationEnd::kLength));
    std::string text;
    Json::Array tokens, logprobs, offsets;
    const auto read = [&](const Json& choice) {
      text += *Member(choice, {"text"}).string();
      for (auto& [name, list] : {std::pair<const char*, Json::Array*>("tokens", &tokens),
                                 {"token_logprobs", &logprobs},
                                 {"text_offset", &offsets}}) {
        const Json::Array& some = *Member(choice, {"logprobs", name}).array();
        list->insert(list->end(), some.begin(), some.end());
      }
    };
    for (const Json& event : EventsOf(out)) {
      read(Member(event, {"choices", "0"}));
    }
    if (!stream) {
      read(Member(answer.Whole(), {"choices", "0"}));
    }
    EXPECT_EQ(text, "abcd");
    EXPECT_EQ(tokens, (Json::Array{"a", "b", "c", "d"}));
    EXPECT_EQ(logprobs, (Json::Array{nullptr, -1.5, -0.5, -0.5}));
    EXPECT_EQ(offsets, (Json::Array{0, 1, 2, 3}));
  }
}

TEST(CompletionAnswers, HaveTheTokenItselfAmongTheLikeliest) {
  CompletionAnswer answer({.head = kHead, .network = MakeCard(), .logprobs = true, .echoes = {""}});
  GenerationEvent event = Said("ab", GenerationEnd::kStop);
  event.tokens[0].top = {{'x', -0.25f}, {'a', -0.5f}};
  event.tokens[1].top = {};  // "logprobs": 0
  answer.Take(0, event);
  const Json tops = Member(answer.Whole(), {"choices", "0", "logprobs", "top_logprobs"});
  EXPECT_EQ(tops, (Json::Array{Json::Of({{"x", -0.25}, {"a", -0.5}}), Json::Of({{"b", -0.5}})}));
  event.tokens[0].top = {{'x', -0.25f}, {'y', -0.375f}};
  CompletionAnswer unlikely(
      {.head = kHead, .network = MakeCard(), .logprobs = true, .echoes = {""}});
  unlikely.Take(0, event);
  EXPECT_EQ(Member(unlikely.Whole(), {"choices", "0", "logprobs", "top_logprobs", "0"}),
            Json::Of({{"x", -0.25}, {"y", -0.375}, {"a", -0.5}}));
}

TEST(CompletionAnswers, TokensThatAreNoCharactersAreTold) {
  const auto card = MakeCard();
  EXPECT_EQ(TokenText(0xc3, *card), "bytes:\\xc3");
  EXPECT_EQ(TokenText('a', *card), "a");
  EXPECT_EQ(LogprobNumber(-std::numeric_limits<float>::infinity()), -9999);
}

TEST(ResponsesAnswers, StreamEventsThatPutTogetherAreTheResponse) {
  ResponsesAnswer answer({.head = kHead,
                          .stream = true,
                          .tools = Hermes(),
                          .request = Json::Of({{"temperature", 0.5}})});
  std::string stream;
  for (std::size_t i = 0; i < kCalls.size(); ++i) {
    stream +=
        answer.Take(0, Said(std::string(kCalls.substr(i, 1)),
                            i + 1 == kCalls.size() ? GenerationEnd::kStop : GenerationEnd::kNone));
  }
  stream += answer.End();
  EXPECT_TRUE(stream.starts_with("event: response.created\ndata: {"));
  const std::vector<Json> events = EventsOf(stream);
  std::map<std::int64_t, std::string> texts;
  Json::Array items;
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(Member(events[i], {"sequence_number"}), Json(i));
    const std::string& type = *Member(events[i], {"type"}).string();
    if (type.ends_with(".delta")) {
      texts[*Member(events[i], {"output_index"}).integer()] +=
          *Member(events[i], {"delta"}).string();
    } else if (type == "response.output_item.done") {
      items.push_back(Member(events[i], {"item"}));
    }
  }
  EXPECT_EQ(texts, (std::map<std::int64_t, std::string>{{0, "Hm."}, {1, "{\"a\":1}"}, {2, "{}"}}));
  EXPECT_EQ(Member(events.back(), {"type"}), Json("response.completed"));
  EXPECT_EQ(Member(events.back(), {"response", "output"}), Json(items));
  EXPECT_EQ(Member(events.back(), {"response"}), answer.Whole());
  EXPECT_EQ(Member(answer.Whole(), {"usage", "output_tokens"}), Json(4));
}

TEST(ResponsesAnswers, AreIncompleteWhenTheirTokensAreUsedUp) {
  ResponsesAnswer answer({.head = kHead, .request = Json::Object()});
  EXPECT_EQ(answer.Take(0, Said("Hel", GenerationEnd::kLength)), "");
  const Json whole = answer.Whole();
  EXPECT_EQ(Member(whole, {"status"}), Json("incomplete"));
  EXPECT_EQ(Member(whole, {"incomplete_details", "reason"}), Json("max_output_tokens"));
  EXPECT_EQ(Member(whole, {"output", "0", "content", "0", "text"}), Json("Hel"));
}

TEST(ResponsesAnswers, AStreamThatFailsEndsWithWhatThereIsAndWhy) {
  ResponsesAnswer answer({.head = kHead, .stream = true, .request = Json::Object()});
  std::string stream = answer.Take(0, Said("Hel"));
  stream += answer.Fail({.status = 504, .message = "too slow", .code = "timeout"});
  EXPECT_NE(stream.find("event: response.failed\n"), std::string::npos);
  const std::vector<Json> events = EventsOf(stream);
  const Json& last = events.back();
  EXPECT_EQ(Member(last, {"type"}), Json("response.failed"));
  EXPECT_EQ(Member(last, {"sequence_number"}), Json(events.size() - 1));
  EXPECT_EQ(Member(last, {"response", "status"}), Json("failed"));
  EXPECT_EQ(Member(last, {"response", "error"}),
            Json::Of({{"code", "server_error"}, {"message", "too slow"}}));
  EXPECT_EQ(Member(last, {"response", "output", "0", "status"}), Json("incomplete"));
  EXPECT_EQ(Member(last, {"response", "output", "0", "content", "0", "text"}), Json("Hel"));
}

TEST(Embeddings, HaveLengthOne) {
  std::vector<float> vector = {3, 4};
  Normalize(vector);
  EXPECT_EQ(vector, (std::vector<float>{0.6f, 0.8f}));
  std::vector<float> nothing = {0, 0};
  Normalize(nothing);
  EXPECT_EQ(nothing, (std::vector<float>{0, 0}));
}

TEST(Embeddings, Base64IsThatOfTheRfc) {
  constexpr std::pair<std::string_view, std::string_view> kVectors[] = {{"", ""},
                                                                        {"f", "Zg=="},
                                                                        {"fo", "Zm8="},
                                                                        {"foo", "Zm9v"},
                                                                        {"foob", "Zm9vYg=="},
                                                                        {"fooba", "Zm9vYmE="},
                                                                        {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(Base64(std::as_bytes(std::span(bytes))), text);
  }
}

}  // namespace
}  // namespace ashlar
