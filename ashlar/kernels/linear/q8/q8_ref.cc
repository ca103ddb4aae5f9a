#include <cstring>

#include "ashlar/codec/q8/layout.h"
#include "ashlar/kernels/linear/q8/q8_forms.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {

// y[m, n] = sum_g wscale[n, g] xscale[m, g] sum_i qw[n, g, i] qx[m, g, i]: the inner sum in
// integers, the outer in double from g = 0 up.
void LinearQ8Reference(const LinearArgs& args) noexcept {
  const QuantizedRows& x = args.x_quantized;
  for (std::int64_t m = 0; m < args.rows; ++m) {
    for (std::int64_t n = args.output_begin; n < args.output_end; ++n) {
      const std::byte* tile =
          args.weights + static_cast<std::uint64_t>(n / Q8Layout::kOutputs) * args.band_stride;
      const std::int64_t o = n % Q8Layout::kOutputs;
      double sum = 0;
      for (std::int64_t g = 0; g < args.inputs / kGroup; ++g, tile += Q8Layout::kTileBytes) {
        std::uint16_t scale;
        std::memcpy(&scale, tile + 2 * o, sizeof scale);
        const std::int8_t* qx = x.q + (m * x.stride_groups + g) * kGroup;
        std::int32_t dot = 0;
        for (int i = 0; i < kGroup; ++i) {
          const std::byte code =
              tile[Q8Layout::kScaleBytes + i / 4 * Q8Layout::kQuadBytes + 4 * o + i % 4];
          dot += (std::to_integer<std::int32_t>(code) - Q8Layout::kBias) * qx[i];
        }
        sum += static_cast<double>(F16ToF32(scale)) * x.scale[g * x.stride_rows + m] * dot;
      }
      args.y[m * args.y_stride + n] = static_cast<float>(sum);
    }
  }
}

}  // namespace ashlar
