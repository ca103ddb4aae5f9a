#include "ashlar/kernels/layer_norm/layer_norm.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<LayerNormFn> LayerNorm;
}
namespace avx2 {
std::remove_pointer_t<LayerNormFn> LayerNorm;
}
namespace avx512 {
std::remove_pointer_t<LayerNormFn> LayerNorm;
}

std::span<const LayerNormForm> LayerNormForms() {
  static constexpr LayerNormForm kForms[] = {
      {Isa::kReference, "reference", reference::LayerNorm},
      {Isa::kAvx2, "avx2", avx2::LayerNorm},
      {Isa::kAvx512, "avx512", avx512::LayerNorm},
  };
  return kForms;
}

}  // namespace ashlar
