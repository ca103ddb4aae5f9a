#include "ashlar/codec/bitstack/bitstack.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "ashlar/codec/bitstack/layout.h"
#include "ashlar/codec/bitstack/low_rank.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

using Layout = BitstackLayout;

float LoadF16(const std::byte* at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return F16ToF32(bits);
}

// Stores the nearest finite f16, and returns it.
float StoreF16(float value, std::byte* at) {
  const std::uint16_t bits = F32ToF16(std::clamp(value, -65504.0f, 65504.0f));
  std::memcpy(at, &bits, sizeof bits);
  return F16ToF32(bits);
}

std::uint64_t HeaderBytes(int level, std::int64_t, std::int64_t columns) {
  return Layout::HeaderBytes(level, columns);
}

std::uint64_t BandBytes(int, std::int64_t columns) {
  return Layout::BandBytes(columns);
}

// Where an output's part of a level lies.
struct StackedOutput {
  const std::byte* u;
  const std::byte* tiles;
  int o;  // in its band

  bool Positive(std::int64_t k) const {
    const int i = static_cast<int>(k % Layout::kInputs);
    const int in_word = 4 * (o % 16) + i % 4;
    const std::byte* const tile = tiles + k / Layout::kInputs * Layout::kTileBytes;
    const std::byte byte = tile[8 * (8 * (o / 16) + i / 4) + in_word / 8];
    return (byte >> (in_word % 8) & std::byte{1}) != std::byte{0};
  }
};
StackedOutput OutputOf(const std::byte* packed, int level, std::int64_t columns, std::int64_t row) {
  const int o = static_cast<int>(row % Layout::kOutputs);
  const std::byte* const band =
      packed + Layout::HeaderBytes(level, columns) +
      static_cast<std::uint64_t>(row / Layout::kOutputs) * Layout::BandBytes(columns);
  return {band + o * Layout::kRank * 2, band + Layout::kOutputBytes, o};
}

void LoadRow(const std::byte* at, float (&row)[Layout::kRank]) {
  for (int r = 0; r < Layout::kRank; ++r) {
    row[r] = LoadF16(at + 2 * r);
  }
}

// values[columns] += what a level has of a row, with all of its V as f32; before scales.
void AddLevel(const StackedOutput& output, const std::vector<float>& v, float sign, float* values) {
  float u[Layout::kRank];
  LoadRow(output.u, u);
  for (std::size_t k = 0; k < v.size() / Layout::kRank; ++k) {
    float magnitude = 0;
    for (int r = 0; r < Layout::kRank; ++r) {
      magnitude += u[r] * v[k * Layout::kRank + static_cast<std::size_t>(r)];
    }
    values[k] +=
        output.Positive(static_cast<std::int64_t>(k)) ? sign * magnitude : -sign * magnitude;
  }
}

std::vector<float> LoadV(const std::byte* packed, std::int64_t columns) {
  std::vector<float> v(static_cast<std::size_t>(columns) * Layout::kRank);
  for (std::size_t i = 0; i < v.size(); ++i) {
    v[i] = LoadF16(packed + 2 * i);
  }
  return v;
}

void Decode(std::span<const std::byte* const> packed, std::int64_t, std::int64_t columns,
            std::int64_t row_begin, std::int64_t row_end, float* values) {
  std::fill(values, values + (row_end - row_begin) * columns, 0.0f);
  for (std::size_t level = 0; level < packed.size(); ++level) {
    const std::vector<float> v = LoadV(packed[level], columns);
    for (std::int64_t row = row_begin; row < row_end; ++row) {
      AddLevel(OutputOf(packed[level], static_cast<int>(level), columns, row), v, 1.0f,
               values + (row - row_begin) * columns);
    }
  }
  const std::byte* const scales = packed[0] + Layout::ScalesAt(columns);
  for (std::int64_t row = row_begin; row < row_end; ++row) {
    for (std::int64_t k = 0; k < columns; ++k) {
      *values++ *= LoadF16(scales + 2 * k);
    }
  }
}

class PlainProduct : public MatrixProduct {
 public:
  void Multiply(const float* a, std::int64_t rows, std::int64_t columns, bool transposed,
                const float* x, std::int64_t width, float* out) override {
    std::fill(out, out + (transposed ? columns : rows) * width, 0.0f);
    for (std::int64_t n = 0; n < rows; ++n) {
      for (std::int64_t k = 0; k < columns; ++k) {
        const float share = a[n * columns + k];
        const float* const from = x + (transposed ? n : k) * width;
        float* const to = out + (transposed ? k : n) * width;
        for (std::int64_t i = 0; i < width; ++i) {
          to[i] += share * from[i];
        }
      }
    }
  }
};

void Encode(const float* values, std::int64_t rows, std::int64_t columns,
            std::span<std::byte* const> out) {
  PlainProduct product;
  EncodeBitstack(values, rows, columns, {}, product, out);
}

