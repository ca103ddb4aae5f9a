#include "ashlar/kernels/linear/q8/q8_forms.h"
#include "ashlar/kernels/linear/q8/q8_tile_avx2.h"
#include "ashlar/kernels/linear/quantized_simd.h"

namespace ashlar::avx2 {

void LinearQ8(const LinearArgs& args) noexcept {
  internal::QuantizedLinear<Q8Tile>(args);
}

}  // namespace ashlar::avx2
