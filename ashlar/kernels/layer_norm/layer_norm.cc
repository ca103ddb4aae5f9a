#include "ashlar/kernels/layer_norm/layer_norm.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<LayerNormFn> LayerNorm;
}

std::span<const LayerNormForm> LayerNormForms() {
  static constexpr LayerNormForm kForms[] = {
      {Isa::kReference, "reference", reference::LayerNorm},
  };
  return kForms;
}

}  // namespace ashlar
