// The corners of the integers: every code, and the largest sums. Those of raw weights: every bit of
// an activation, numbers of all magnitudes, sums that cancel, and what is not finite.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/kernels/linear/linear_test_support.h"

namespace ashlar::linear_test {
namespace {

// 64 inputs are half of what AMX takes at once, 128 are all of it.
class EveryIntegerLinearForm : public EveryLinearForm {
 protected:
  void ExpectExact(std::int64_t inputs);
};

void EveryIntegerLinearForm::ExpectExact(std::int64_t inputs) {
  const std::int64_t outputs = 64;
  const std::uint64_t bytes = *PackedBytes(codec(), {outputs, inputs});
  Aligned<std::byte> weights(static_cast<std::int64_t>(bytes));
  const std::uint64_t tile_bytes = codec().band_bytes(kGroup);
  constexpr std::int64_t kMostRows = 20;
  const std::int64_t groups = inputs / kGroup;
  Aligned<std::int8_t> q(kMostRows * inputs);
  std::vector<float> scale(static_cast<std::size_t>(kMostRows * groups + kRowsBeyond), 1);
  std::vector<std::int32_t> sum(static_cast<std::size_t>(kMostRows * groups + kRowsBeyond));
  for (const int code : {0, 255, 0x80, 0x7f, 0x0f, 0xf0, -1}) {  // -1: all of them in turn
    for (std::uint64_t i = 0; i < bytes; ++i) {
      weights.data()[i] = static_cast<std::byte>(code >= 0 ? code : static_cast<int>(i * 5 % 256));
    }
    for (std::uint64_t tile = 0; tile < bytes; tile += tile_bytes) {
      for (int o = 0; o < 32; ++o) {
        const std::uint16_t one = 0x3c00;
        std::memcpy(weights.data() + tile + 2 * o, &one, 2);
      }
    }
    for (const int activation : {127, -127, 0}) {  // 0: all of them in turn
      for (std::int64_t i = 0; i < q.count(); ++i) {
        q.data()[i] = static_cast<std::int8_t>(activation != 0 ? activation : i * 7 % 255 - 127);
      }
      for (std::int64_t m = 0; m < kMostRows; ++m) {
        for (std::int64_t g = 0; g < groups; ++g) {
          const std::int8_t* group = q.data() + m * inputs + g * kGroup;
          sum[static_cast<std::size_t>(g * kMostRows + m)] =
              std::accumulate(group, group + kGroup, 0);
        }
      }
      for (const std::int64_t rows :
           {std::int64_t{1}, std::int64_t{2}, std::int64_t{6}, kMostRows}) {
        std::vector<float> expected(static_cast<std::size_t>(rows * outputs));
        std::vector<float> actual = expected;
        LinearArgs args = {.weights = weights.data(),
                           .band_stride = codec().band_bytes(inputs),
                           .inputs = inputs,
                           .output_begin = 0,
                           .output_end = outputs,
                           .rows = rows,
                           .x_quantized = {q.data(), scale.data(), sum.data(), groups, kMostRows},
                           .y = expected.data(),
                           .y_stride = outputs};
        reference().fn(args);
        args.y = actual.data();
        form().fn(args);
        ASSERT_EQ(expected, actual) << "code " << code << ", activation " << activation;
      }
    }
  }
}

TEST_P(EveryIntegerLinearForm, IsExactOnEveryCodeAndOnTheLargestSums) {
  ExpectExact(64);
  ExpectExact(128);
}

// ---- Raw weights

class EveryRawForm : public EveryLinearForm {
 protected:
  void SetWeights(Problem& problem, std::span<const float> w) {
    codec().encode(w.data(), problem.size().outputs, problem.size().inputs, problem.weights());
  }
  // (The encoder makes none.)
  void SetInfinity(Problem& problem, std::int64_t index) {
    const std::uint32_t f32 = 0x7f800000;
    const std::uint16_t half = codec().short_name == "f16" ? 0x7c00 : 0x7f80;
    if (codec().short_name == "f32") {
      std::memcpy(problem.weights() + 4 * index, &f32, 4);
    } else {
      std::memcpy(problem.weights() + 2 * index, &half, 2);
    }
  }
  // A normal number of that codec and f32, of either sign, its bits random.
  float RandomOf(int least_exponent, int most_exponent) {
    const auto exponent =
        std::uniform_int_distribution<int>(least_exponent, most_exponent)(random_);
    const float significand = 1 + static_cast<float>(random_() >> 41) * 0x1p-23f;
    return std::ldexp(random_() % 2 == 0 ? significand : -significand, exponent);
  }
  // What tiles may lose of denormal numbers, in all of a sum.
  static double Lost(std::int64_t inputs, double most_w, double most_x) {
    return static_cast<double>(inputs) * 0x1p-126 * (most_x + 2 * most_w + 3);
  }
};

TEST_P(EveryRawForm, GivesAnActivationBackToTheBitWhenItsWeightIsOneAndTheOthersAreZero) {
  const std::int64_t inputs = 70;
  for (const std::int64_t rows : {1, 3, 40}) {
    Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = inputs});
    std::vector<float> identity(inputs * inputs);
    for (std::int64_t n = 0; n < inputs; ++n) {
      identity[static_cast<std::size_t>(n * inputs + n)] = 1;
    }
    SetWeights(problem, identity);
    for (std::int64_t i = 0; i < rows * inputs; ++i) {
      problem.x()[i] = RandomOf(-100, 127);
    }
    problem.x()[0] = std::numeric_limits<float>::max();
    problem.x()[1] = -1 - 0x1p-23f;
    const std::vector<float> y = problem.Run(form().fn);
    for (std::int64_t i = 0; i < rows * inputs; ++i) {
      ASSERT_EQ(y[static_cast<std::size_t>(i)], problem.x()[i]) << i;
    }
  }
}

