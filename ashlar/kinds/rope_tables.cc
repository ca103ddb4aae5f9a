#include "ashlar/kinds/rope_tables.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>

namespace ashlar {
namespace {

// w_i = 1 / theta^(2i / dims), each step rounded to f32; w: [dims / 2].
void WritePlainFrequencies(double theta, std::int64_t dims, std::span<float> w) {
  for (std::int64_t i = 0; i < dims / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dims);
    const auto wavelength = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    w[static_cast<std::size_t>(i)] = 1.0f / wavelength;
  }
}

std::vector<float> PlainFrequencies(double theta, std::int64_t dims) {
  std::vector<float> frequencies(dims / 2);
  WritePlainFrequencies(theta, dims, frequencies);
  return frequencies;
}

// w: [dims / 2]
void WriteDynamicFrequencies(const RopeParameters& p, std::int64_t position, std::span<float> w) {
  const auto original = static_cast<double>(p.original_positions);
  const double length = std::max(static_cast<double>(position + 1), original);
  const auto dims = static_cast<double>(p.dims);
  const double stretch = p.factor * length / original - (p.factor - 1);
  WritePlainFrequencies(p.theta * std::pow(stretch, dims / (dims - 2)), p.dims, w);
}

std::vector<float> Llama3Frequencies(const RopeParameters& p) {
  const auto original = static_cast<float>(p.original_positions);
  const auto factor = static_cast<float>(p.factor);
  const auto low = static_cast<float>(p.low_frequency_factor);
  const auto range = static_cast<float>(p.high_frequency_factor - p.low_frequency_factor);
  const auto longest = static_cast<float>(p.original_positions / p.low_frequency_factor);
  const auto shortest = static_cast<float>(p.original_positions / p.high_frequency_factor);
  std::vector<float> frequencies = PlainFrequencies(p.theta, p.dims);
  for (float& w : frequencies) {
    const float wavelength = static_cast<float>(2 * std::numbers::pi) / w;
    if (wavelength > longest) {
      w = w / factor;
    } else if (wavelength >= shortest) {
      const float smooth = (original / wavelength - low) / range;
      w = (1 - smooth) * w / factor + smooth * w;
    }
  }
  return frequencies;
}

std::vector<float> YarnFrequencies(const RopeParameters& p) {
  const auto dims = static_cast<double>(p.dims);
  // The pair (as a real) that turns `turns` times within the original context.
  const auto pair_of = [&](double turns) {
    const double positions_per_turn =
        static_cast<double>(p.original_positions) / (turns * 2 * std::numbers::pi);
    return dims * std::log(positions_per_turn) / (2 * std::log(p.theta));
  };
  double first = pair_of(p.beta_fast);
  double last = pair_of(p.beta_slow);
  if (!p.fractional_ramp) {
    first = std::floor(first);
    last = std::ceil(last);
  }
  first = std::max(first, 0.0);
  last = std::min(last, dims - 1);
  if (first == last) {
    last += 0.001;  // as the reference: a ramp of width 0 is a step
  }
  std::vector<float> frequencies(p.dims / 2);
  for (std::int64_t i = 0; i < p.dims / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(p.dims);
    const auto wavelength = static_cast<float>(std::pow(p.theta, static_cast<double>(exponent)));
    const float plain = 1.0f / wavelength;
    const float stretched = 1.0f / (static_cast<float>(p.factor) * wavelength);
    const float ramp = std::clamp(
        (static_cast<float>(i) - static_cast<float>(first)) / static_cast<float>(last - first),
        0.0f, 1.0f);
    const float keep = 1 - ramp;
    frequencies[i] = stretched * (1 - keep) + plain * keep;
  }
  return frequencies;
}

std::vector<float> LongropeFrequencies(const RopeParameters& p, bool beyond) {
  const std::vector<float>& factors = beyond ? p.long_factors : p.short_factors;
  std::vector<float> frequencies(p.dims / 2);
  for (std::int64_t i = 0; i < p.dims / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(p.dims);
    const auto wavelength = static_cast<float>(std::pow(p.theta, static_cast<double>(exponent)));
    frequencies[i] = 1.0f / (factors[i] * wavelength);
  }
  return frequencies;
}

float AttentionFactor(const RopeParameters& p) {
  if (p.attention_factor != 0) {
    return static_cast<float>(p.attention_factor);
  }
  return p.scaling == RopeScaling::kYarn ? static_cast<float>(0.1 * std::log(p.factor) + 1) : 1.0f;
}

}  // namespace

