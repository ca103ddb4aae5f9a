// The encoders of GGUF's types: what can be held exactly is, and what cannot errs less than by the
// straightforward way.
#include "ashlar/codec/gguf/quantize.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

struct EncoderCase {
  const char* name;
  const BlockType* type;
  void (*encode)(const float* values, std::byte* block);
  int group;  // numbers with a scale of their own
  int codes;  // steps from the least to the largest
};
const EncoderCase kEncoderCases[] = {
    {"q4_1", &kQ4_1Blocks, internal::EncodeQ4_1, 32, 15},
    {"q4_k", &kQ4KBlocks, internal::EncodeQ4K, 32, 15},
    {"q6_k", &kQ6KBlocks, internal::EncodeQ6K, 16, 63},
};

std::vector<float> EncodedAndDecoded(const EncoderCase& each, const std::vector<float>& values) {
  std::vector<std::byte> block(static_cast<std::size_t>(each.type->bytes));
  std::vector<float> decoded(values.size());
  for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(each.type->columns)) {
    each.encode(values.data() + i, block.data());
    each.type->decode(block.data(), decoded.data() + i);
  }
  return decoded;
}

double SquaredError(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  }
  return sum;
}

// Each group over the range of its numbers (or, with codes on both sides of 0, over that of their
// magnitudes), with scales that are not rounded: an error that a straightforward encoder does not
// reach, since it rounds them.
double ErrorOfRanges(const EncoderCase& each, const std::vector<float>& values) {
  double sum = 0;
  for (std::size_t begin = 0; begin < values.size();
       begin += static_cast<std::size_t>(each.group)) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto [low, high] = std::minmax_element(first, first + each.group);
    const bool symmetric = each.codes == 63;
    const double origin = symmetric ? 0 : static_cast<double>(*low);
    const double step = symmetric ? static_cast<double>(std::max(*high, -*low)) / 31
                                  : (static_cast<double>(*high) - origin) / each.codes;
    for (int i = 0; i < each.group; ++i) {
      const double at = static_cast<double>(first[i]) - origin;
      sum += std::pow(at - std::round(at / step) * step, 2);
    }
  }
  return sum;
}

TEST(Quantize, ErrsLessThanRangesWithExactScales) {
  std::mt19937 random(7);
  for (const EncoderCase& each : kEncoderCases) {
    for (const bool outliers : {false, true}) {
      SCOPED_TRACE(std::string(each.name) + (outliers ? " with outliers" : ""));
      std::normal_distribution<float> normal(0, 0.02f);
      std::student_t_distribution<float> student(4);
      std::vector<float> values(256 * 40);
      std::ranges::generate(values,
                            [&] { return outliers ? student(random) * 0.02f : normal(random); });
      const double own = std::sqrt(SquaredError(values, EncodedAndDecoded(each, values)));
      const double ranges = std::sqrt(ErrorOfRanges(each, values));
      std::printf("%s%s: %.4f of the error of ranges\n", each.name, outliers ? ", outliers" : "",
                  own / ranges);
      EXPECT_LT(own, ranges * 0.97);
    }
  }
}

// Numbers on a grid that a block has: all codes of every group, and scales that f16 holds.
TEST(Quantize, GivesBackWhatABlockCanHold) {
  std::mt19937 random(8);
  for (const EncoderCase& each : kEncoderCases) {
    SCOPED_TRACE(each.name);
    std::vector<float> values;
    const bool symmetric = each.codes == 63;
    for (int g = 0; g < 256 / each.group; ++g) {
      // (The first group has the largest integers, so that the unit is found.)
      const int scale = g == 0 ? (symmetric ? 127 : 63) : 20 + static_cast<int>(random() % 40);
      for (int i = 0; i < each.group; ++i) {
        const int code = symmetric ? (i == 0 ? -32 : static_cast<int>(random() % 64) - 32)
                                   : (i < 16 ? i : static_cast<int>(random() % 16));
        const int offset = symmetric ? 0 : (g == 0 ? 63 : 40);
        values.push_back(0x1p-10f * static_cast<float>(scale * code) -
                         0x1p-7f * static_cast<float>(offset));
      }
    }
    const std::vector<float> decoded = EncodedAndDecoded(each, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(decoded[i], values[i], 1e-3f * std::fabs(values[i]) + 1e-6f) << i;
    }
  }
}

TEST(Quantize, OfConstantsZerosAndTheLargestNumbersIsFinite) {
  for (const EncoderCase& each : kEncoderCases) {
    for (const float value : {0.0f, 1.0f, -1.0f, 1e-30f, -1e-40f, 3.4e38f, -3.4e38f}) {
      SCOPED_TRACE(std::string(each.name) + " of " + std::to_string(value));
      std::vector<float> values(256, value);
      for (const float other : {value, 0.0f, -value}) {
        values[100] = other;
        const std::vector<float> decoded = EncodedAndDecoded(each, values);
        for (std::size_t i = 0; i < values.size(); ++i) {
          ASSERT_TRUE(std::isfinite(decoded[i]));
          if (std::fabs(value) <= 1) {
            ASSERT_NEAR(decoded[i], values[i], 0.07) << i;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace ashlar
