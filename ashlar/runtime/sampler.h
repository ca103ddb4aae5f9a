// A Sampler turns a row of logits into the next token of one sequence.
//
// The order of the stages is fixed: constraint, logit bias, penalties, temperature, top-k,
// typical-p, top-p, min-p, then one draw; each cut sees the distribution that the one before left,
// normalised again. Temperature 0 is greedy: the largest logit, the smallest id among equals. The
// draw uses a counter-based generator keyed by (seed, position in the output), so a request with a
// seed gives the same tokens whatever runs beside it, and after preemption. Confined.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar {

struct SamplingOptions {
  float temperature = 1;         // >= 0; 0: greedy
  std::int32_t top_k = 0;        // keep the k most likely; 0: all
  float top_p = 1;               // smallest set with this much probability (Holtzman 2020); 1: all
  float min_p = 0;               // keep those of at least min_p * the largest probability; 0: all
  float typical_p = 1;           // locally typical sampling (Meister 2023); 1: off
  float repetition_penalty = 1;  // divides positive, multiplies negative logits of tokens that the
                                 // prompt or the output has (Keskar 2019); 1: off
  float presence_penalty = 0;    // subtracted once from tokens of the output (OpenAI)
  float frequency_penalty = 0;   // subtracted per occurrence in the output (OpenAI)
  std::map<std::int32_t, float> logit_bias;  // added; token -> [-100, 100]
  std::uint64_t seed = 0;
  int top_logprobs = -1;  // log-probabilities of the token and of so many best; -1: none

  // kInvalid names the field, its range and the value.
  Status Check(std::int64_t vocabulary) const;
};

struct TokenLogprob {
  std::int32_t token;
  // Natural log, of the distribution after constraint, bias and penalties, before temperature.
  float logprob;
};

struct SampledToken {
  std::int32_t token;
  float logprob = 0;              // when asked for
  std::vector<TokenLogprob> top;  // best first
};

// Room that samplers of one thread share; it grows to the largest vocabulary it has met.
class SamplerScratch {
 public:
  void Reserve(std::int64_t vocabulary);
  static std::uint64_t BytesFor(std::int64_t vocabulary);

 private:
  friend class Sampler;
  struct Candidate {
    std::int32_t token;
    float logit;
    double weight;    // proportional to its probability
    double surprise;  // typical-p only: |-log p - entropy|
  };
  std::vector<float> logits_;
  std::vector<Candidate> candidates_;
};

class Sampler {
 public:
  // Requires: options.Check(vocabulary).ok().
  Sampler(SamplingOptions options, std::int64_t vocabulary);

  // Counts a prompt token for the repetition penalty.
  void ObservePrompt(std::int32_t token);
  // Draws the next token from `logits` [vocabulary] and counts it. NaN counts as impossible;
  // kCorrupt when no token is possible. Allocates nothing unless top_logprobs > 0, once `scratch`
  // has room for the vocabulary.
  Result<SampledToken> Sample(std::span<const float> logits, SamplerScratch& scratch);
  // The same among the tokens whose bit is set (see TokenConstraint::Allowed).
  Result<SampledToken> SampleAmong(std::span<const std::uint64_t> allowed,
                                   std::span<const float> logits, SamplerScratch& scratch);

 private:
  using Candidate = SamplerScratch::Candidate;
  bool penalises() const;
  // `allowed` empty: all.
  Result<SampledToken> Next(std::span<const std::uint64_t> allowed, std::span<const float> logits,
                            SamplerScratch& scratch);
  void ApplyBiasAndPenalties(std::span<float> logits) const;
  // Draws among `candidates`, which are every possible token in ascending order.
  std::int32_t Draw(std::span<Candidate> candidates) const;

  SamplingOptions options_;
  // [vocabulary] when a penalty needs them, else empty.
  std::vector<std::uint32_t> output_counts_;
  std::vector<bool> in_prompt_;
  std::uint64_t drawn_ = 0;
};

}  // namespace ashlar
