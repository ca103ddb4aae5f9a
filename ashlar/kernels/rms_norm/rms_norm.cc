#include "ashlar/kernels/rms_norm/rms_norm.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<RmsNormFn> RmsNorm;
}
namespace avx2 {
std::remove_pointer_t<RmsNormFn> RmsNorm;
}
namespace avx512 {
std::remove_pointer_t<RmsNormFn> RmsNorm;
}

std::span<const RmsNormForm> RmsNormForms() {
  static constexpr RmsNormForm kForms[] = {
      {Isa::kReference, "reference", reference::RmsNorm},
      {Isa::kAvx2, "avx2", avx2::RmsNorm},
      {Isa::kAvx512, "avx512", avx512::RmsNorm},
  };
  return kForms;
}

}  // namespace ashlar
