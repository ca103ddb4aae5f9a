#include "ashlar/server/api/chat_answer.h"

#include <limits>
#include <random>
#include <utility>

#include "ashlar/server/http/event_stream.h"

namespace ashlar {

std::string ToolCallId(std::uint64_t seed, int choice, int call) {
  constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr int kLetters = 9;
  std::seed_seq words{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                      static_cast<std::uint32_t>(choice), static_cast<std::uint32_t>(call)};
  std::mt19937 random(words);
  std::string id;
  for (int i = 0; i < kLetters; ++i) {
    id += kAlphabet[random() % kAlphabet.size()];
  }
  return id;
}

ChatAnswer::ChatAnswer(ChatAnswerOptions options, int choices) : options_(std::move(options)) {
  choices_.resize(static_cast<std::size_t>(choices));
  if (options_.tools != nullptr) {
    for (Choice& choice : choices_) {
      choice.parser.emplace(*options_.tools,
                            options_.parallel_tool_calls ? std::numeric_limits<int>::max() : 1,
                            &options_.offered, options_.calls_may_come);
      choice.news = choice.parser->Push(options_.forced);
    }
  }
}

Json ChatAnswer::Head(std::string_view object) const {
  return Json::Of({{"id", options_.head.id},
                   {"object", object},
                   {"created", options_.head.created},
                   {"model", options_.head.model},
                   {"system_fingerprint", plans_.FingerprintOf(options_.head)}});
}

std::string ChatAnswer::Chunk(int choice, Json delta, Json logprobs, Json finish) const {
  Json chunk = Head("chat.completion.chunk");
  const bool last = !finish.is_null();
  Json json = Json::Of({{"index", choice},
                        {"delta", std::move(delta)},
                        {"logprobs", std::move(logprobs)},
                        {"finish_reason", std::move(finish)}});
  if (last) {
    plans_.TellOf(0, choice, json);
  }
  chunk.Set("choices", Json::Array{std::move(json)});
  if (options_.include_usage) {
    chunk.Set("usage", nullptr);
  }
  return DataEvent(chunk);
}

Json ChatAnswer::TakeNews(int index, const ToolNews& news) {
  Choice& choice = choices_[static_cast<std::size_t>(index)];
  if (news.kind == ToolNews::Kind::kText) {
    choice.text += news.text;
    return Json::Of({{"content", news.text}});
  }
  Json call;
  if (news.kind == ToolNews::Kind::kCall) {
    const int number = static_cast<int>(choice.calls.size());
    choice.calls.push_back({ToolCallId(options_.seed, index, number), news.text, ""});
    call = Json::Of({{"index", number},
                     {"id", choice.calls.back().id},
                     {"type", "function"},
                     {"function", Json::Of({{"name", news.text}, {"arguments", ""}})}});
  } else {
    choice.calls.back().arguments += news.text;
    call = Json::Of(
        {{"index", choice.calls.size() - 1}, {"function", Json::Of({{"arguments", news.text}})}});
  }
  return Json::Of({{"tool_calls", Json::Array{std::move(call)}}});
}

std::string ChatAnswer::Take(int index, const GenerationEvent& event) {
  usage_.Take(index, event);
  plans_.Take(index, event);
  Choice& choice = choices_[static_cast<std::size_t>(event.continuation)];
  std::vector<ToolNews> news = std::exchange(choice.news, {});
  if (choice.parser) {
    for (ToolNews& more : choice.parser->Push(event.text)) {
      news.push_back(std::move(more));
    }
    if (event.end != GenerationEnd::kNone) {
      for (ToolNews& last : choice.parser->Finish()) {
        news.push_back(std::move(last));
      }
    }
  } else if (!event.text.empty()) {
    news.push_back({ToolNews::Kind::kText, event.text});
  }

  std::string out;
  if (!std::exchange(choice.begun, true)) {
    out += Chunk(event.continuation, Json::Of({{"role", "assistant"}, {"content", ""}}), nullptr,
                 nullptr);
  }
  Json logprobs;
  if (options_.logprobs && !event.tokens.empty()) {
    Json content = ChatLogprobs(event.tokens, *options_.network);
    if (options_.stream) {
      logprobs = Json::Of({{"content", std::move(content)}, {"refusal", nullptr}});
      if (news.empty()) {  // tokens whose text is held back still
        news.push_back({ToolNews::Kind::kText, ""});
      }
    } else {
      for (Json& entry : *content.array()) {
        choice.logprobs.push_back(std::move(entry));
      }
    }
  }
  for (const ToolNews& each : news) {
    out += Chunk(event.continuation, TakeNews(event.continuation, each),
                 std::exchange(logprobs, nullptr), nullptr);
  }
  if (event.end != GenerationEnd::kNone) {
    const bool called = event.end == GenerationEnd::kStop && !choice.calls.empty();
    choice.finish = called ? "tool_calls" : FinishReasonName(event.end);
    out += Chunk(event.continuation, Json::Object(), nullptr, choice.finish);
  }
  return options_.stream ? out : std::string();
}

std::string ChatAnswer::End() {
  std::string out;
  if (options_.include_usage) {
    Json chunk = Head("chat.completion.chunk");
    chunk.Set("choices", Json::Array());
    chunk.Set("usage", usage_.ForCompletions());
    out += DataEvent(chunk);
  }
  return out + std::string(kEventStreamDone);
}

Json ChatAnswer::Whole() {
  Json::Array choices;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    const bool only_calls = choice.text.empty() && !choice.calls.empty();
    Json message = Json::Of({{"role", "assistant"},
                             {"content", only_calls ? Json() : Json(choice.text)},
                             {"refusal", nullptr}});
    if (!choice.calls.empty()) {
      Json::Array calls;
      for (const Call& call : choice.calls) {
        calls.push_back(Json::Of(
            {{"id", call.id},
             {"type", "function"},
             {"function", Json::Of({{"name", call.name}, {"arguments", call.arguments}})}}));
      }
      message.Set("tool_calls", std::move(calls));
    }
    Json logprobs;
    if (options_.logprobs) {
      logprobs = Json::Of({{"content", std::move(choice.logprobs)}, {"refusal", nullptr}});
    }
    Json json = Json::Of({{"index", i},
                          {"message", std::move(message)},
                          {"logprobs", std::move(logprobs)},
                          {"finish_reason", choice.finish}});
    plans_.TellOf(0, static_cast<int>(i), json);
    choices.push_back(std::move(json));
  }
  Json whole = Head("chat.completion");
  whole.Set("choices", std::move(choices));
  whole.Set("usage", usage_.ForCompletions());
  return whole;
}

}  // namespace ashlar
