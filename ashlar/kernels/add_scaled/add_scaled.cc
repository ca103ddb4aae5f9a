#include "ashlar/kernels/add_scaled/add_scaled.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<AddScaledFn> AddScaled;
}
namespace avx2 {
std::remove_pointer_t<AddScaledFn> AddScaled;
}
namespace avx512 {
std::remove_pointer_t<AddScaledFn> AddScaled;
}

std::span<const AddScaledForm> AddScaledForms() {
  static constexpr AddScaledForm kForms[] = {
      {Isa::kReference, "reference", reference::AddScaled},
      {Isa::kAvx2, "avx2", avx2::AddScaled},
      {Isa::kAvx512, "avx512", avx512::AddScaled},
  };
  return kForms;
}

}  // namespace ashlar
