#include "ashlar/server/api/answer.h"

#include <algorithm>
#include <cmath>

#include "ashlar/server/http/event_stream.h"

namespace ashlar {
namespace {

Json BytesOf(std::string_view text) {
  Json::Array bytes;
  for (const char c : text) {
    bytes.push_back(static_cast<int>(static_cast<unsigned char>(c)));
  }
  return bytes;
}

Json LogprobEntry(std::int32_t token, float logprob, const NetworkCard& network) {
  const std::string bytes = network.tokenizer ? network.tokenizer->TokenBytes(token) : "";
  return Json::Of(
      {{"token", bytes}, {"logprob", LogprobNumber(logprob)}, {"bytes", BytesOf(bytes)}});
}

}  // namespace

std::string ApiAnswer::Fail(const Problem& problem) {
  return DataEvent(problem.Body()) + std::string(kEventStreamDone);
}

void UsageCount::Take(int index, const GenerationEvent& event) {
  PromptCount& prompt = prompts_[index];
  prompt.tokens = std::max(prompt.tokens, event.usage.prompt_tokens);
  prompt.cached = std::max(prompt.cached, event.usage.cached_tokens);
  completions_[{index, event.continuation}] = event.usage.completion_tokens;
}

std::int64_t UsageCount::prompt_tokens() const {
  std::int64_t sum = 0;
  for (const auto& [index, prompt] : prompts_) {
    sum += prompt.tokens;
  }
  return sum;
}

std::int64_t UsageCount::cached_tokens() const {
  std::int64_t sum = 0;
  for (const auto& [index, prompt] : prompts_) {
    sum += prompt.cached;
  }
  return sum;
}

std::int64_t UsageCount::completion_tokens() const {
  std::int64_t sum = 0;
  for (const auto& [which, tokens] : completions_) {
    sum += tokens;
  }
  return sum;
}

Json UsageCount::ForCompletions() const {
  return Json::Of({{"prompt_tokens", prompt_tokens()},
                   {"completion_tokens", completion_tokens()},
                   {"total_tokens", prompt_tokens() + completion_tokens()},
                   {"prompt_tokens_details", Json::Of({{"cached_tokens", cached_tokens()}})},
                   {"completion_tokens_details", Json::Of({{"reasoning_tokens", 0}})}});
}

Json UsageCount::ForResponses() const {
  return Json::Of({{"input_tokens", prompt_tokens()},
                   {"input_tokens_details", Json::Of({{"cached_tokens", cached_tokens()}})},
                   {"output_tokens", completion_tokens()},
                   {"output_tokens_details", Json::Of({{"reasoning_tokens", 0}})},
                   {"total_tokens", prompt_tokens() + completion_tokens()}});
}

void PlanTrail::Take(int index, const GenerationEvent& event) {
  if (event.plans.empty()) {
    return;
  }
  spans_[{index, event.continuation}] = event.plans;
  last_ = event.plans.back().plan;
  for (const PlanSpan& span : event.plans) {
    if (std::ranges::find(plans_, span.plan) == plans_.end()) {
      plans_.push_back(span.plan);
    }
  }
}

std::string PlanTrail::FingerprintOf(const AnswerHead& head) const {
  return plans_.empty() ? head.fingerprint : "fp_" + PlanName(last_);
}

void PlanTrail::TellOf(int index, int continuation, Json& json) const {
  const auto spans = spans_.find({index, continuation});
  if (spans == spans_.end() || spans->second.size() < 2) {
    return;
  }
  Json::Array plans;
  for (const PlanSpan& span : spans->second) {
    plans.push_back(
        Json::Of({{"plan", PlanName(span.plan)}, {"first_position", span.first_position}}));
  }
  json.Set("plans", std::move(plans));
}

std::string PlanTrail::Names() const {
  std::string names;
  for (const std::uint64_t plan : plans_) {
    names += (names.empty() ? "" : ", ") + PlanName(plan);
  }
  return names;
}

std::string_view FinishReasonName(GenerationEnd end) {
  CHECK(end == GenerationEnd::kStop || end == GenerationEnd::kLength);
  return end == GenerationEnd::kStop ? "stop" : "length";
}

double LogprobNumber(float logprob) {
  return std::isfinite(logprob) ? std::max<double>(logprob, kUnlikelyLogprob) : kUnlikelyLogprob;
}

Json ChatLogprobs(const std::vector<SampledToken>& tokens, const NetworkCard& network) {
  Json::Array content;
  for (const SampledToken& token : tokens) {
    Json entry = LogprobEntry(token.token, token.logprob, network);
    Json::Array top;
    for (const TokenLogprob& other : token.top) {
      top.push_back(LogprobEntry(other.token, other.logprob, network));
    }
    entry.Set("top_logprobs", std::move(top));
    content.push_back(std::move(entry));
  }
  return content;
}

bool IsWholeText(std::string_view bytes) {
  // A writer of JSON replaces what is no character, and a parser gives back the rest as it is.
  const Result<Json> back = ParseJson(WriteJson(Json(bytes)));
  return back.ok() && *back->string() == bytes;
}

std::string TokenText(std::int32_t token, const NetworkCard& network) {
  const std::string bytes = network.tokenizer ? network.tokenizer->TokenBytes(token) : "";
  if (IsWholeText(bytes)) {
    return bytes;
  }
  std::string text = "bytes:";
  for (const char c : bytes) {
    text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

std::int64_t CharacterCount(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

}  // namespace ashlar
