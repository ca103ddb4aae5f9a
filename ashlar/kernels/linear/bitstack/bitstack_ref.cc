#include <algorithm>
#include <cstring>

#include "ashlar/codec/bitstack/layout.h"
#include "ashlar/kernels/linear/bitstack/bitstack_forms.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

using Layout = BitstackLayout;
using StackTile = float[Layout::kOutputs][Layout::kInputs];

float F16At(const std::byte* at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return F16ToF32(bits);
}

// The weights of a band's group, rebuilt from all levels: a matrix is never whole.
void RebuildTile(const LinearArgs& args, std::int64_t band, std::int64_t group, StackTile& w) {
  std::memset(w, 0, sizeof w);
  for (int level = 0; level < args.level_count; ++level) {
    const std::byte* const packed = args.levels[level];
    const std::byte* const v = packed + group * Layout::kInputs * Layout::kRank * 2;
    float of_input[Layout::kRank][Layout::kInputs];
    for (int i = 0; i < Layout::kInputs; ++i) {
      for (int r = 0; r < Layout::kRank; ++r) {
        of_input[r][i] = F16At(v + (i * Layout::kRank + r) * 2);
      }
    }
    const std::byte* const u =
        packed + Layout::HeaderBytes(level, args.stored_columns) +
        static_cast<std::uint64_t>(band) * Layout::BandBytes(args.stored_columns);
    const std::byte* const signs = u + Layout::kOutputBytes + group * Layout::kTileBytes;
    for (int o = 0; o < Layout::kOutputs; ++o) {
      float magnitude[Layout::kInputs] = {};
      for (int r = 0; r < Layout::kRank; ++r) {
        const float of_output = F16At(u + (o * Layout::kRank + r) * 2);
        for (int i = 0; i < Layout::kInputs; ++i) {
          magnitude[i] += of_output * of_input[r][i];
        }
      }
      for (int i = 0; i < Layout::kInputs; ++i) {
        const int bit = 64 * (8 * (o / 16) + i / 4) + 4 * (o % 16) + i % 4;
        const bool positive = (signs[bit / 8] >> bit % 8 & std::byte{1}) != std::byte{0};
        w[o][i] += positive ? magnitude[i] : -magnitude[i];
      }
    }
  }
  const std::byte* const scales =
      args.levels[0] + Layout::ScalesAt(args.stored_columns) + group * Layout::kInputs * 2;
  for (int i = 0; i < Layout::kInputs; ++i) {
    const float scale = F16At(scales + 2 * i);
    for (int o = 0; o < Layout::kOutputs; ++o) {
      w[o][i] *= scale;
    }
  }
}

}  // namespace

// y[m, n] = sum_k x[m, k] w[n, k], summed in double from k = 0 up.
void LinearBitstackReference(const LinearArgs& args) noexcept {
  constexpr std::int64_t kRows = 64;  // whose sums are carried side by side
  for (std::int64_t first = 0; first < args.rows; first += kRows) {
    const std::int64_t rows = std::min(kRows, args.rows - first);
    for (std::int64_t begin = args.output_begin; begin < args.output_end;
         begin += Layout::kOutputs) {
      const std::int64_t outputs =
          std::min<std::int64_t>(Layout::kOutputs, args.output_end - begin);
      double sums[kRows][Layout::kOutputs] = {};
      for (std::int64_t g = 0; g < args.inputs / Layout::kInputs; ++g) {
        StackTile w;
        RebuildTile(args, begin / Layout::kOutputs, g, w);
        for (std::int64_t r = 0; r < rows; ++r) {
          const float* const x = args.x + (first + r) * args.x_stride + g * Layout::kInputs;
          for (std::int64_t o = 0; o < outputs; ++o) {
            double sum = sums[r][o];
            for (int i = 0; i < Layout::kInputs; ++i) {
              sum += static_cast<double>(x[i]) * w[o][i];
            }
            sums[r][o] = sum;
          }
        }
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t o = 0; o < outputs; ++o) {
          args.y[(first + r) * args.y_stride + begin + o] = static_cast<float>(sums[r][o]);
        }
      }
    }
  }
}

}  // namespace ashlar
