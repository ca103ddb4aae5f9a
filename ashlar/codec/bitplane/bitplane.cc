#include "ashlar/codec/bitplane/bitplane.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ashlar/codec/bitplane/layout.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

using Layout = BitplaneLayout;

// Planes are counted from the sign, plane 7, down.
constexpr int LevelOf(int plane) {
  return std::max(0, plane - (Layout::kFirstPlanes - 1));
}

// Which byte of a group's tile, and which bit of it, has output o, input i of a plane.
struct BitPlace {
  std::uint64_t byte;
  int bit;
};
constexpr BitPlace PlaceOf(int plane, int o, int i) {
  const int quad = i % 16 / 4;
  const bool pair = plane < Layout::kFirstPlanes;
  const int line = pair ? 2 * (i / 16) + quad % 2 : i / 16;
  const int bit = pair ? 3 - plane - quad / 2 * 2 : 3 - quad;
  return {static_cast<std::uint64_t>(64 * line + 4 * (o % 16) + i % 4), bit + 4 * (o / 16)};
}

// Where a group's tile lies, counted from the begin of the band in its level.
constexpr std::uint64_t TileAt(int plane, std::int64_t group) {
  return static_cast<std::uint64_t>(group) * (plane < Layout::kFirstPlanes
                                                  ? Layout::kFirstPlanes * Layout::kTileBytes
                                                  : Layout::kTileBytes);
}
constexpr std::uint64_t ScalesAt(std::int64_t groups, std::int64_t group) {
  return static_cast<std::uint64_t>(groups) * Layout::kFirstPlanes * Layout::kTileBytes +
         static_cast<std::uint64_t>(group) * Layout::kScaleBytes;
}

std::uint64_t HeaderBytes(int, std::int64_t rows, std::int64_t) {
  return Layout::HeaderBytes(rows);
}

std::uint64_t BandBytes(int level, std::int64_t columns) {
  return Layout::BandBytes(level, columns);
}

float FactorOf(const std::byte* level, std::int64_t row) {
  std::uint16_t bits;
  std::memcpy(&bits, level + 2 * row, sizeof bits);
  return F16ToF32(bits);
}

void Decode(std::span<const std::byte* const> packed, std::int64_t rows, std::int64_t columns,
            std::int64_t row_begin, std::int64_t row_end, float* values) {
  const int planes = Layout::PlanesOf(static_cast<int>(packed.size()));
  const std::int64_t groups = columns / Layout::kInputs;
  const std::uint64_t header = Layout::HeaderBytes(rows);
  for (std::int64_t row = row_begin; row < row_end; ++row) {
    const auto band = static_cast<std::uint64_t>(row / Layout::kOutputs);
    const int o = static_cast<int>(row % Layout::kOutputs);
    const float factor = FactorOf(packed.back(), row);
    for (std::int64_t g = 0; g < groups; ++g) {
      const std::byte* const first = packed[0] + header + band * Layout::BandBytes(0, columns);
      const std::byte both = first[ScalesAt(groups, g) + static_cast<std::uint64_t>(o % 16)];
      const auto index = static_cast<unsigned>(both >> (o < 16 ? 0 : 4) & std::byte{15});
      const float scale = factor * Layout::kScales[index];
      int codes[Layout::kInputs] = {};
      for (int plane = 0; plane < planes; ++plane) {
        const int level = LevelOf(plane);
        const std::byte* const tile = packed[static_cast<std::size_t>(level)] + header +
                                      band * Layout::BandBytes(level, columns) + TileAt(plane, g);
        for (int i = 0; i < Layout::kInputs; ++i) {
          const BitPlace place = PlaceOf(plane, o, i);
          codes[i] = 2 * codes[i] + static_cast<int>(tile[place.byte] >> place.bit & std::byte{1});
        }
      }
      for (const int code : codes) {
        *values++ = scale * BitplaneValue(code, planes);
      }
    }
  }
}

}  // namespace

float BitplaneValue(int code, int planes) {
  return std::ldexp(static_cast<float>(code) + 0.5f - std::ldexp(1.0f, planes - 1), 1 - planes);
}

void ClearBitplanes(std::int64_t rows, std::int64_t columns, std::span<std::byte* const> levels) {
  const auto bands = static_cast<std::uint64_t>((rows - 1) / Layout::kOutputs + 1);
  for (std::size_t level = 0; level < levels.size(); ++level) {
    std::memset(
        levels[level], 0,
        Layout::HeaderBytes(rows) + bands * Layout::BandBytes(static_cast<int>(level), columns));
  }
}

