#include "ashlar/kernels/linear/q4/q4_forms.h"
#include "ashlar/kernels/linear/q4/q4_tile_avx512.h"
#include "ashlar/kernels/linear/quantized_simd.h"

namespace ashlar::avx512 {

void LinearQ4(const LinearArgs& args) noexcept {
  internal::QuantizedLinear<Q4Tile>(args);
}

}  // namespace ashlar::avx512
