#include "ashlar/formats/internal/fp8_source.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "ashlar/base/join.h"

namespace ashlar::internal {
namespace {

float ValueOfCode(int code) {
  constexpr int kBias = 7;
  constexpr int kFractionBits = 3;
  const int exponent = code >> kFractionBits & 15;
  const int fraction = code & 7;
  if (exponent == 15 && fraction == 7) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  const float size =
      exponent == 0
          ? std::ldexp(static_cast<float>(fraction), 1 - kBias - kFractionBits)
          : std::ldexp(static_cast<float>(fraction + 8), exponent - kBias - kFractionBits);
  return code >= 128 ? -size : size;
}

std::array<float, 256> ValuesOfCodes() {
  std::array<float, 256> values{};
  for (int code = 0; code < 256; ++code) {
    values[static_cast<std::size_t>(code)] = ValueOfCode(code);
  }
  return values;
}

std::int64_t RoundedUp(std::int64_t count, std::int64_t by) {
  return (count + by - 1) / by;
}

float ScaleAt(const SafetensorsEntry& scales, std::size_t index) {
  if (scales.dtype == "F32") {
    float scale = 0;
    std::memcpy(&scale, scales.bytes.data() + index * sizeof scale, sizeof scale);
    return scale;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, scales.bytes.data() + index * sizeof bits, sizeof bits);
  return BF16ToF32(bits);
}

}  // namespace

std::string Fp8ScalesName(std::string_view tensor) {
  return fmt::format("{}_scale_inv", tensor);
}

Result<Fp8Source> FindFp8(const SafetensorsEntry& codes, const SafetensorsEntry& scales,
                          const Fp8Blocks& blocks) {
  if (codes.shape.size() != 2) {
    return Invalid("tensor \"{}\" has shape [{}]; in FP8 with blocks it must be a matrix",
                   codes.name, Join(codes.shape, ", "));
  }
  const std::vector<std::int64_t> wanted = {RoundedUp(codes.shape[0], blocks.rows),
                                            RoundedUp(codes.shape[1], blocks.columns)};
  if (scales.shape != wanted) {
    return Invalid("tensor \"{}\" has shape [{}], but blocks of {} x {} make it [{}]", scales.name,
                   Join(scales.shape, ", "), blocks.rows, blocks.columns, Join(wanted, ", "));
  }
  if (scales.dtype != "F32" && scales.dtype != "BF16") {
    return Unsupported("tensor \"{}\" is {}; scales of FP8 can be F32 and BF16", scales.name,
                       scales.dtype);
  }
  return Fp8Source{&codes, &scales, blocks};
}

std::vector<std::byte> Fp8Source::ToBF16() const {
  const std::array<float, 256> values = ValuesOfCodes();
  const std::int64_t rows = codes->shape[0];
  const std::int64_t columns = codes->shape[1];
  const std::int64_t blocks_across = scales->shape[1];
  std::vector<std::byte> out(codes->bytes.size() * sizeof(std::uint16_t));
  const std::byte* code = codes->bytes.data();
  std::byte* to = out.data();
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t begin = 0; begin < columns; begin += blocks.columns) {
      const float scale = ScaleAt(
          *scales,
          static_cast<std::size_t>(row / blocks.rows * blocks_across + begin / blocks.columns));
      const std::int64_t end = std::min(columns, begin + blocks.columns);
      for (std::int64_t column = begin; column < end; ++column, ++code, to += 2) {
        const std::uint16_t bits = F32ToBF16(values[std::to_integer<std::size_t>(*code)] * scale);
        std::memcpy(to, &bits, sizeof bits);
      }
    }
  }
  return out;
}

}  // namespace ashlar::internal