void PutBitplaneRow(const BitplaneRow& parts, std::int64_t rows, std::int64_t columns,
                    std::int64_t row, std::span<std::byte* const> levels) {
  const std::int64_t groups = columns / Layout::kInputs;
  const std::uint64_t header = Layout::HeaderBytes(rows);
  const auto band = static_cast<std::uint64_t>(row / Layout::kOutputs);
  const int o = static_cast<int>(row % Layout::kOutputs);
  const int planes = Layout::PlanesOf(static_cast<int>(levels.size()));
  for (std::int64_t g = 0; g < groups; ++g) {
    levels[0][header + band * Layout::BandBytes(0, columns) + ScalesAt(groups, g) +
              static_cast<std::uint64_t>(o % 16)] |=
        static_cast<std::byte>(parts.scales[static_cast<std::size_t>(g)]) << (o < 16 ? 0 : 4);
    for (int plane = 0; plane < planes; ++plane) {
      const int level = LevelOf(plane);
      std::byte* const tile = levels[static_cast<std::size_t>(level)] + header +
                              band * Layout::BandBytes(level, columns) + TileAt(plane, g);
      for (int i = 0; i < Layout::kInputs; ++i) {
        const int code = parts.codes[static_cast<std::size_t>(g * Layout::kInputs + i)];
        const BitPlace place = PlaceOf(plane, o, i);
        tile[place.byte] |= static_cast<std::byte>(code >> (7 - plane) & 1) << place.bit;
      }
    }
  }
  for (std::size_t level = 0; level < levels.size(); ++level) {
    const std::uint16_t factor = F32ToF16(std::clamp(parts.factors[level], -65504.0f, 65504.0f));
    std::memcpy(levels[level] + 2 * row, &factor, sizeof factor);
  }
}

namespace {

// Rounds to the nearest code of 8 bits: the factor is an output's largest magnitude, a group's
// scale the smallest that reaches its own. Each level's factor is then its regression.
void Encode(const float* values, std::int64_t rows, std::int64_t columns,
            std::span<std::byte* const> out) {
  const std::int64_t groups = columns / Layout::kInputs;
  ClearBitplanes(rows, columns, out);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(columns));
  std::vector<std::uint8_t> scales(static_cast<std::size_t>(groups));
  std::vector<float> factors(out.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* const x = values + row * columns;
    float largest = 0;
    for (std::int64_t k = 0; k < columns; ++k) {
      largest = std::max(largest, std::min(std::fabs(x[k]), 65504.0f));
    }
    for (std::int64_t g = 0; g < groups; ++g) {
      float most = 0;
      for (int i = 0; i < Layout::kInputs; ++i) {
        most = std::max(most, std::fabs(x[g * Layout::kInputs + i]));
      }
      int index = 15;
      while (index > 0 && largest * Layout::kScales[index - 1] >= most) {
        --index;
      }
      scales[static_cast<std::size_t>(g)] = static_cast<std::uint8_t>(index);
      const float unit = largest * Layout::kScales[index];
      for (int i = 0; i < Layout::kInputs; ++i) {
        const std::int64_t k = g * Layout::kInputs + i;
        const float steps = unit > 0 ? x[k] / unit * 128.0f : 0.0f;
        codes[static_cast<std::size_t>(k)] =
            static_cast<std::uint8_t>(std::clamp(std::floor(steps), -128.0f, 127.0f) + 128.0f);
      }
    }
    for (std::size_t level = 0; level < out.size(); ++level) {
      const int planes = Layout::PlanesOf(static_cast<int>(level) + 1);
      double xq = 0;
      double qq = 0;
      for (std::int64_t k = 0; k < columns; ++k) {
        const float q =
            Layout::kScales[scales[static_cast<std::size_t>(k / Layout::kInputs)]] *
            BitplaneValue(codes[static_cast<std::size_t>(k)] >> (Layout::kPlanes - planes), planes);
        xq += static_cast<double>(q) * x[k];
        qq += static_cast<double>(q) * q;
      }
      factors[level] = static_cast<float>(largest > 0 ? xq / qq : 0);
    }
    PutBitplaneRow({codes, scales, factors}, rows, columns, row, out);
  }
}

Status Check(int, std::span<const std::byte> packed, std::int64_t rows, std::int64_t) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const float factor = FactorOf(packed.data(), row);
    if (!std::isfinite(factor)) {
      return Corrupt("the factor of row {} is {}", row, std::isnan(factor) ? "NaN" : "infinite");
    }
  }
  return {};
}

constexpr Residual kLevelsOfPlanes{
    .levels = Layout::kLevels,
    .header_bytes = HeaderBytes,
    .band_bytes = BandBytes,
    .encode = Encode,
    .decode = Decode,
    .check = Check,
};

}  // namespace

constinit const Codec kBitplane{
    .name = "bitplane.1",
    .short_name = "bitplane",
    .row_unit = Layout::kOutputs,
    .column_unit = Layout::kInputs,
    .vectors = false,
    .bits_per_weight = 8.125f,  // and 16 for each output and level
    .max_rms_error = 0.009f,
    .band_bytes = nullptr,
    .encode = nullptr,
    .decode = nullptr,
    .check = nullptr,
    .residual = &kLevelsOfPlanes,
};

}  // namespace ashlar
