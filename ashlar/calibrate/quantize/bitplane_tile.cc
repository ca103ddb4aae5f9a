#include "ashlar/calibrate/quantize/bitplane_tile.h"

#include <algorithm>
#include <cmath>

#include "ashlar/calibrate/blas.h"
#include "ashlar/calibrate/quantize/bitplane_lanes.h"
#include "ashlar/codec/bitplane/bitplane.h"
#include "ashlar/codec/bitplane/layout.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

using Layout = BitplaneLayout;

// Measured on a network of 29 M parameters: docs/decisions/006-bitplane.md.
constexpr float kPrefixGrowth = 2.0f;

// Errors meet the inputs after them in products: of all before a block of kBlock inputs, then, in
// it, of those before kFew; among kFew they do one by one.
constexpr std::int64_t kBlock = 256;
constexpr std::int64_t kFew = 32;

constexpr float PrefixWeight(int planes) {
  return planes == Layout::kFirstPlanes ? 1.0f : kPrefixGrowth * PrefixWeight(planes - 1);
}

// out [end - begin, width] = or += sum over inputs k in [first, last) of
// matrix[k, begin + i] * in[k - first, width]
void Gather(const float* matrix, std::int64_t columns, std::int64_t first, std::int64_t last,
            std::int64_t begin, std::int64_t end, const float* in, int width, float* out,
            Accumulate accumulate) {
  if (first < last) {
    Multiply(end - begin, width, last - first, {matrix + first * columns + begin, columns},
             Transposed::kYes, {in, width}, {out, width}, accumulate);
  } else if (accumulate == Accumulate::kNo) {
    std::fill(out, out + (end - begin) * width, 0.0f);
  }
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
      errors_(static_cast<std::size_t>(columns_) * kPrefixLanes),
      factors_(static_cast<std::size_t>(levels)),
      fits_(static_cast<std::size_t>(levels)) {
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
        for (int prefix = 0; prefix < kPrefixes; ++prefix) {
          if (const int level = LevelOf(prefix); level >= 0) {
            const int planes = Layout::PlanesOf(level + 1);
            AddRoundingCost(PrefixWeight(planes) * metric_.diagonal()[k], weights_.data() + At(k),
                            inverse, planes, cost);
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
  Lanes values;
  for (int level = 0; level < levels_; ++level) {
    Fit fit{};
    for (std::int64_t k = 0; k < columns_; ++k) {
      ValuesOf(codes_.data() + At(k), Layout::PlanesOf(level + 1), units_.data() + At(k),
               values.data());
      AddProducts(metric_.diagonal()[k], weights_.data() + At(k), values.data(),
                  fit.value_code.data());
      AddProducts(metric_.diagonal()[k], values.data(), values.data(), fit.code_code.data());
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      const double factor =
          fit.code_code[lane] > 0 ? fit.value_code[lane] / fit.code_code[lane] : 1.0;
      factors_[level][lane] = static_cast<float>(std::clamp(factor, 0.5, 1.5));
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

// The errors of input k's codes, of every prefix.
void BitplaneTile::MeasureAt(std::int64_t k) {
  Lanes values;
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    if (const int level = LevelOf(prefix); level >= 0) {
      ValuesOf(codes_.data() + At(k), Layout::PlanesOf(level + 1), units_.data() + At(k),
               values.data());
      SetErrors(weights_.data() + At(k), factors_[level], values,
                errors_.data() + k * kPrefixLanes + prefix * kLanes);
    }
  }
}

// Input k's codes, from targets weight + correction [kPrefixes][kLanes]; and their errors.
void BitplaneTile::ChooseAt(std::int64_t k, const float* corrections, CodeTargets& wanted) {
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    if (const int level = LevelOf(prefix); level >= 0) {
      SetTargets(weights_.data() + At(k), corrections + prefix * kLanes, factors_[level],
                 units_.data() + At(k), wanted.targets[prefix]);
    }
  }
  ChooseCodes(wanted, codes_.data() + At(k));
  MeasureAt(k);
}

void BitplaneTile::Round() {
  SeeWeights();
  CodeTargets wanted = Wanted();
  std::array<double, kPrefixLanes> error_error{};
  std::array<double, kPrefixLanes> value_error{};
  std::vector<float> corrections(kBlock * kPrefixLanes, 0.0f);
  const float* const shares = metric_.factors();
  for (std::int64_t begin = 0; begin < columns_; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, columns_);
    if (metric_.correlated()) {
      Gather(shares, columns_, 0, begin, begin, end, errors_.data(), kPrefixLanes,
             corrections.data(), Accumulate::kNo);
    }
    for (std::int64_t few = begin; few < end; few += kFew) {
      const std::int64_t few_end = std::min(few + kFew, end);
      float* const first = corrections.data() + (few - begin) * kPrefixLanes;
      if (metric_.correlated()) {
        Gather(shares, columns_, begin, few, few, few_end, errors_.data() + begin * kPrefixLanes,
               kPrefixLanes, first, Accumulate::kYes);
      }
      for (std::int64_t k = few; k < few_end; ++k) {
        const float* const correction = first + (k - few) * kPrefixLanes;
        ChooseAt(k, correction, wanted);
        AddSeenErrors(metric_.conditional()[k], errors_.data() + k * kPrefixLanes, correction,
                      seen_weights_.data() + At(k), error_error.data(), value_error.data());
        for (std::int64_t later = k + 1; metric_.correlated() && later < few_end; ++later) {
          AddShare(shares[k * columns_ + later], errors_.data() + k * kPrefixLanes,
                   first + (later - few) * kPrefixLanes);
        }
      }
    }
  }
  FitByErrors(error_error, value_error);
}

// From the errors e = w - factor * code, as the metric sees them.
void BitplaneTile::FitByErrors(const std::array<double, kPrefixLanes>& error_error,
                               const std::array<double, kPrefixLanes>& value_error) {
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    const int level = LevelOf(prefix);
    for (int lane = 0; lane < kLanes && level >= 0; ++lane) {
      Fit& fit = fits_[static_cast<std::size_t>(level)];
      const auto i = static_cast<std::size_t>(prefix * kLanes + lane);
      const double factor = factors_[level][lane];
      fit.value_code[lane] = (squares_[lane] - value_error[i]) / factor;
      fit.code_code[lane] =
          (squares_[lane] - 2 * value_error[i] + error_error[i]) / (factor * factor);
      fit.current = true;
    }
  }
}

void BitplaneTile::Descend() {
  for (Fit& fit : fits_) {
    fit.current = false;
  }
  CodeTargets wanted = Wanted();
  for (std::int64_t k = 0; k < columns_; ++k) {
    MeasureAt(k);  // with the factors that there are now
  }
  const float* const moments = metric_.moments();
  std::vector<float> slopes(kBlock * kPrefixLanes);
  std::vector<float> changes(kBlock * kPrefixLanes);  // of the errors of the block's inputs
  std::array<float, kPrefixLanes> corrections;
  for (std::int64_t begin = 0; begin < columns_; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, columns_);
    Gather(moments, columns_, 0, columns_, begin, end, errors_.data(), kPrefixLanes, slopes.data(),
           Accumulate::kNo);
    for (std::int64_t few = begin; few < end; few += kFew) {
      const std::int64_t few_end = std::min(few + kFew, end);
      Gather(moments, columns_, begin, few, few, few_end, changes.data(), kPrefixLanes,
             slopes.data() + (few - begin) * kPrefixLanes, Accumulate::kYes);
      for (std::int64_t k = few; k < few_end; ++k) {
        const float* const errors = errors_.data() + k * kPrefixLanes;
        float* const change = changes.data() + (k - begin) * kPrefixLanes;
        const float* const slope = slopes.data() + (k - begin) * kPrefixLanes;
        // Given all others, e[k] is best when it takes the whole slope back.
        TakeBack(slope, 1.0f / metric_.diagonal()[k], errors, corrections.data());
        std::copy(errors, errors + kPrefixLanes, change);
        ChooseAt(k, corrections.data(), wanted);
        ToChange(errors, change);
        for (std::int64_t later = k + 1; later < few_end; ++later) {
          AddShare(moments[k * columns_ + later], change,
                   slopes.data() + (later - begin) * kPrefixLanes);
        }
      }
    }
  }
}

void BitplaneTile::See(const float* values, int width, std::int64_t begin, std::int64_t end,
                       float* seen) const {
  if (metric_.correlated()) {
    Gather(metric_.factors(), columns_, 0, end, begin, end, values, width, seen, Accumulate::kNo);
  } else {
    std::copy(values + begin * width, values + end * width, seen);
  }
}

void BitplaneTile::SeeWeights() {
  seen_weights_.resize(weights_.size());
  squares_.fill(0);
  for (std::int64_t begin = 0; begin < columns_; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, columns_);
    See(weights_.data(), kLanes, begin, end, seen_weights_.data() + At(begin));
    for (std::int64_t k = begin; k < end; ++k) {
      const float* const w = seen_weights_.data() + At(k);
      AddProducts(metric_.conditional()[k], w, w, squares_.data());
    }
  }
}

