#include "ashlar/kernels/rms_norm/rms_norm.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<RmsNormFn> RmsNorm;
}

std::span<const RmsNormForm> RmsNormForms() {
  static constexpr RmsNormForm kForms[] = {
      {Isa::kReference, "reference", reference::RmsNorm},
  };
  return kForms;
}

}  // namespace ashlar