TEST_P(EveryRawForm, KeepsItsBoundOverAllMagnitudesAndWhereSumsCancel) {
  const std::int64_t inputs = 200;
  const std::int64_t outputs = 35;
  const bool is_f16 = codec().short_name == "f16";
  for (const int range : {0, 8, 60}) {  // of exponents
    for (const std::int64_t rows : {2, 21}) {
      Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = outputs});
      std::vector<float> w(static_cast<std::size_t>(inputs * outputs));
      const int w_range = is_f16 ? std::min(range, 14) : range;
      for (std::size_t i = 0; i < w.size(); ++i) {
        // Pairs of inputs whose weights cancel, but for what x differs by.
        w[i] = i % 2 == 1 ? -w[i - 1] : RandomOf(-w_range, w_range);
      }
      SetWeights(problem, w);
      for (std::int64_t i = 0; i < rows * inputs; ++i) {
        problem.x()[i] =
            i % 2 == 1 ? std::nextafter(problem.x()[i - 1], 0.0f) : RandomOf(-range, range);
      }
      ExpectAgreement(problem);
    }
  }
}

TEST_P(EveryRawForm, LosesOfDenormalNumbersWhatItSaysAtMost) {
  const std::int64_t inputs = 40;
  const std::int64_t outputs = 20;
  Problem problem = Make({.rows = 3, .inputs = inputs, .outputs = outputs});
  std::vector<float> w(static_cast<std::size_t>(inputs * outputs));
  const float least = codec().short_name == "f16" ? 0x1p-24f : 0x1p-133f;
  for (float& weight : w) {
    weight = static_cast<float>(random_() % 8) * least;
  }
  SetWeights(problem, w);
  for (std::int64_t i = 0; i < 3 * inputs; ++i) {
    problem.x()[i] = i % 5 == 0 ? 0x1.8p-130f : RandomOf(-2, 20);
  }
  const std::vector<float> expected = problem.Run(reference().fn);
  const std::vector<float> actual = problem.Run(form().fn);
  const std::vector<double> magnitudes = problem.Magnitudes(activations());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(
        expected[i], actual[i],
        Bound(codec(), inputs, activations(), magnitudes[i]) + Lost(inputs, 8 * least, 0x1p21))
        << i;
  }
}

TEST_P(EveryRawForm, KeepsWhatIsNotFiniteInItsOwnRowAndOutput) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::int64_t inputs = 45;
  const std::int64_t outputs = 19;
  const std::int64_t rows = 18;
  const auto nan_bits = [](std::uint32_t bits) { return std::bit_cast<float>(bits); };
  for (const std::int64_t k : {std::int64_t{0}, std::int64_t{31}, inputs - 1}) {
    for (const float x : {kInfinity, -kInfinity, nan_bits(0x7fc00000), nan_bits(0x7f800001),
                          nan_bits(0xff800001)}) {
      Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = outputs});
      const std::vector<float> finite = problem.Run(form().fn);
      const std::int64_t row = (k + 3) % rows;
      problem.x()[row * inputs + k] = x;
      const std::vector<float> expected = problem.Run(reference().fn);
      const std::vector<float> actual = problem.Run(form().fn);
      for (std::int64_t i = 0; i < rows * outputs; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (i / outputs != row) {
          ASSERT_EQ(actual[at], finite[at]) << i;
        } else if (std::isnan(expected[at])) {
          ASSERT_TRUE(std::isnan(actual[at])) << i;
        } else {
          ASSERT_EQ(actual[at], expected[at]) << i;
        }
      }
    }
    // (An infinite weight may give NaN in place of an infinity.)
    Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = outputs});
    const std::vector<float> finite = problem.Run(form().fn);
    SetInfinity(problem, 17 * inputs + k);
    const std::vector<float> actual = problem.Run(form().fn);
    for (std::int64_t i = 0; i < rows * outputs; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (i % outputs == 17) {
        ASSERT_FALSE(std::isfinite(actual[at])) << i;
      } else {
        ASSERT_EQ(actual[at], finite[at]) << i;
      }
    }
  }
}

