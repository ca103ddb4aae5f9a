#include "ashlar/calibrate/quantize/bitplane_tile.h"

#include <algorithm>
#include <cmath>

#include <cblas.h>

#include "ashlar/codec/bitplane/bitplane.h"
#include "ashlar/codec/bitplane/layout.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

using Layout = BitplaneLayout;

// Measured on a network of 29 M parameters: docs/decisions/006-bitplane.md.
constexpr float kPrefixGrowth = 2.0f;

constexpr int kRow = kPrefixes * kLanes;  // of errors
// Inputs whose errors meet the next ones in one product.
constexpr std::int64_t kBlock = 32;
constexpr std::int64_t kFitBlock = 128;

float PrefixWeight(int planes) {
  return std::pow(kPrefixGrowth, static_cast<float>(planes - Layout::kFirstPlanes));
}

// out[block, width] = sum over k in [first, last) of matrix[k, begin + block] * in[k, width]
void Multiply(const float* matrix, std::int64_t columns, std::int64_t first, std::int64_t last,
              std::int64_t begin, std::int64_t block, const float* in, int width, float* out) {
  if (first == last) {
    std::fill(out, out + block * width, 0.0f);
    return;
  }
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(block), width,
              static_cast<int>(last - first), 1.0f, matrix + first * columns + begin,
              static_cast<int>(columns), in + first * width, width, 0.0f, out, width);
}

}  // namespace

BitplaneTile::BitplaneTile(const InputMetric& metric, const float* values, std::int64_t rows,
                           std::int64_t first_row, int levels)
    : metric_(metric),
      columns_(metric.columns()),
      levels_(levels),
      lanes_(static_cast<int>(std::min<std::int64_t>(kLanes, rows - first_row))),
      weights_(At(columns_)),
      units_(At(columns_)),
      codes_(At(columns_)),
      scales_(At(columns_ / Layout::kInputs)),
      errors_(static_cast<std::size_t>(columns_) * kRow),
      factors_(static_cast<std::size_t>(levels)),
      fits_(static_cast<std::size_t>(levels) * kLanes),
      squares_(kLanes) {
  base_.fill(0);
  for (std::int64_t k = 0; k < columns_; ++k) {
    for (int lane = 0; lane < lanes_; ++lane) {
      const float w = values[(first_row + lane) * columns_ + metric.order()[k]];
      weights_[At(k) + lane] = w;
      base_[lane] = std::max(base_[lane], std::min(std::fabs(w), 65504.0f));
    }
  }
  for (float& base : base_) {
    base = base > 0 ? base : 1.0f;
  }
}

int BitplaneTile::LevelOf(int prefix) const {
  if (prefix == kPrefixes - 1) {
    return levels_ > kPrefixes - 1 ? levels_ - 1 : -1;
  }
  return prefix < levels_ ? prefix : -1;
}

void BitplaneTile::ChooseScales() {
  std::vector<std::int32_t> places(static_cast<std::size_t>(columns_));
  for (std::int64_t k = 0; k < columns_; ++k) {
    places[static_cast<std::size_t>(metric_.order()[k])] = static_cast<std::int32_t>(k);
  }
  for (std::int64_t g = 0; g < columns_ / Layout::kInputs; ++g) {
    Lanes least;
    least.fill(3.4e38f);
    Lanes best{};
    Lanes best_unit{};
    for (int index = 0; index < 16; ++index) {
      Lanes unit;
      Lanes inverse;
      for (int lane = 0; lane < kLanes; ++lane) {
        unit[lane] = base_[lane] * Layout::kScales[index];
        inverse[lane] = 1.0f / unit[lane];
      }
      Lanes cost{};
      for (int i = 0; i < Layout::kInputs; ++i) {
        const std::int64_t k = places[static_cast<std::size_t>(g * Layout::kInputs + i)];
        const float* const w = weights_.data() + At(k);
        for (int prefix = 0; prefix < kPrefixes; ++prefix) {
          const int level = LevelOf(prefix);
          if (level < 0) {
            continue;
          }
          const int planes = Layout::PlanesOf(level + 1);
          const float weight = PrefixWeight(planes) * metric_.diagonal()[k];
          const float steps = static_cast<float>(1 << (planes - 1));
          for (int lane = 0; lane < kLanes; ++lane) {
            const float at = w[lane] * inverse[lane] * steps + (steps - 0.5f);
            float code = at < 0 ? 0 : at;
            code = code > 2 * steps - 1 ? 2 * steps - 1 : code;
            code = (code + 8388608.0f) - 8388608.0f;  // to a whole number
            const float error = (at - code) / steps;
            cost[lane] += weight * error * error;
          }
        }
      }
      for (int lane = 0; lane < kLanes; ++lane) {
        const float sum = cost[lane] * Layout::kScales[index] * Layout::kScales[index];
        best[lane] = sum < least[lane] ? static_cast<float>(index) : best[lane];
        best_unit[lane] = sum < least[lane] ? unit[lane] : best_unit[lane];
        least[lane] = sum < least[lane] ? sum : least[lane];
      }
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      scales_[At(g) + lane] = static_cast<std::uint8_t>(best[lane]);
      for (int i = 0; i < Layout::kInputs; ++i) {
        const std::int64_t k = places[static_cast<std::size_t>(g * Layout::kInputs + i)];
        units_[At(k) + lane] = best_unit[lane];
        const float steps = weights_[At(k) + lane] / best_unit[lane] * 128.0f + 128.0f;
        codes_[At(k) + lane] = static_cast<std::uint8_t>(std::clamp(steps, 0.0f, 255.0f));
      }
    }
  }
  for (int level = 0; level < levels_; ++level) {
    const int planes = Layout::PlanesOf(level + 1);
    for (int lane = 0; lane < kLanes; ++lane) {
      double wq = 0;
      double qq = 0;
      for (std::int64_t k = 0; k < columns_; ++k) {
        const std::size_t at = At(k) + lane;
        const float q = units_[at] * BitplaneValue(codes_[at] >> (8 - planes), planes);
        wq += static_cast<double>(metric_.diagonal()[k]) * weights_[at] * q;
        qq += static_cast<double>(metric_.diagonal()[k]) * q * q;
      }
      factors_[level][lane] = static_cast<float>(qq > 0 ? std::clamp(wq / qq, 0.5, 1.5) : 1.0);
    }
  }
}

