#include "ashlar/kernels/linear/linear.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/kernels/linear/linear_test_support.h"

namespace ashlar::linear_test {
namespace {

TEST_P(EveryLinearForm, AgreesWithTheReferenceForEveryNumberOfRowsInputsAndOutputs) {
  for (const std::int64_t inputs : Inputs()) {
    for (const std::int64_t outputs : Outputs()) {
      Problem problem =
          Make({.rows = 1 + (inputs + outputs) % 9, .inputs = inputs, .outputs = outputs});
      ExpectAgreement(problem);
    }
  }
  for (const std::int64_t rows : Rows()) {
    Problem problem = Make({.rows = rows, .inputs = Whole(128), .outputs = 40});
    ExpectAgreement(problem);
  }
  for (const std::int64_t rows : {1, 2, 3, 4, 5}) {  // more bands than are read side by side
    if (few_sizes() && rows % 3 != 1) {
      continue;
    }
    Problem problem = Make({.rows = rows, .inputs = Whole(128), .outputs = 9 * 32 + 7});
    ExpectAgreement(problem);
  }
}

TEST_P(EveryLinearForm, AgreesWithTheReferenceOnActivationsAtAnyAlignment) {
  for (const std::int64_t offset : {1, 3}) {
    Problem problem = Make({.rows = 5, .inputs = Whole(96), .outputs = 37, .x_offset = offset});
    ExpectAgreement(problem);
  }
}

TEST_P(EveryLinearForm, ComputesOnTheFirstInputsOfAWiderMatrix) {
  for (const std::int64_t rows : {1, 7}) {
    Problem problem =
        Make({.rows = rows, .inputs = Whole(64), .outputs = 40, .stored_inputs = 3 * Whole(64)});
    ExpectAgreement(problem);
  }
}

TEST_P(EveryLinearForm, AgreesWithTheReferenceOnLongSums) {
  for (const std::int64_t rows : {2, 18}) {
    const std::int64_t inputs = Whole(few_sizes() ? 2048 + 32 : 8192 + 32);
    Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = 33});
    ExpectAgreement(problem);
  }
}

TEST_P(EveryLinearForm, WritesOnlyTheOutputsThatItWasAskedFor) {
  const std::int64_t outputs = 100;
  for (const std::int64_t rows : {1, 2, 9}) {
    const std::int64_t inputs = Whole(rows == 9 ? 128 : 64);
    Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = outputs});
    const std::vector<float> whole = problem.Run(form().fn);
    for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 1},
                                     {0, 32},
                                     {32, 64},
                                     {32, 71},
                                     {64, 100},
                                     {96, 97},
                                     {32, 32},
                                     {0, 99}}) {
      const std::int64_t stride = outputs + 3;
      std::vector<float> y(static_cast<std::size_t>(rows * stride), kGuard);
      LinearArgs args = problem.Args(y.data(), stride);
      args.output_begin = begin;
      args.output_end = end;
      form().fn(args);
      for (std::int64_t m = 0; m < rows; ++m) {
        for (std::int64_t n = 0; n < stride; ++n) {
          const float expected =
              n >= begin && n < end ? whole[static_cast<std::size_t>(m * outputs + n)] : kGuard;
          ASSERT_EQ(y[static_cast<std::size_t>(m * stride + n)], expected)
              << "outputs " << begin << " to " << end << ": row " << m << ", output " << n;
        }
      }
    }
  }
}