std::vector<Row> FastRawForms() {
  std::vector<Row> rows = FastForms();
  std::erase_if(rows, [](const Row& row) {
    const std::string_view name = (**FindCodec(row.kernel->codec)).short_name;
    return name != "f32" && name != "f16" && name != "bf16";
  });
  return rows;
}
INSTANTIATE_TEST_SUITE_P(Codec, EveryRawForm, testing::ValuesIn(FastRawForms()),
                         [](const auto& info) { return NameOf(info.param); });

// ---- Codes

void ExpectTheSameBits(Isa one, Isa other, const Codec& codec, std::mt19937_64& random) {
  for (int levels = 1; levels <= codec.levels(); ++levels) {
    for (const std::int64_t rows : {1, 2, 5, 8, 9, 11, 13, 16, 21, 32, 48}) {
      for (const std::int64_t groups : {33, 36}) {
        // Four bands and another; and where a network's memory is walked four bands at a time, two
        // such rounds and a rest.
        const std::int64_t outputs = rows <= 16 && levels == codec.levels() ? 9 * 32 + 7 : 139;
        Problem problem(
            codec, {.rows = rows, .inputs = groups * kGroup, .outputs = outputs, .levels = levels},
            random);
        const std::vector<float> y = problem.Run(FindLinear(codec, one)->fn);
        const std::vector<float> expected = problem.Run(FindLinear(codec, other)->fn);
        EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0)
            << codec.name << " with " << levels << " levels, " << rows << " rows, " << groups
            << " groups";
      }
    }
  }
}

// So which of the two a call took cannot be told from a result.
TEST(IntegerLinearForms, OfAmxAndAvx512GiveTheSameBits) {
  if (!Supported(Isa::kAmx)) {
    GTEST_SKIP() << "this processor cannot run amx";
  }
  std::mt19937_64 random(TestSeed());
  for (const char* name : {"q4", "q8", "bitplane"}) {
    ExpectTheSameBits(Isa::kAmx, Isa::kAvx512, **FindCodec(name), random);
  }
}

TEST(BlockLinearForms, OfAmxAndAvx512GiveTheSameBits) {
  if (!Supported(Isa::kAmx)) {
    GTEST_SKIP() << "this processor cannot run amx";
  }
  std::mt19937_64 random(TestSeed());
  for (const LinearKernel& kernel : LinearKernels()) {
    const Codec& codec = **FindCodec(kernel.codec);
    if (!IsBlockCodec(codec) || kernel.activations != Activations::kQuantized) {
      continue;
    }
    const std::int64_t groups = std::max<std::int64_t>(codec.column_unit / kGroup, 1);
    ASSERT_NE(FindLinear(codec, Isa::kAmx)->fn, FindLinear(codec, Isa::kAvx512)->fn);
    for (const std::int64_t rows : {1, 12, 13, 14, 16, 17, 33, 48, 259}) {
      for (const std::int64_t units : {1, 2, 7, 11, 12}) {
        const std::int64_t outputs = rows > 100 ? 33 : 3 * 32 + 19;
        Problem problem(
            codec, {.rows = rows, .inputs = units * groups * kGroup, .outputs = outputs}, random);
        const std::vector<float> y = problem.Run(FindLinear(codec, Isa::kAmx)->fn);
        const std::vector<float> expected = problem.Run(FindLinear(codec, Isa::kAvx512)->fn);
        EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0)
            << codec.name << " of " << units << " blocks, " << rows << " rows";
      }
    }
  }
}