CodeTargets BitplaneTile::Wanted() const {
  CodeTargets wanted{};
  wanted.planes = Layout::PlanesOf(levels_);
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    const int level = LevelOf(prefix);
    for (int lane = 0; lane < kLanes && level >= 0; ++lane) {
      const float factor = factors_[level][lane];
      wanted.weights[prefix][lane] = PrefixWeight(Layout::PlanesOf(level + 1)) * factor * factor;
    }
  }
  return wanted;
}

// Input k's codes, from targets weight + correction [kPrefixes][kLanes]; and their errors.
void BitplaneTile::ChooseAt(std::int64_t k, const float* corrections, CodeTargets& wanted) {
  const float* const w = weights_.data() + At(k);
  const float* const unit = units_.data() + At(k);
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    const int level = LevelOf(prefix);
    for (int lane = 0; lane < kLanes && level >= 0; ++lane) {
      wanted.targets[prefix][lane] =
          (w[lane] + corrections[prefix * kLanes + lane]) / (factors_[level][lane] * unit[lane]);
    }
  }
  std::uint8_t* const codes = codes_.data() + At(k);
  ChooseCodes(wanted, codes);
  float* const errors = errors_.data() + k * kRow;
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    const int level = LevelOf(prefix);
    const int planes = Layout::PlanesOf(level + 1);
    const float step = std::ldexp(1.0f, 1 - planes);
    const float middle = 0.5f - std::ldexp(1.0f, planes - 1);
    for (int lane = 0; lane < kLanes && level >= 0; ++lane) {
      const float value = (static_cast<float>(codes[lane] >> (8 - planes)) + middle) * step;
      errors[prefix * kLanes + lane] = w[lane] - factors_[level][lane] * unit[lane] * value;
    }
  }
}

void BitplaneTile::Round() {
  CodeTargets wanted = Wanted();
  std::vector<float> corrections(kBlock * kRow, 0.0f);
  for (std::int64_t begin = 0; begin < columns_; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, columns_);
    if (metric_.correlated()) {
      Multiply(metric_.factors(), columns_, 0, begin, begin, end - begin, errors_.data(), kRow,
               corrections.data());
    }
    for (std::int64_t k = begin; k < end; ++k) {
      ChooseAt(k, corrections.data() + (k - begin) * kRow, wanted);
      const float* const errors = errors_.data() + k * kRow;
      for (std::int64_t later = k + 1; metric_.correlated() && later < end; ++later) {
        const float share = metric_.factors()[k * columns_ + later];
        float* const correction = corrections.data() + (later - begin) * kRow;
        for (int i = 0; i < kRow; ++i) {
          correction[i] += share * errors[i];
        }
      }
    }
  }
}

