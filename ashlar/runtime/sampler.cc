#include "ashlar/runtime/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ashlar/runtime/internal/philox.h"

namespace ashlar {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

Status CheckReal(const char* field, float value, float low, bool low_included, float high) {
  // Written so that NaN fails.
  if ((low_included ? value >= low : value > low) && value <= high) {
    return {};
  }
  return Invalid("{} must be in {}{}, {}], not {}", field, low_included ? '[' : '(', low, high,
                 value);
}

// Moves the smallest set of candidates, best first by `better`, whose weights reach `mass` to the
// front, and returns its size. Orders no more of the vocabulary than it must: the set is small
// when a network is sure, and sorting 150,000 tokens would cost more than the head of a small one.
template <class Candidate, class Better>
std::size_t SmallestSet(std::span<Candidate> candidates, double mass, const Better& better) {
  double sum = 0;
  std::size_t sorted = 0;
  while (sorted < candidates.size()) {
    const std::size_t end = std::min(candidates.size(), std::max<std::size_t>(64, sorted * 4));
    const auto first = candidates.begin();
    if (end < candidates.size()) {
      std::nth_element(first + sorted, first + end, candidates.end(), better);
    }
    std::sort(first + sorted, first + end, better);
    for (; sorted < end; ++sorted) {
      sum += candidates[sorted].weight;
      if (sum >= mass) {
        return sorted + 1;
      }
    }
  }
  return candidates.size();
}

template <class Candidate>
double TotalWeight(std::span<const Candidate> candidates) {
  double total = 0;
  for (const Candidate& candidate : candidates) {
    total += candidate.weight;
  }
  return total;
}

// Whether the bit of `token` is set; of no words all are.
bool Allows(std::span<const std::uint64_t> allowed, std::int32_t token) {
  const auto word = static_cast<std::size_t>(token) / 64;
  return allowed.empty() || (word < allowed.size() && (allowed[word] >> (token % 64) & 1) != 0);
}

// Makes every token impossible whose bit is not set.
void Forbid(std::span<const std::uint64_t> allowed, std::span<float> logits) {
  constexpr std::size_t kBits = 64;
  for (std::size_t begin = 0; begin < logits.size(); begin += kBits) {
    const std::uint64_t word = begin / kBits < allowed.size() ? allowed[begin / kBits] : 0;
    const std::span<float> part = logits.subspan(begin, std::min(kBits, logits.size() - begin));
    if (word == 0) {
      std::ranges::fill(part, kImpossible);
    } else if (~word != 0) {
      for (std::size_t i = 0; i < part.size(); ++i) {
        part[i] = (word >> i & 1) != 0 ? part[i] : kImpossible;
      }
    }
  }
}

// The first of the largest logits that are numbers; 0 when all are NaN or -infinity. First what it
// is, over lanes that do not wait for each other, and then where: faster than keeping both.
std::int32_t Largest(std::span<const float> logits) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> lanes;
  lanes.fill(kImpossible);
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float logit = logits[i + lane];
      lanes[lane] = logit > lanes[lane] ? logit : lanes[lane];  // false for NaN
    }
  }
  float largest = *std::ranges::max_element(lanes);
  for (; i < logits.size(); ++i) {
    largest = logits[i] > largest ? logits[i] : largest;
  }
  if (largest == kImpossible) {
    return 0;
  }
  return static_cast<std::int32_t>(std::ranges::find(logits, largest) - logits.begin());
}

}  // namespace

