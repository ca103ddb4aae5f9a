#include "ashlar/kernels/linear/q8/q8_forms.h"
#include "ashlar/kernels/linear/q8/q8_tile_avx512.h"
#include "ashlar/kernels/linear/quantized_amx.h"
#include "ashlar/kernels/linear/quantized_parts_amx.h"

namespace ashlar::amx {

void LinearQ8(const LinearArgs& args) noexcept {
  if (TakesParts(args)) {
    return PartsLinear<avx512::Q8Tile>(args);
  }
  if (args.rows < kLeastRows) {
    return avx512::LinearQ8(args);
  }
  QuantizedLinear<TilesSource<avx512::Q8Tile>>(args);
}

}  // namespace ashlar::amx
