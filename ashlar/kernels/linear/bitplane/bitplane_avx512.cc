#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitplane/bitplane_tile_avx512.h"

namespace ashlar::avx512 {

void LinearBitplane(const LinearArgs& args) noexcept {
  internal::ForPlanes<internal::PlanesRunner<BitplaneForm>>(args);
}

}  // namespace ashlar::avx512