void BitplaneTile::Descend() {
  CodeTargets wanted = Wanted();
  // The errors with the factors that there are now.
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    const int level = LevelOf(prefix);
    const int planes = Layout::PlanesOf(level + 1);
    for (std::int64_t k = 0; k < columns_ && level >= 0; ++k) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const std::size_t at = At(k) + lane;
        errors_[static_cast<std::size_t>(k) * kRow + prefix * kLanes + lane] =
            weights_[at] -
            factors_[level][lane] * units_[at] * BitplaneValue(codes_[at] >> (8 - planes), planes);
      }
    }
  }
  std::vector<float> slopes(kBlock * kRow);
  std::array<float, kRow> before;
  std::array<float, kRow> corrections;
  for (std::int64_t begin = 0; begin < columns_; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, columns_);
    Multiply(metric_.moments(), columns_, 0, columns_, begin, end - begin, errors_.data(), kRow,
             slopes.data());
    for (std::int64_t k = begin; k < end; ++k) {
      float* const errors = errors_.data() + k * kRow;
      std::copy(errors, errors + kRow, before.begin());
      const float inverse = 1.0f / metric_.diagonal()[k];
      for (int i = 0; i < kRow; ++i) {
        // Given all others, e[k] is best when it takes the whole slope back.
        corrections[i] = slopes[(k - begin) * kRow + i] * inverse - before[i];
      }
      ChooseAt(k, corrections.data(), wanted);
      for (std::int64_t later = k + 1; later < end; ++later) {
        const float moment = metric_.moments()[k * columns_ + later];
        float* const slope = slopes.data() + (later - begin) * kRow;
        for (int i = 0; i < kRow; ++i) {
          slope[i] += moment * (errors[i] - before[i]);
        }
      }
    }
  }
}

void BitplaneTile::FitFactors() {
  // The codes' values of every level with factor 1, and the weights last, seen through I + A.
  const int width = (levels_ + 1) * kLanes;
  std::vector<float> values(static_cast<std::size_t>(columns_ * width));
  for (std::int64_t k = 0; k < columns_; ++k) {
    float* const row = values.data() + k * width;
    for (int level = 0; level < levels_; ++level) {
      const int planes = Layout::PlanesOf(level + 1);
      const float step = std::ldexp(1.0f, 1 - planes);
      const float middle = 0.5f - std::ldexp(1.0f, planes - 1);
      for (int lane = 0; lane < kLanes; ++lane) {
        const std::size_t at = At(k) + lane;
        const float code = static_cast<float>(codes_[at] >> (8 - planes));
        row[level * kLanes + lane] = units_[at] * ((code + middle) * step);
      }
    }
    std::copy_n(weights_.data() + At(k), kLanes, row + levels_ * kLanes);
  }
  std::ranges::fill(fits_, Fit{});
  std::ranges::fill(squares_, 0.0);
  std::vector<float> seen(kFitBlock * static_cast<std::size_t>(width));
  for (std::int64_t begin = 0; begin < columns_; begin += kFitBlock) {
    const std::int64_t end = std::min(begin + kFitBlock, columns_);
    const float* rows = values.data() + begin * width;
    if (metric_.correlated()) {
      Multiply(metric_.factors(), columns_, 0, end, begin, end - begin, values.data(), width,
               seen.data());
      rows = seen.data();
    }
    for (std::int64_t k = begin; k < end; ++k, rows += width) {
      const double d = metric_.conditional()[k];
      const float* const w = rows + levels_ * kLanes;
      for (int lane = 0; lane < kLanes; ++lane) {
        squares_[lane] += d * w[lane] * w[lane];
      }
      for (int level = 0; level < levels_; ++level) {
        const float* const q = rows + level * kLanes;
        Fit* const fits = fits_.data() + level * kLanes;
        for (int lane = 0; lane < kLanes; ++lane) {
          fits[lane].value_code += d * w[lane] * q[lane];
          fits[lane].code_code += d * q[lane] * q[lane];
        }
      }
    }
  }
  for (int level = 0; level < levels_; ++level) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const Fit& fit = fits_[level * kLanes + lane];
      const double factor = fit.code_code > 0 ? fit.value_code / fit.code_code : 0;
      // A factor that is not positive would turn the codes' order around.
      factors_[level][lane] = static_cast<float>(factor > 0.1 ? factor : 0.1);
    }
  }
}

float BitplaneTile::FactorOf(int level, int lane) const {
  const bool zero = squares_[lane] == 0;
  return zero ? 0.0f : F16ToF32(F32ToF16(std::min(65504.0f, factors_[level][lane] * base_[lane])));
}

void BitplaneTile::GetOutput(int lane, std::span<std::uint8_t> codes,
                             std::span<std::uint8_t> scales, std::span<float> factors) const {
  for (std::int64_t k = 0; k < columns_; ++k) {
    codes[static_cast<std::size_t>(metric_.order()[k])] = codes_[At(k) + lane];
  }
  for (std::size_t g = 0; g < scales.size(); ++g) {
    scales[g] = scales_[g * kLanes + lane];
  }
  for (int level = 0; level < levels_; ++level) {
    factors[static_cast<std::size_t>(level)] = FactorOf(level, lane);
  }
}

double BitplaneTile::ErrorOf(int level, int lane) const {
  const Fit& fit = fits_[level * kLanes + lane];
  const double factor = FactorOf(level, lane) / base_[lane];
  return std::max(0.0,
                  squares_[lane] - 2 * factor * fit.value_code + factor * factor * fit.code_code);
}

}  // namespace ashlar
