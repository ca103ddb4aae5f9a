#include <cstring>

#include "ashlar/kernels/linear/raw/raw_forms.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

// y[m, n] = sum_k x[m, k] w[n, k], summed in double from k = 0 up.
template <class Stored, class Widen>
void Reference(const LinearArgs& args, Widen widen) {
  for (std::int64_t m = 0; m < args.rows; ++m) {
    for (std::int64_t n = args.output_begin; n < args.output_end; ++n) {
      const std::byte* w = args.weights + static_cast<std::uint64_t>(n) * args.band_stride;
      double sum = 0;
      for (std::int64_t k = 0; k < args.inputs; ++k) {
        Stored stored;
        std::memcpy(&stored, w + k * static_cast<std::int64_t>(sizeof stored), sizeof stored);
        sum += static_cast<double>(args.x[m * args.x_stride + k]) * widen(stored);
      }
      args.y[m * args.y_stride + n] = static_cast<float>(sum);
    }
  }
}

}  // namespace

void LinearF32Reference(const LinearArgs& args) noexcept {
  Reference<float>(args, [](float w) { return w; });
}
void LinearF16Reference(const LinearArgs& args) noexcept {
  Reference<std::uint16_t>(args, F16ToF32);
}
void LinearBF16Reference(const LinearArgs& args) noexcept {
  Reference<std::uint16_t>(args, BF16ToF32);
}

}  // namespace ashlar
