// The corners of the integers: every code, and the largest sums.
#include <cstring>
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
  std::vector<std::int32_t> sum(static_cast<std::size_t>(kMostRows * groups));
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