Status Check(int level, std::span<const std::byte> packed, std::int64_t rows,
             std::int64_t columns) {
  const auto finite = [](const std::byte* at, std::int64_t count, std::string_view what,
                         std::int64_t index) -> Status {
    for (std::int64_t i = 0; i < count; ++i) {
      if (!std::isfinite(LoadF16(at + 2 * i))) {
        return Corrupt("{} of {} {} is no finite number", what,
                       what == "a factor" ? "row" : "column", index < 0 ? i : index);
      }
    }
    return {};
  };
  for (std::int64_t k = 0; k < columns; ++k) {
    ASHLAR_TRY(finite(packed.data() + 2 * k * Layout::kRank, Layout::kRank, "a magnitude", k));
  }
  if (level == 0) {
    ASHLAR_TRY(finite(packed.data() + Layout::ScalesAt(columns), columns, "the scale", -1));
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    ASHLAR_TRY(
        finite(OutputOf(packed.data(), level, columns, row).u, Layout::kRank, "a factor", row));
  }
  return {};
}

constexpr Residual kStackedLevels{
    .levels = Layout::kLevels,
    .header_bytes = HeaderBytes,
    .band_bytes = BandBytes,
    .encode = Encode,
    .decode = Decode,
    .check = Check,
};

}  // namespace

void EncodeBitstack(const float* values, std::int64_t rows, std::int64_t columns,
                    std::span<const float> scales, MatrixProduct& product,
                    std::span<std::byte* const> out) {
  // Weights of large inputs are made large, so that their errors count; the scale undoes it. In
  // units of the geometric mean, so that f16 holds them, and to a thousandth and a thousandfold.
  double logs = 0;
  for (const float scale : scales) {
    logs += std::log(std::max(scale, 1e-30f));
  }
  const double mean = scales.empty() ? 1 : std::exp(logs / static_cast<double>(columns));
  std::vector<float> left(static_cast<std::size_t>(rows * columns));
  const auto bands = static_cast<std::uint64_t>((rows - 1) / Layout::kOutputs + 1);
  for (std::size_t level = 0; level < out.size(); ++level) {
    std::memset(
        out[level], 0,
        Layout::HeaderBytes(static_cast<int>(level), columns) + bands * Layout::BandBytes(columns));
  }
  for (std::int64_t k = 0; k < columns; ++k) {
    const double size =
        scales.empty() ? 1 : std::clamp(scales[static_cast<std::size_t>(k)] / mean, 1e-3, 1e3);
    const float scale =
        StoreF16(static_cast<float>(1 / size), out[0] + Layout::ScalesAt(columns) + 2 * k);
    for (std::int64_t n = 0; n < rows; ++n) {
      left[static_cast<std::size_t>(n * columns + k)] =
          std::clamp(values[n * columns + k], -65504.0f, 65504.0f) / scale;
    }
  }
  std::vector<float> magnitudes(left.size());
  for (std::size_t level = 0; level < out.size(); ++level) {
    std::byte* const packed = out[level];
    for (std::size_t i = 0; i < left.size(); ++i) {
      magnitudes[i] = std::fabs(left[i]);
    }
    const LowRank factors = NearestLowRank(magnitudes.data(), rows, columns, product);
    for (std::size_t i = 0; i < factors.v.size(); ++i) {
      StoreF16(factors.v[i], packed + 2 * i);
    }
    const std::vector<float> v = LoadV(packed, columns);
    for (std::int64_t n = 0; n < rows; ++n) {
      const StackedOutput output = OutputOf(packed, static_cast<int>(level), columns, n);
      const auto at = [&](const std::byte* place) {
        return packed + (place - static_cast<const std::byte*>(packed));
      };
      for (int r = 0; r < Layout::kRank; ++r) {
        StoreF16(factors.u[static_cast<std::size_t>(n * Layout::kRank + r)], at(output.u) + 2 * r);
      }
      float* const row = left.data() + n * columns;
      for (std::int64_t k = 0; k < columns; ++k) {
        if (row[k] >= 0) {
          const int i = static_cast<int>(k % Layout::kInputs);
          const int in_word = 4 * (output.o % 16) + i % 4;
          at(output.tiles)[k / Layout::kInputs * Layout::kTileBytes +
                           8 * (8 * (output.o / 16) + i / 4) + in_word / 8] |= std::byte{1}
                                                                               << (in_word % 8);
        }
      }
      AddLevel(output, v, -1.0f, row);
    }
  }
}

constinit const Codec kBitstack{
    .name = "bitstack.1",
    .short_name = "bitstack",
    .row_unit = Layout::kOutputs,
    .column_unit = Layout::kInputs,
    .vectors = false,
    .bits_per_weight = 16.0f,  // and 256 for each input, output and level
    .max_rms_error = 0.0007f,  // of 100 x 320 numbers; rank 16 holds less of more
    .band_bytes = nullptr,
    .encode = nullptr,
    .decode = nullptr,
    .check = nullptr,
    .residual = &kStackedLevels,
};

}  // namespace ashlar