Status SamplingOptions::Check(std::int64_t vocabulary) const {
  constexpr float kMax = std::numeric_limits<float>::max();
  ASHLAR_TRY(CheckReal("temperature", temperature, 0, true, kMax));
  ASHLAR_TRY(CheckReal("top_p", top_p, 0, false, 1));
  ASHLAR_TRY(CheckReal("min_p", min_p, 0, true, 1));
  ASHLAR_TRY(CheckReal("typical_p", typical_p, 0, false, 1));
  ASHLAR_TRY(CheckReal("repetition_penalty", repetition_penalty, 0, false, kMax));
  ASHLAR_TRY(CheckReal("presence_penalty", presence_penalty, -2, true, 2));
  ASHLAR_TRY(CheckReal("frequency_penalty", frequency_penalty, -2, true, 2));
  if (top_k < 0) {
    return Invalid("top_k must be at least 0, not {}", top_k);
  }
  if (top_logprobs < -1 || top_logprobs > vocabulary) {
    return Invalid("top_logprobs must be in [-1, {}], not {}", vocabulary, top_logprobs);
  }
  for (const auto& [token, bias] : logit_bias) {
    if (token < 0 || token >= vocabulary) {
      return Invalid("logit_bias names token {}, but the vocabulary has {}", token, vocabulary);
    }
    ASHLAR_TRY(CheckReal("logit_bias", bias, -100, true, 100));
  }
  return {};
}

void SamplerScratch::Reserve(std::int64_t vocabulary) {
  logits_.reserve(vocabulary);
  candidates_.reserve(vocabulary);
}

std::uint64_t SamplerScratch::BytesFor(std::int64_t vocabulary) {
  return static_cast<std::uint64_t>(vocabulary) * (sizeof(float) + sizeof(Candidate));
}

Sampler::Sampler(SamplingOptions options, std::int64_t vocabulary) : options_(std::move(options)) {
  if (penalises()) {
    output_counts_.resize(vocabulary);
    in_prompt_.resize(vocabulary);
  }
}

bool Sampler::penalises() const {
  return options_.repetition_penalty != 1 || options_.presence_penalty != 0 ||
         options_.frequency_penalty != 0;
}

void Sampler::ObservePrompt(std::int32_t token) {
  if (penalises()) {
    in_prompt_[token] = true;
  }
}

void Sampler::ApplyBiasAndPenalties(std::span<float> logits) const {
  for (const auto& [token, bias] : options_.logit_bias) {
    logits[token] += bias;
  }
  for (std::size_t token = 0; token < output_counts_.size(); ++token) {
    const std::uint32_t count = output_counts_[token];
    float& logit = logits[token];
    if (count > 0 || in_prompt_[token]) {
      logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
    }
    if (count > 0) {
      logit -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(count);
    }
  }
}

Result<SampledToken> Sampler::Sample(std::span<const float> logits, SamplerScratch& scratch) {
  return Next({}, logits, scratch);
}

Result<SampledToken> Sampler::SampleAmong(std::span<const std::uint64_t> allowed,
                                          std::span<const float> logits, SamplerScratch& scratch) {
  if (allowed.empty()) {
    return Corrupt("no token is allowed");
  }
  return Next(allowed, logits, scratch);
}

