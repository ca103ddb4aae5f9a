// An ApiAnswer turns what becomes of a request's generations into what its client reads: one JSON
// document, or events of a stream. Pure: it knows of no network and no connection.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/server/api/problem.h"
#include "ashlar/server/service/service.h"

namespace ashlar {

// What all parts of an answer repeat.
struct AnswerHead {
  std::string id;            // "chatcmpl-..."
  std::int64_t created = 0;  // seconds since 1970
  std::string model;
  std::string fingerprint;  // of the network, while no plan is known
};

// Confined. Events with an error are not given to it: what comes of those is a Problem.
class ApiAnswer {
 public:
  virtual ~ApiAnswer() = default;

  // News of generation `index` of the request. Returns what to send of it now: whole server-sent
  // events, or nothing; always nothing for an answer that is not streamed.
  virtual std::string Take(int index, const GenerationEvent& event) = 0;
  // The last events of a stream, once everything has ended.
  virtual std::string End() = 0;
  // The last events of a stream that fails after it has begun.
  virtual std::string Fail(const Problem& problem);
  // The whole answer, once everything has ended.
  virtual Json Whole() = 0;
};

// Tokens of all generations of a request; of each, prompt tokens count once.
class UsageCount {
 public:
  void Take(int index, const GenerationEvent& event);

  std::int64_t prompt_tokens() const;
  std::int64_t cached_tokens() const;
  std::int64_t completion_tokens() const;
  // {"prompt_tokens", "completion_tokens", "total_tokens", and details}
  Json ForCompletions() const;
  // {"input_tokens", "output_tokens", "total_tokens", and details}
  Json ForResponses() const;

 private:
  struct PromptCount {
    std::int64_t tokens = 0;
    std::int64_t cached = 0;
  };
  std::map<int, PromptCount> prompts_;
  std::map<std::pair<int, int>, std::int64_t> completions_;  // by generation and continuation
};

// The plans that computed a request's generations.
class PlanTrail {
 public:
  void Take(int index, const GenerationEvent& event);

  // What "system_fingerprint" is now: the plan that computed last.
  std::string FingerprintOf(const AnswerHead& head) const;
  // Adds "plans" to what is told of a continuation, [{"plan", "first_position"}], when more than
  // one computed it.
  void TellOf(int index, int continuation, Json& json) const;
  // All of them, in order of first sight, joined by ", ": for the header of an answer.
  std::string Names() const;

 private:
  std::map<std::pair<int, int>, std::vector<PlanSpan>> spans_;  // by generation and continuation
  std::vector<std::uint64_t> plans_;
  std::uint64_t last_ = 0;
};

// The header that tells which plans computed an answer, or its first part.
inline constexpr std::string_view kPlanHeader = "Ashlar-Plan";

// "stop" or "length". Requires: the generation ended in one of these ways.
std::string_view FinishReasonName(GenerationEnd end);

// OpenAI's log-probability of what is as good as impossible.
inline constexpr double kUnlikelyLogprob = -9999;
double LogprobNumber(float logprob);

// {"token", "logprob", "bytes", "top_logprobs"} of each token: chat's form.
Json ChatLogprobs(const std::vector<SampledToken>& tokens, const NetworkCard& network);

// The bytes of a token as text for JSON: "bytes:\xe2\x80" where they are no whole characters, so
// that no two tokens look alike.
std::string TokenText(std::int32_t token, const NetworkCard& network);

// Whether the bytes are well-formed UTF-8.
bool IsWholeText(std::string_view bytes);

// Characters (code points) in well-formed text; of a token's bytes, those that begin in it.
std::int64_t CharacterCount(std::string_view text);

}  // namespace ashlar
