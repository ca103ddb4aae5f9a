#include "ashlar/kernels/linear/linear.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/codec/gguf/testing_blocks.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"

namespace ashlar {
namespace {

constexpr float kGuard = -12345.0f;

template <class T>
class Aligned {
 public:
  explicit Aligned(std::int64_t count)
      : count_(count), bytes_(new (std::align_val_t{64}) T[static_cast<std::size_t>(count)]()) {}
  T* data() { return bytes_.get(); }
  std::int64_t count() const { return count_; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::int64_t count_;
  std::unique_ptr<T[], Free> bytes_;
};

std::vector<std::byte*> LevelsOf(const Codec& codec, const Shape& shape, std::byte* packed) {
  std::vector<std::byte*> levels;
  for (int level = 0; level < codec.levels(); ++level) {
    levels.push_back(packed);
    packed += *LevelBytes(codec, shape, level);
  }
  return levels;
}

// A matrix in a codec's packed form, and rows to multiply it by in both formats of activations.
// Both may be wider than the product: `stored_inputs` and `x_stride` reach past `inputs`.
class Problem {
 public:
  struct Size {
    std::int64_t rows;
    std::int64_t inputs;
    std::int64_t outputs;
    std::int64_t stored_inputs = 0;  // 0: inputs
    std::int64_t x_offset = 0;       // floats that x is off alignment
    int levels = 1;                  // that are multiplied with, of a residual codec
  };

  Problem(const Codec& codec, Size size, std::mt19937_64& random)
      : codec_(codec),
        size_(size),
        stored_inputs_(std::max(size.stored_inputs, size.inputs)),
        shape_(ShapeOfQuantized(size.rows, (stored_inputs_ + kGroup - 1) / kGroup * kGroup)),
        weights_(static_cast<std::int64_t>(*PackedBytes(codec, {size.outputs, stored_inputs_}))),
        levels_(LevelsOf(codec, {size.outputs, stored_inputs_}, weights_.data())),
        x_(size.x_offset + size.rows * stored_inputs_),
        q_(shape_.q_count),
        scale_(shape_.scale_count),
        sum_(shape_.scale_count) {
    // What stands behind the last row may be read, and must not matter.
    std::fill_n(scale_.data(), scale_.count(), std::numeric_limits<float>::quiet_NaN());
    // One weight in 16 is an outlier, so that a group's scale is often set by one number.
    std::uniform_real_distribution<float> uniform(-1, 1);
    if (!IsBlockCodec(codec)) {
      std::vector<float> w(static_cast<std::size_t>(size.outputs * stored_inputs_));
      for (float& value : w) {
        value = uniform(random) * (random() % 16 == 0 ? 10.0f : 1.0f);
      }
      if (codec.residual == nullptr) {
        codec.encode(w.data(), size.outputs, stored_inputs_, weights_.data());
      } else {
        codec.residual->encode(w.data(), size.outputs, stored_inputs_,
                               std::span(levels_).first(static_cast<std::size_t>(size.levels)));
      }
    } else {
      const std::vector<std::byte> blocks =
          RandomPacked(BlockCodecOf(codec), size.outputs, stored_inputs_, random);
      std::ranges::copy(blocks, weights_.data());
    }
    for (std::int64_t i = 0; i < x_.count(); ++i) {
      x_.data()[i] = 4 * uniform(random);
    }
    if (size.inputs % kGroup == 0) {
      QuantizeRowsForms()[0].fn(x(), stored_inputs_, size.rows, size.inputs, quantized());
    }
  }

  const Size& size() const { return size_; }
  const float* x() { return x_.data() + size_.x_offset; }
  QuantizedRows quantized() {
    return {q_.data(), scale_.data(), sum_.data(), shape_.stride_groups, shape_.stride_rows};
  }

  std::byte* weights() { return weights_.data(); }
  std::int64_t weight_bytes() const { return weights_.count(); }
  std::span<std::byte* const> levels() const { return levels_; }
  // Row n of the matrix, of all stored inputs.
  void Decode(std::int64_t n, float* values) {
    if (codec_.residual == nullptr) {
      codec_.decode(weights_.data(), stored_inputs_, n, n + 1, values);
    } else {
      const std::vector<const std::byte*> first(levels_.begin(), levels_.begin() + size_.levels);
      codec_.residual->decode(first, size_.outputs, stored_inputs_, n, n + 1, values);
    }
  }
  // Quantized activations of scale 1: of(i) is the i-th of a row.
  template <class Of>
  void SetActivations(const Of& of) {
    for (std::int64_t m = 0; m < size_.rows; ++m) {
      std::int8_t* const row = q_.data() + m * shape_.stride_groups * kGroup;
      for (std::int64_t i = 0; i < size_.inputs; ++i) {
        row[i] = of(i);
      }
      for (std::int64_t g = 0; g < size_.inputs / kGroup; ++g) {
        const std::int64_t at = g * shape_.stride_rows + m;
        scale_.data()[at] = 1;
        sum_.data()[at] = std::accumulate(row + g * kGroup, row + (g + 1) * kGroup, 0);
      }
    }
  }