// The exactness that every step of a batch relies on.
TEST_P(EveryLinearForm, GivesARowTheSameBitsAloneAndInEveryBatchAndSplit) {
  const std::int64_t rows = 37;
  for (const std::int64_t inputs : {Inputs().back(), Whole(64), Whole(256)}) {
    for (const std::int64_t outputs : {1, 5, 32, 45, 5 * 32 + 7}) {
      Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = outputs});
      const std::vector<float> whole = problem.Run(form().fn);
      for (std::int64_t first = 0; first < rows; first += few_sizes() ? 9 : 3) {
        for (const std::int64_t count : {1, 2, 3, 4, 5, 6, 7, 16, 17, 33}) {
          if (first + count > rows) {
            continue;
          }
          // The rows before and after, which a tile may hold as well, are not to be written.
          constexpr std::int64_t kAround = 16;
          std::vector<float> around(static_cast<std::size_t>((count + 2 * kAround) * outputs),
                                    kGuard);
          float* const y = around.data() + kAround * outputs;
          LinearArgs args = problem.Args(y, outputs);
          args.rows = count;
          args.x += first * args.x_stride;
          args.x_quantized = FromRow(args.x_quantized, first);
          args.x_split = FromRow(args.x_split, first);
          // Some bands at a time, as threads would: one, or five.
          const std::int64_t step = codec().row_unit * (first % 2 == 0 ? 1 : 5);
          for (std::int64_t begin = 0; begin < outputs; begin += step) {
            args.output_begin = begin;
            args.output_end = std::min<std::int64_t>(outputs, begin + step);
            form().fn(args);
          }
          for (std::int64_t i = 0; i < count * outputs; ++i) {
            ASSERT_EQ(
                std::bit_cast<std::uint32_t>(y[i]),
                std::bit_cast<std::uint32_t>(whole[static_cast<std::size_t>(first * outputs + i)]))
                << count << " rows from " << first << ", " << inputs << " inputs, output "
                << i % outputs << " of " << outputs;
          }
          for (std::int64_t i = 0; i < kAround * outputs; ++i) {
            ASSERT_EQ(y[-1 - i], kGuard);
            ASSERT_EQ(y[count * outputs + i], kGuard);
          }
        }
      }
    }
  }
}

TEST_P(EveryLinearForm, GivesARowTheSameBitsAloneAndAmongHundredsOfRows) {
  const std::int64_t rows = 300;
  const std::int64_t outputs = 45;
  for (const std::int64_t inputs : {Whole(1056), Whole(256)}) {
    Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = outputs});
    const std::vector<float> whole = problem.Run(form().fn);
    for (const std::int64_t row : {0, 100, 255, 256, 299}) {
      std::vector<float> y(static_cast<std::size_t>(outputs), kGuard);
      LinearArgs args = problem.Args(y.data(), outputs);
      args.rows = 1;
      args.x += row * args.x_stride;
      args.x_quantized = FromRow(args.x_quantized, row);
      args.x_split = FromRow(args.x_split, row);
      form().fn(args);
      for (std::int64_t n = 0; n < outputs; ++n) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(y[static_cast<std::size_t>(n)]),
                  std::bit_cast<std::uint32_t>(whole[static_cast<std::size_t>(row * outputs + n)]))
            << "row " << row << " of " << inputs << " inputs, output " << n;
      }
    }
  }
}

TEST_P(EveryLinearForm, ComputesNothingForNoRows) {
  Problem problem = Make({.rows = 1, .inputs = Whole(32), .outputs = 4});
  std::vector<float> y(4, kGuard);
  LinearArgs args = problem.Args(y.data(), 4);
  args.rows = 0;
  form().fn(args);
  EXPECT_THAT(y, testing::Each(kGuard));
}

INSTANTIATE_TEST_SUITE_P(Codec, EveryLinearForm, testing::ValuesIn(FastForms()),
                         [](const auto& info) { return NameOf(info.param); });

// ---- What the references must be right about by themselves.

class EveryLinearKernel : public testing::TestWithParam<LinearKernel> {};

