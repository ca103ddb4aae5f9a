#include "ashlar/kernels/linear/q4/q4_forms.h"
#include "ashlar/kernels/linear/q4/q4_tile_avx512.h"
#include "ashlar/kernels/linear/quantized_amx.h"
#include "ashlar/kernels/linear/quantized_parts_amx.h"

namespace ashlar::amx {

void LinearQ4(const LinearArgs& args) noexcept {
  if (TakesParts(args)) {
    return PartsLinear<avx512::Q4Tile>(args);
  }
  if (args.rows < kLeastRows) {
    return avx512::LinearQ4(args);
  }
  QuantizedLinear<TilesSource<avx512::Q4Tile>>(args);
}

}  // namespace ashlar::amx