  LinearArgs Args(float* y, std::int64_t y_stride) {
    const bool residual = codec_.residual != nullptr;
    return {.weights = residual ? nullptr : weights_.data(),
            .band_stride = residual ? 0 : codec_.band_bytes(stored_inputs_),
            .levels = residual ? levels_.data() : nullptr,
            .level_count = size_.levels,
            .stored_rows = size_.outputs,
            .stored_columns = stored_inputs_,
            .inputs = size_.inputs,
            .output_begin = 0,
            .output_end = size_.outputs,
            .rows = size_.rows,
            .x = x(),
            .x_stride = stored_inputs_,
            .x_quantized = quantized(),
            .y = y,
            .y_stride = y_stride};
  }

  std::vector<float> Run(LinearFn fn) {
    std::vector<float> y(static_cast<std::size_t>(size_.rows * size_.outputs), kGuard);
    fn(Args(y.data(), size_.outputs));
    return y;
  }

  // sum_k |x[m, k] w[n, k]| for each (m, n), with what the kernel is given: what a sum's rounding
  // is relative to. Of weights that are a scale and an offset, both count: the largest magnitude of
  // the group stands for each.
  std::vector<double> Magnitudes(Activations activations) {
    std::vector<float> w(static_cast<std::size_t>(stored_inputs_));
    std::vector<double> sums(static_cast<std::size_t>(size_.rows * size_.outputs));
    for (std::int64_t n = 0; n < size_.outputs; ++n) {
      Decode(n, w.data());
      if (rebuilt_from_parts()) {
        for (std::int64_t k = 0; k < stored_inputs_; k += kGroup) {
          const auto group = std::span(w).subspan(static_cast<std::size_t>(k), kGroup);
          float largest = 0;
          for (const float value : group) {
            largest = std::max(largest, std::fabs(value));
          }
          std::ranges::fill(group, 2 * largest);
        }
      }
      for (std::int64_t m = 0; m < size_.rows; ++m) {
        double sum = 0;
        for (std::int64_t k = 0; k < size_.inputs; ++k) {
          const double value = activations == Activations::kF32
                                   ? x()[m * stored_inputs_ + k]
                                   : q_.data()[m * shape_.stride_groups * kGroup + k] *
                                         scale_.data()[k / kGroup * shape_.stride_rows + m];
          sum += std::fabs(value * w[static_cast<std::size_t>(k)]);
        }
        sums[static_cast<std::size_t>(m * size_.outputs + n)] = sum;
      }
    }
    return sums;
  }

 private:
  // Whether a weight is a sum, whose parts may be larger than it.
  bool rebuilt_from_parts() const {
    return IsBlockCodec(codec_) || codec_.short_name == "bitstack";
  }

