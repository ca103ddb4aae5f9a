// What the tests of the linear kernels share: a product to compute, and the fixture of those that
// run over all forms.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/codec/gguf/testing_blocks.h"
#include "ashlar/kernels/linear/linear.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"
#include "ashlar/kernels/split_rows/split_rows.h"

namespace ashlar::linear_test {

inline constexpr float kGuard = -12345.0f;

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

inline std::vector<std::byte*> LevelsOf(const Codec& codec, const Shape& shape, std::byte* packed) {
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
        sum_(shape_.scale_count),
        split_shape_(ShapeOfSplit(size.rows, size.inputs)),
        pairs_(split_shape_.pair_count) {
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
  float* x() { return x_.data() + size_.x_offset; }
  QuantizedRows quantized() {
    return {q_.data(), scale_.data(), sum_.data(), shape_.stride_groups, shape_.stride_rows};
  }

  // As x is now.
  SplitRows split() {
    const SplitRows view = {pairs_.data(), split_shape_.blocks, split_shape_.tile_rows, 0};
    SplitRowsForms()[0].fn(x(), stored_inputs_, size_.rows, size_.inputs, 0, split_shape_.tiles,
                           view);
    return view;
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
            .x_split = split(),
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
  SplitShape split_shape_;
  Aligned<std::uint32_t> pairs_;
};

// A sum of `terms` products, each addition rounding by 2^-24 of at most `magnitude`. The integer
// kernels' terms are whole groups, each with two more roundings (the scales' product, the
// reference's own result); the raw ones' go through kLanes sums and a tree: never more additions
// than inputs.
inline double Bound(const Codec& codec, std::int64_t inputs, Activations activations,
                    double magnitude) {
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
inline std::string NameOf(const LinearKernel& kernel, int levels) {
  const std::string name(kernel.codec.substr(0, kernel.codec.find('.')));
  return levels == 1 ? name : name + "_levels_" + std::to_string(levels);
}
inline std::string NameOf(const Row& row) {
  return NameOf(*row.kernel, row.levels) + "_" + std::string(row.form->name);
}
inline void PrintTo(const Row& row, std::ostream* out) {
  *out << NameOf(row);
}

// The numbers of levels to multiply with: where there are many, some and all of them.
inline std::vector<int> LevelCounts(const Codec& codec) {
  std::vector<int> counts;
  for (int levels = 1; levels <= codec.levels(); ++levels) {
    if (codec.levels() <= 8 || levels <= 2 || levels == codec.levels()) {
      counts.push_back(levels);
    }
  }
  return counts;
}

inline std::vector<Row> FastForms() {
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

}  // namespace ashlar::linear_test