TEST(IntegerLinearForms, OfAvxVnniAndAvx2GiveTheSameBits) {
  if (!Supported(Isa::kAvxVnni)) {
    GTEST_SKIP() << "this processor cannot run avxvnni";
  }
  std::mt19937_64 random(TestSeed());
  for (const char* name : {"q4", "q8", "bitplane"}) {
    ExpectTheSameBits(Isa::kAvxVnni, Isa::kAvx2, **FindCodec(name), random);
  }
}

std::vector<Row> FastIntegerForms() {
  std::vector<Row> rows = FastForms();
  std::erase_if(rows, [](const Row& row) {
    return row.kernel->codec != (*FindCodec("q8"))->name &&
           row.kernel->codec != (*FindCodec("q4"))->name;
  });
  return rows;
}
INSTANTIATE_TEST_SUITE_P(Codec, EveryIntegerLinearForm, testing::ValuesIn(FastIntegerForms()),
                         [](const auto& info) { return NameOf(info.param); });

// The same of the types in blocks: a sum of products that saturated would be far off.
class EveryBlockForm : public EveryLinearForm {};

TEST_P(EveryBlockForm, IsRightOnEveryCodeAndOnTheLargestSums) {
  const BlockType& type = *BlockCodecOf(codec()).type;
  const std::int64_t inputs = 256;
  const std::int64_t outputs = 64;
  Problem problem = Make({.rows = 7, .inputs = inputs, .outputs = outputs});
  std::vector<std::byte> blocks(
      static_cast<std::size_t>(outputs * (inputs / type.columns) * type.bytes));
  for (const int code : {255, 0x80, 0x0f, 0xf0, -1}) {  // -1: all of them in turn
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      blocks[i] = static_cast<std::byte>(code >= 0 ? code : static_cast<int>(i * 5 % 256));
    }
    for (std::size_t at = 0; at < blocks.size(); at += static_cast<std::size_t>(type.bytes)) {
      for (const int scale : type.scales) {
        if (scale >= 0) {
          const std::uint16_t one = 0x3c00;
          std::memcpy(blocks.data() + at + scale, &one, 2);
        }
      }
      if (type.finite != nullptr) {
        blocks[at] = std::byte{127};
      }
    }
    PackBlocks(type, blocks.data(), outputs, inputs, problem.weights());
    for (const int activation : {127, -127, 0}) {  // 0: all of them in turn
      problem.SetActivations([activation](std::int64_t i) {
        return static_cast<std::int8_t>(activation != 0 ? activation : i * 7 % 255 - 127);
      });
      ExpectAgreement(problem);
    }
  }
}

std::vector<Row> FastBlockForms() {
  std::vector<Row> rows = FastForms();
  std::erase_if(rows, [](const Row& row) {
    return row.kernel->activations == Activations::kF32 ||
           !IsBlockCodec(**FindCodec(row.kernel->codec));
  });
  return rows;
}
INSTANTIATE_TEST_SUITE_P(Codec, EveryBlockForm, testing::ValuesIn(FastBlockForms()),
                         [](const auto& info) { return NameOf(info.param); });

// The same of planes.
class EveryPlaneForm : public EveryLinearForm {};

TEST_P(EveryPlaneForm, IsRightOnEveryCodeAndOnTheLargestSums) {
  const std::int64_t outputs = 64;
  Problem problem = Make({.rows = 7, .inputs = 256, .outputs = outputs});
  for (const int bits : {0, 255, 0x80, 0x55, -1}) {  // -1: all of them in turn
    for (std::int64_t i = 0; i < problem.weight_bytes(); ++i) {
      problem.weights()[i] = static_cast<std::byte>(bits >= 0 ? bits : i * 5 % 256);
    }
    for (std::byte* const level : problem.levels()) {
      for (std::int64_t n = 0; n < outputs; ++n) {
        const std::uint16_t one = 0x3c00;
        std::memcpy(level + 2 * n, &one, 2);
      }
    }
    for (const int activation : {127, -127, 0}) {  // 0: all of them in turn
      problem.SetActivations([activation](std::int64_t i) {
        return static_cast<std::int8_t>(activation != 0 ? activation : i * 7 % 255 - 127);
      });
      ExpectAgreement(problem);
    }
  }
}

std::vector<Row> FastPlaneForms() {
  std::vector<Row> rows = FastForms();
  std::erase_if(rows,
                [](const Row& row) { return row.kernel->codec != (*FindCodec("bitplane"))->name; });
  return rows;
}
INSTANTIATE_TEST_SUITE_P(Codec, EveryPlaneForm, testing::ValuesIn(FastPlaneForms()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace ashlar::linear_test