  const Codec& codec_;
  Size size_;
  std::int64_t stored_inputs_;
  QuantizedShape shape_;
  Aligned<std::byte> weights_;
  std::vector<std::byte*> levels_;  // in weights_
  Aligned<float> x_;
  Aligned<std::int8_t> q_;
  Aligned<float> scale_;
  Aligned<std::int32_t> sum_;
};

// A sum of `terms` products, each addition rounding by 2^-24 of at most `magnitude`. The integer
// kernels' terms are whole groups, each with two more roundings (the scales' product, the
// reference's own result); the raw ones' go through kLanes sums and a tree: never more additions
// than inputs.
double Bound(const Codec& codec, std::int64_t inputs, Activations activations, double magnitude) {
  // Of blocks, a group may have two scales and two offsets.
  const std::int64_t of_group = IsBlockCodec(codec) ? 4 : 1;
  const std::int64_t terms =
      activations == Activations::kF32 ? inputs : of_group * (inputs / kGroup);
  return static_cast<double>(terms + 3) * 0x1p-24 * magnitude;
}

struct Row {
  const LinearKernel* kernel;
  const LinearForm* form;
  int levels;  // of a residual codec; else 1
};
std::string NameOf(const LinearKernel& kernel, int levels) {
  const std::string name(kernel.codec.substr(0, kernel.codec.find('.')));
  return levels == 1 ? name : name + "_levels_" + std::to_string(levels);
}
std::string NameOf(const Row& row) {
  return NameOf(*row.kernel, row.levels) + "_" + std::string(row.form->name);
}
void PrintTo(const Row& row, std::ostream* out) {
  *out << NameOf(row);
}

// The numbers of levels to multiply with: where there are many, some and all of them.
std::vector<int> LevelCounts(const Codec& codec) {
  std::vector<int> counts;
  for (int levels = 1; levels <= codec.levels(); ++levels) {
    if (codec.levels() <= 8 || levels <= 2 || levels == codec.levels()) {
      counts.push_back(levels);
    }
  }
  return counts;
}

std::vector<Row> FastForms() {
  std::vector<Row> rows;
  for (const LinearKernel& kernel : LinearKernels()) {
    for (const LinearForm& form : kernel.forms.subspan(1)) {
      for (const int levels : LevelCounts(**FindCodec(kernel.codec))) {
        rows.push_back({&kernel, &form, levels});
      }
    }
  }
  return rows;
}

class EveryLinearForm : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override {
    if (!Supported(form().isa)) {
      GTEST_SKIP() << "this processor cannot run " << IsaName(form().isa);
    }
  }
  const LinearForm& form() const { return *GetParam().form; }
  const LinearForm& reference() const { return GetParam().kernel->forms[0]; }
  Activations activations() const { return GetParam().kernel->activations; }
  const Codec& codec() const { return **FindCodec(GetParam().kernel->codec); }
  // Numbers of inputs that the codec can hold.
  std::vector<std::int64_t> Inputs() const {
    if (codec().column_unit == 1) {
      return {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 255};
    }
    if (codec().column_unit == 32) {
      return few_sizes() ? std::vector<std::int64_t>{32, 288}
                         : std::vector<std::int64_t>{32, 64, 96, 160, 512};
    }
    return {256, 512};
  }
  // Types of blocks share a body, and numbers of levels do: for each of them, fewer sizes say as
  // much.
  bool few_sizes() const { return IsBlockCodec(codec()) || codec().residual != nullptr; }
  Problem Make(Problem::Size size) {
    size.levels = GetParam().levels;
    return Problem(codec(), size, random_);
  }
  std::vector<std::int64_t> Outputs() const {
    if (few_sizes()) {
      return {1, 17, 33};
    }
    return {1, 3, 4, 7, 8, 16, 17, 31, 32, 33, 64, 70};
  }
  std::vector<std::int64_t> Rows() const {
    if (few_sizes()) {
      return {2, 3, 4, 5, 6, 13};
    }
    std::vector<std::int64_t> rows(35);
    std::iota(rows.begin(), rows.end(), 1);
    return rows;
  }
  // At least so many, and whole units.
  std::int64_t Whole(std::int64_t inputs) const {
    const std::int64_t unit = codec().column_unit;
    return (inputs + unit - 1) / unit * unit;
  }

  void ExpectAgreement(Problem& problem) {
    const Problem::Size& size = problem.size();
    const std::vector<float> expected = problem.Run(reference().fn);
    const std::vector<float> actual = problem.Run(form().fn);
    const std::vector<double> magnitudes = problem.Magnitudes(activations());
    for (std::int64_t m = 0; m < size.rows; ++m) {
      for (std::int64_t n = 0; n < size.outputs; ++n) {
        const auto at = static_cast<std::size_t>(m * size.outputs + n);
        ASSERT_NEAR(expected[at], actual[at],
                    Bound(codec(), size.inputs, activations(), magnitudes[at]))
            << size.rows << " rows, " << size.inputs << " inputs, " << size.outputs
            << " outputs: row " << m << ", output " << n;
      }
    }
  }

