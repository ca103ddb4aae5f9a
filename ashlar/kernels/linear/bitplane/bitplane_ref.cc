#include <algorithm>
#include <cstring>

#include "ashlar/codec/bitplane/layout.h"
#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

using Layout = BitplaneLayout;

// Planes are counted from the sign, plane 7, down.
int LevelOfPlane(int plane) {
  return plane < Layout::kFirstPlanes ? 0 : plane - Layout::kFirstPlanes + 1;
}

// Bit `plane` of the code of output o, input i.
int BitOf(const std::byte* tile, int plane, int o, int i) {
  const int quad = i / 4 % 4;
  int line = i / 16;
  int bit = 3 - quad;
  if (plane < Layout::kFirstPlanes) {
    line = 2 * line + quad % 2;
    bit = (quad < 2 ? 3 : 1) - plane;
  }
  const std::byte both = tile[64 * line + 4 * (o % 16) + i % 4];
  return std::to_integer<int>(both >> (o < 16 ? bit : bit + 4) & std::byte{1});
}

}  // namespace

// y[m, n] = factor[n] sum_g scale[n, g] xscale[m, g] sum_i (code[n, g, i] + 1/2 - 2^(p-1)) 2^(1-p)
// qx[m, g, i]: the inner sum in integers, twice as large and before the power of 2; the outer in
// double from g = 0 up.
void LinearBitplaneReference(const LinearArgs& args) noexcept {
  const QuantizedRows& x = args.x_quantized;
  const int planes = Layout::PlanesOf(args.level_count);
  const std::uint64_t header = Layout::HeaderBytes(args.stored_rows);
  const std::int64_t stored_groups = args.stored_columns / Layout::kInputs;
  const double unit = 1.0 / (1 << planes);
  constexpr std::int64_t kRows = 64;  // whose sums are carried side by side
  for (std::int64_t first = 0; first < args.rows; first += kRows) {
    const std::int64_t rows = std::min(kRows, args.rows - first);
    for (std::int64_t n = args.output_begin; n < args.output_end; ++n) {
      const auto band = static_cast<std::uint64_t>(n / Layout::kOutputs);
      const int o = static_cast<int>(n % Layout::kOutputs);
      const auto band_of = [&](int level) {
        return args.levels[level] + header + band * Layout::BandBytes(level, args.stored_columns);
      };
      const std::byte* const scales =
          band_of(0) + stored_groups * Layout::kFirstPlanes * Layout::kTileBytes;
      double sums[kRows] = {};
      for (std::int64_t g = 0; g < args.inputs / kGroup; ++g) {
        std::int32_t twice[kGroup] = {};  // 2 code + 1 - 2^p
        for (int plane = 0; plane < planes; ++plane) {
          const std::byte* const tile =
              plane < Layout::kFirstPlanes
                  ? band_of(0) + g * Layout::kFirstPlanes * Layout::kTileBytes
                  : band_of(LevelOfPlane(plane)) + g * Layout::kTileBytes;
          for (int i = 0; i < kGroup; ++i) {
            twice[i] += BitOf(tile, plane, o, i) << (planes - plane);
          }
        }
        const std::byte both = scales[g * Layout::kScaleBytes + o % 16];
        const auto index = std::to_integer<unsigned>(both >> (o < 16 ? 0 : 4) & std::byte{15});
        for (std::int64_t r = 0; r < rows; ++r) {
          const std::int64_t m = first + r;
          const std::int8_t* const qx = x.q + (m * x.stride_groups + g) * kGroup;
          std::int32_t dot = 0;
          for (int i = 0; i < kGroup; ++i) {
            dot += (twice[i] + 1 - (1 << planes)) * qx[i];
          }
          sums[r] +=
              static_cast<double>(Layout::kScales[index]) * x.scale[g * x.stride_rows + m] * dot;
        }
      }
      std::uint16_t factor;
      std::memcpy(&factor, args.levels[args.level_count - 1] + 2 * n, sizeof factor);
      for (std::int64_t r = 0; r < rows; ++r) {
        args.y[(first + r) * args.y_stride + n] =
            static_cast<float>(static_cast<double>(F16ToF32(factor)) * unit * sums[r]);
      }
    }
  }
}

}  // namespace ashlar