std::vector<float> RopeFrequencies(const RopeParameters& parameters, std::int64_t position,
                                   std::int64_t positions) {
  switch (parameters.scaling) {
    case RopeScaling::kNone:
      return PlainFrequencies(parameters.theta, parameters.dims);
    case RopeScaling::kLinear: {
      std::vector<float> frequencies = PlainFrequencies(parameters.theta, parameters.dims);
      for (float& w : frequencies) {
        w /= static_cast<float>(parameters.factor);
      }
      return frequencies;
    }
    case RopeScaling::kDynamic: {
      std::vector<float> frequencies(parameters.dims / 2);
      WriteDynamicFrequencies(parameters, position, frequencies);
      return frequencies;
    }
    case RopeScaling::kLlama3:
      return Llama3Frequencies(parameters);
    case RopeScaling::kYarn:
      return YarnFrequencies(parameters);
    case RopeScaling::kLongrope:
      return LongropeFrequencies(parameters, positions > parameters.original_positions);
  }
  CHECK(false);
}

RopeTable::RopeTable(RopeParameters parameters, std::int64_t positions)
    : parameters_(std::move(parameters)),
      positions_(positions),
      pairs_(parameters_.dims / 2),
      attention_factor_(AttentionFactor(parameters_)),
      frequencies_(RopeFrequencies(parameters_, 0, positions)),
      cosines_(std::make_unique_for_overwrite<float[]>(positions * pairs_)),
      sines_(std::make_unique_for_overwrite<float[]>(positions * pairs_)) {
  CHECK(parameters_.dims >= 2 && parameters_.dims % 2 == 0);
}

void RopeTable::Reach(std::int64_t end) {
  CHECK_LE(end, positions_);
  if (end <= reached_) {
    return;
  }
  // Some at a time, so that decoding seldom comes here: of 32 pairs 64 take some 0.1 ms.
  constexpr std::int64_t kAtATime = 64;
  end = std::min(positions_, (end + kAtATime - 1) / kAtATime * kAtATime);
  for (; reached_ < end; ++reached_) {
    // Only dynamic frequencies depend on the position, and only past the original context.
    if (parameters_.scaling == RopeScaling::kDynamic &&
        reached_ >= parameters_.original_positions) {
      WriteDynamicFrequencies(parameters_, reached_, frequencies_);  // in place: steps come here
    }
    for (std::int64_t i = 0; i < pairs_; ++i) {
      const float angle = static_cast<float>(reached_) * frequencies_[i];
      // Cosine and sine in double, rounded once: within a last place of any f32 library's.
      const auto cosine = static_cast<float>(std::cos(static_cast<double>(angle)));
      const auto sine = static_cast<float>(std::sin(static_cast<double>(angle)));
      cosines_[reached_ * pairs_ + i] = cosine * attention_factor_;
      sines_[reached_ * pairs_ + i] = sine * attention_factor_;
    }
  }
}

std::shared_ptr<RopeTable> RopeTables::Get(const RopeParameters& parameters,
                                           std::int64_t positions) {
  const std::lock_guard lock(mutex_);
  std::weak_ptr<RopeTable>& slot = tables_[{parameters, positions}];
  std::shared_ptr<RopeTable> table = slot.lock();
  if (table == nullptr) {
    table = std::make_shared<RopeTable>(parameters, positions);
    if (whole_) {
      table->Reach(positions);
    }
    slot = table;
  }
  return table;
}

void RopeTables::ReachAll() {
  const std::lock_guard lock(mutex_);
  whole_ = true;
  for (const auto& [key, slot] : tables_) {
    if (const std::shared_ptr<RopeTable> table = slot.lock()) {
      table->Reach(table->positions());
    }
  }
}

std::uint64_t RopeTables::bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [key, slot] : tables_) {
    if (const std::shared_ptr<const RopeTable> table = slot.lock()) {
      sum += table->most_bytes();
    }
  }
  return sum;
}

}  // namespace ashlar