  std::mt19937_64 random_{TestSeed()};
};

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
    Problem problem = Make({.rows = rows, .inputs = Whole(64), .outputs = outputs});
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
  for (const std::int64_t inputs : {Inputs().back(), Whole(64)}) {
    for (const std::int64_t outputs : {1, 5, 32, 45, 5 * 32 + 7}) {
      Problem problem = Make({.rows = rows, .inputs = inputs, .outputs = outputs});
      const std::vector<float> whole = problem.Run(form().fn);
      for (std::int64_t first = 0; first < rows; first += few_sizes() ? 9 : 3) {
        for (const std::int64_t count : {1, 2, 3, 4, 5, 6, 7, 16, 17, 33}) {
          if (first + count > rows) {
            continue;
          }
          std::vector<float> y(static_cast<std::size_t>(count * outputs), kGuard);
          LinearArgs args = problem.Args(y.data(), outputs);
          args.rows = count;
          args.x += first * args.x_stride;
          args.x_quantized = FromRow(args.x_quantized, first);
          // Some bands at a time, as threads would: one, or five.
          const std::int64_t step = codec().row_unit * (first % 2 == 0 ? 1 : 5);
          for (std::int64_t begin = 0; begin < outputs; begin += step) {
            args.output_begin = begin;
            args.output_end = std::min<std::int64_t>(outputs, begin + step);
            form().fn(args);
          }
          for (std::int64_t i = 0; i < count * outputs; ++i) {
            ASSERT_EQ(
                std::bit_cast<std::uint32_t>(y[static_cast<std::size_t>(i)]),
                std::bit_cast<std::uint32_t>(whole[static_cast<std::size_t>(first * outputs + i)]))
                << count << " rows from " << first << ", " << inputs << " inputs, output "
                << i % outputs << " of " << outputs;
          }
        }
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

TEST_P(EveryLinearKernel, IsFoundByItsCodecInTheFormThatWasAskedFor) {
  const Codec& codec = **FindCodec(GetParam().codec);
  for (const LinearForm& form : GetParam().forms) {
    const Result<Linear> linear = FindLinear(codec, form.isa);
    ASSERT_TRUE(linear.ok());
    EXPECT_EQ(linear->fn, form.fn);
    EXPECT_EQ(linear->activations, GetParam().activations);
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

// ---- The corners of the integers: every code, and the largest sums.

class EveryIntegerLinearForm : public EveryLinearForm {};

TEST_P(EveryIntegerLinearForm, IsExactOnEveryCodeAndOnTheLargestSums) {
  const std::int64_t inputs = 64;
  const std::int64_t outputs = 64;
  const std::uint64_t bytes = *PackedBytes(codec(), {outputs, inputs});
  Aligned<std::byte> weights(static_cast<std::int64_t>(bytes));
  const std::uint64_t tile_bytes = codec().band_bytes(kGroup);
  constexpr std::int64_t kMostRows = 20;
  constexpr std::int64_t kGroups = 2;
  Aligned<std::int8_t> q(kMostRows * inputs);
  std::vector<float> scale(kMostRows * kGroups + kRowsBeyond, 1);
  std::vector<std::int32_t> sum(kMostRows * kGroups);
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
        for (std::int64_t g = 0; g < kGroups; ++g) {
          const std::int8_t* group = q.data() + m * inputs + g * kGroup;
          sum[static_cast<std::size_t>(g * kMostRows + m)] =
              std::accumulate(group, group + kGroup, 0);
        }
      }
      for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{2}, kMostRows}) {
        std::vector<float> expected(static_cast<std::size_t>(rows * outputs));
        std::vector<float> actual = expected;
        LinearArgs args = {.weights = weights.data(),
                           .band_stride = codec().band_bytes(inputs),
                           .inputs = inputs,
                           .output_begin = 0,
                           .output_end = outputs,
                           .rows = rows,
                           .x_quantized = {q.data(), scale.data(), sum.data(), kGroups, kMostRows},
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

// So which of the two a call took cannot be told from a result.
TEST(IntegerLinearForms, OfAmxAndAvx512GiveTheSameBits) {
  if (!Supported(Isa::kAmx)) {
    GTEST_SKIP() << "this processor cannot run amx";
  }
  std::mt19937_64 random(TestSeed());
  for (const char* name : {"q4", "q8", "bitplane"}) {
    const Codec& codec = **FindCodec(name);
    for (int levels = 1; levels <= codec.levels(); ++levels) {
      for (const std::int64_t rows : {5, 16, 21, 48}) {
        Problem problem(
            codec, {.rows = rows, .inputs = 33 * kGroup, .outputs = 75, .levels = levels}, random);
        const std::vector<float> amx = problem.Run(FindLinear(codec, Isa::kAmx)->fn);
        const std::vector<float> avx512 = problem.Run(FindLinear(codec, Isa::kAvx512)->fn);
        EXPECT_EQ(std::memcmp(amx.data(), avx512.data(), amx.size() * sizeof(float)), 0)
            << name << " with " << levels << " levels, " << rows << " rows";
      }
    }
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
}  // namespace ashlar