Result<SampledToken> Sampler::Next(std::span<const std::uint64_t> allowed,
                                   std::span<const float> logits, SamplerScratch& scratch) {
  SampledToken sampled;
  const bool as_they_are = options_.logit_bias.empty() && !penalises();
  if (options_.temperature == 0 && options_.top_logprobs < 0 && as_they_are) {
    sampled.token = Largest(logits);  // the common case needs no copy
    if (!Allows(allowed, sampled.token)) {
      scratch.logits_.assign(logits.begin(), logits.end());
      Forbid(allowed, scratch.logits_);
      sampled.token = Largest(scratch.logits_);
    }
    if (!Allows(allowed, sampled.token) || !(logits[sampled.token] > kImpossible)) {
      return Corrupt("none of the {} logits is a number above -infinity", logits.size());
    }
  } else {
    scratch.logits_.assign(logits.begin(), logits.end());
    const std::span<float> adjusted = scratch.logits_;
    if (!allowed.empty()) {
      Forbid(allowed, adjusted);
    }
    ApplyBiasAndPenalties(adjusted);

    auto& candidates = scratch.candidates_;
    candidates.clear();
    float largest = kImpossible;
    for (std::size_t i = 0; i < adjusted.size(); ++i) {
      // An infinite logit would make NaN of the differences below.
      const float logit = std::min(adjusted[i], std::numeric_limits<float>::max());
      if (logit > kImpossible) {
        candidates.push_back({.token = static_cast<std::int32_t>(i), .logit = logit});
        largest = std::max(largest, logit);
      }
    }
    if (candidates.empty()) {
      return Corrupt("none of the {} logits is a number above -infinity", logits.size());
    }

    double log_sum = 0;  // of exp(logit - largest)
    if (options_.top_logprobs >= 0) {
      for (const Candidate& candidate : candidates) {
        log_sum += std::exp(static_cast<double>(candidate.logit) - largest);
      }
      log_sum = std::log(log_sum);
    }
    const auto logprob = [&](float logit) {
      return static_cast<float>(static_cast<double>(logit) - largest - log_sum);
    };
    if (options_.top_logprobs > 0) {
      const std::size_t count = std::min<std::size_t>(options_.top_logprobs, candidates.size());
      std::partial_sort(candidates.begin(), candidates.begin() + count, candidates.end(),
                        [](const Candidate& a, const Candidate& b) {
                          return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
                        });
      for (std::size_t i = 0; i < count; ++i) {
        sampled.top.push_back({candidates[i].token, logprob(candidates[i].logit)});
      }
      std::sort(candidates.begin(), candidates.end(),
                [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
    }

    if (options_.temperature == 0) {
      sampled.token = Largest(adjusted);
    } else {
      for (Candidate& candidate : candidates) {
        candidate.weight = std::exp((static_cast<double>(candidate.logit) - largest) /
                                    static_cast<double>(options_.temperature));
      }
      sampled.token = Draw(candidates);
    }
    if (options_.top_logprobs >= 0) {
      sampled.logprob =
          logprob(std::min(adjusted[sampled.token], std::numeric_limits<float>::max()));
    }
  }
  ++drawn_;
  if (!output_counts_.empty()) {
    ++output_counts_[sampled.token];
  }
  return sampled;
}

std::int32_t Sampler::Draw(std::span<Candidate> candidates) const {
  // Ties go to the smaller id in every cut, so that a result never depends on a sort's whims.
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const std::size_t possible = candidates.size();
  if (options_.top_k > 0 && static_cast<std::size_t>(options_.top_k) < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + options_.top_k, candidates.end(),
                     likelier);
    candidates = candidates.first(options_.top_k);
  }
  if (options_.typical_p < 1) {
    const double total = TotalWeight<Candidate>(candidates);
    double entropy = 0;
    for (const Candidate& candidate : candidates) {
      const double p = candidate.weight / total;
      entropy -= p > 0 ? p * std::log(p) : 0;
    }
    for (Candidate& candidate : candidates) {
      candidate.surprise = std::abs(std::log(candidate.weight / total) + entropy);
    }
    candidates = candidates.first(SmallestSet(
        candidates, options_.typical_p * total, [](const Candidate& a, const Candidate& b) {
          return a.surprise != b.surprise ? a.surprise < b.surprise : a.token < b.token;
        }));
  }
  if (options_.top_p < 1) {
    const double total = TotalWeight<Candidate>(candidates);
    candidates = candidates.first(SmallestSet(candidates, options_.top_p * total, likelier));
  }
  if (options_.min_p > 0) {
    double largest = 0;
    for (const Candidate& candidate : candidates) {
      largest = std::max(largest, candidate.weight);
    }
    const auto end =
        std::remove_if(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
          return candidate.weight < static_cast<double>(options_.min_p) * largest;
        });
    candidates = candidates.first(end - candidates.begin());
  }
  if (candidates.size() < possible) {
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  }
  // Inverse of the cumulative distribution, in order of ids.
  const double at = internal::UniformAt(options_.seed, drawn_) * TotalWeight<Candidate>(candidates);
  double sum = 0;
  const Candidate* last = &candidates.front();
  for (const Candidate& candidate : candidates) {
    if (candidate.weight > 0) {
      sum += candidate.weight;
      last = &candidate;
      if (at < sum) {
        break;
      }
    }
  }
  return last->token;
}

}  // namespace ashlar