void ExpectTheProductWithTheDecodedMatrix(const LinearKernel& kernel, int levels,
                                          std::mt19937_64& random) {
  const Codec& codec = **FindCodec(kernel.codec);
  const std::int64_t rows = 3;
  const std::int64_t inputs = codec.column_unit <= kGroup ? 96 : codec.column_unit;
  const std::int64_t outputs = 41;
  Problem problem(codec, {.rows = rows, .inputs = inputs, .outputs = outputs, .levels = levels},
                  random);
  const std::vector<float> y = problem.Run(kernel.forms[0].fn);
  const QuantizedRows q = problem.quantized();
  const std::vector<double> magnitudes = problem.Magnitudes(kernel.activations);
  std::vector<float> w(static_cast<std::size_t>(inputs));
  for (std::int64_t n = 0; n < outputs; ++n) {
    problem.Decode(n, w.data());
    for (std::int64_t m = 0; m < rows; ++m) {
      double sum = 0;
      for (std::int64_t k = 0; k < inputs; ++k) {
        const double x = kernel.activations == Activations::kF32
                             ? problem.x()[m * inputs + k]
                             : static_cast<double>(q.q[m * q.stride_groups * kGroup + k]) *
                                   q.scale[k / kGroup * q.stride_rows + m];
        sum += x * w[static_cast<std::size_t>(k)];
      }
      // (The decoded weights were rounded to f32 once or twice more than the reference's.)
      const auto at = static_cast<std::size_t>(m * outputs + n);
      EXPECT_NEAR(y[at], sum, 3 * 0x1p-24 * magnitudes[at]) << NameOf(kernel, levels);
    }
  }
}

TEST_P(EveryLinearKernel, MultipliesTheDecodedMatrixByTheActivations) {
  std::mt19937_64 random(TestSeed());
  for (const int levels : LevelCounts(**FindCodec(GetParam().codec))) {
    ExpectTheProductWithTheDecodedMatrix(GetParam(), levels, random);
  }
}

TEST_P(EveryLinearKernel, ListsItsFormsSlowestFirstStartingWithTheReference) {
  const std::span<const LinearForm> forms = GetParam().forms;
  EXPECT_EQ(forms[0].isa, Isa::kReference);
  for (std::size_t i = 0; i < forms.size(); ++i) {
    EXPECT_TRUE(i == 0 || forms[i - 1].isa < forms[i].isa);
    EXPECT_EQ(forms[i].name, IsaName(forms[i].isa));
  }
}

// (An AVX-512 processor that lacks AVX-VNNI must not be given its form.)
TEST_P(EveryLinearKernel, HasAFormOfAvx512WhereItHasOneOfAvxVnni) {
  const auto has = [&](Isa isa) {
    return std::ranges::any_of(GetParam().forms, [&](const auto& form) { return form.isa == isa; });
  };
  EXPECT_TRUE(has(Isa::kAvx512) || !has(Isa::kAvxVnni));
}

TEST_P(EveryLinearKernel, IsFoundByItsCodecInTheFormThatWasAskedFor) {
  const Codec& codec = **FindCodec(GetParam().codec);
  for (const LinearForm& form : GetParam().forms) {
    const Result<Linear> linear = FindLinear(codec, form.isa);
    ASSERT_TRUE(linear.ok());
    EXPECT_EQ(linear->fn, form.fn);
    EXPECT_EQ(linear->activations, form.reads_split ? Activations::kSplit : GetParam().activations);
  }
}

INSTANTIATE_TEST_SUITE_P(Codec, EveryLinearKernel,
                         testing::ValuesIn(LinearKernels().begin(), LinearKernels().end()),
                         [](const auto& info) {
                           return std::string(
                               info.param.codec.substr(0, info.param.codec.find('.')));
                         });

TEST(LinearKernels, ExistForEveryCodecInItsOrder) {
  ASSERT_EQ(LinearKernels().size(), AllCodecs().size());
  for (std::size_t i = 0; i < AllCodecs().size(); ++i) {
    EXPECT_EQ(LinearKernels()[i].codec, AllCodecs()[i]->name);
  }
}

TEST(LinearKernels, OfAnUnknownCodecAreANamedError) {
  Codec other = **FindCodec("q4");
  other.name = "q3.1";
  const Result<Linear> linear = FindLinear(other, Isa::kReference);
  ASSERT_FALSE(linear.ok());
  EXPECT_EQ(linear.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(linear.error().message, testing::HasSubstr("q3.1"));
}

}  // namespace
}  // namespace ashlar::linear_test