void BitplaneTile::FitFactors(Which which) {
  std::vector<int> wanted;
  std::vector<int> levels;  // that are not known
  for (int level = 0; level < levels_; ++level) {
    if (which == Which::kLevels || level < kPrefixes - 1 || level == levels_ - 1) {
      wanted.push_back(level);
      if (Fit& fit = fits_[static_cast<std::size_t>(level)]; !fit.current) {
        fit = {.value_code = {}, .code_code = {}, .current = true};
        levels.push_back(level);
      }
    }
  }
  // Their codes' values with factor 1, and then as the metric sees them.
  const int width = static_cast<int>(levels.size()) * kLanes;
  std::vector<float> values(static_cast<std::size_t>(columns_ * width));
  for (std::int64_t k = 0; k < columns_; ++k) {
    float* row = values.data() + k * width;
    for (const int level : levels) {
      ValuesOf(codes_.data() + At(k), Layout::PlanesOf(level + 1), units_.data() + At(k), row);
      row += kLanes;
    }
  }
  std::vector<float> seen(static_cast<std::size_t>(kBlock * width));
  for (std::int64_t begin = 0; begin < columns_ && width > 0; begin += kBlock) {
    const std::int64_t end = std::min(begin + kBlock, columns_);
    See(values.data(), width, begin, end, seen.data());
    const float* q = seen.data();
    for (std::int64_t k = begin; k < end; ++k) {
      for (const int level : levels) {
        Fit& fit = fits_[static_cast<std::size_t>(level)];
        AddProducts(metric_.conditional()[k], seen_weights_.data() + At(k), q,
                    fit.value_code.data());
        AddProducts(metric_.conditional()[k], q, q, fit.code_code.data());
        q += kLanes;
      }
    }
  }
  for (const int level : wanted) {
    const Fit& fit = fits_[static_cast<std::size_t>(level)];
    for (int lane = 0; lane < kLanes; ++lane) {
      const double factor =
          fit.code_code[lane] > 0 ? fit.value_code[lane] / fit.code_code[lane] : 0;
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
  const Fit& fit = fits_[static_cast<std::size_t>(level)];
  const double factor = FactorOf(level, lane) / base_[lane];
  return std::max(0.0, squares_[lane] - 2 * factor * fit.value_code[lane] +
                           factor * factor * fit.code_code[lane]);
}

}  // namespace ashlar
