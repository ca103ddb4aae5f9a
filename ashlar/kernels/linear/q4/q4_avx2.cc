#include "ashlar/codec/q4/layout.h"
#include "ashlar/kernels/linear/q4/q4_forms.h"
#include "ashlar/kernels/linear/quantized_avx2.h"
#include "ashlar/kernels/linear/quantized_simd.h"

namespace ashlar::avx2 {
namespace {

struct Q4Tile : NibblesTile {
  using Layout = Q4Layout;

  template <int kVectors>
  static void Load(const std::byte* quad, int part, Weights (&w)[kVectors]) {
    ASHLAR_UNROLL
    for (int h = 0; h < kVectors / 2; ++h) {
      Split(_mm256_load_si256(reinterpret_cast<const __m256i*>(quad + 32 * (part + h))), w + 2 * h);
    }
  }
  template <int kVectors>
  static void Finish(const Integers (&sums)[kVectors], std::int32_t x_sum, F32 (&dots)[kVectors]) {
    FinishIn(1, sums, Layout::kBias * x_sum, dots);
  }
};

}  // namespace

void LinearQ4(const LinearArgs& args) noexcept {
  internal::QuantizedLinear<Q4Tile>(args);
}

}  // namespace ashlar::avx2
