#include "ashlar/codec/raw/raw.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ashlar/tensor/dtype.h"

// Numbers are stored little-endian and read in place.
static_assert(std::endian::native == std::endian::little);

namespace ashlar {
namespace {

struct F32 {
  using Stored = float;
  static Stored Narrow(float value) { return value; }
  static float Widen(Stored stored) { return stored; }
};

struct F16 {
  using Stored = std::uint16_t;
  // A finite number past the largest half becomes that half: an infinite weight would turn every
  // output into NaN.
  static Stored Narrow(float value) { return F32ToF16(std::clamp(value, -65504.0f, 65504.0f)); }
  static float Widen(Stored stored) { return F16ToF32(stored); }
};

struct BF16 {
  using Stored = std::uint16_t;
  // Rounding reaches infinity only from within half a last place of the largest f32.
  static Stored Narrow(float value) { return F32ToBF16(std::clamp(value, -kLargest, kLargest)); }
  static float Widen(Stored stored) { return BF16ToF32(stored); }
  static constexpr float kLargest = BF16ToF32(0x7f7f);
};

template <class Format>
std::uint64_t BandBytes(std::int64_t columns) {
  return static_cast<std::uint64_t>(columns) * sizeof(typename Format::Stored);
}

template <class Format>
void Encode(const float* values, std::int64_t rows, std::int64_t columns, std::byte* out) {
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    const typename Format::Stored stored = Format::Narrow(values[i]);
    std::memcpy(out + i * static_cast<std::int64_t>(sizeof stored), &stored, sizeof stored);
  }
}

template <class Format>
void Decode(const std::byte* packed, std::int64_t columns, std::int64_t row_begin,
            std::int64_t row_end, float* values) {
  const std::byte* from =
      packed + static_cast<std::uint64_t>(row_begin) * BandBytes<Format>(columns);
  for (std::int64_t i = 0; i < (row_end - row_begin) * columns; ++i) {
    typename Format::Stored stored;
    std::memcpy(&stored, from + i * static_cast<std::int64_t>(sizeof stored), sizeof stored);
    values[i] = Format::Widen(stored);
  }
}

}  // namespace

constinit const Codec kRawF32{
    .name = "f32.1",
    .short_name = "f32",
    .row_unit = 1,
    .column_unit = 1,
    .vectors = true,
    .bits_per_weight = 32,
    .max_rms_error = 0,
    .band_bytes = BandBytes<F32>,
    .encode = Encode<F32>,
    .decode = Decode<F32>,
    .check = nullptr,
};

constinit const Codec kRawF16{
    .name = "f16.1",
    .short_name = "f16",
    .row_unit = 1,
    .column_unit = 1,
    .vectors = true,
    .bits_per_weight = 16,
    .max_rms_error = 2.5e-4f,  // a uniform error of half a last place, 2^-12 to 2^-11 of the number
    .band_bytes = BandBytes<F16>,
    .encode = Encode<F16>,
    .decode = Decode<F16>,
    .check = nullptr,
};

constinit const Codec kRawBF16{
    .name = "bf16.1",
    .short_name = "bf16",
    .row_unit = 1,
    .column_unit = 1,
    .vectors = true,
    .bits_per_weight = 16,
    .max_rms_error = 2e-3f,  // eight times that of f16: three fraction bits fewer
    .band_bytes = BandBytes<BF16>,
    .encode = Encode<BF16>,
    .decode = Decode<BF16>,
    .check = nullptr,
};

}  // namespace ashlar
