#include "ashlar/kernels/rope/rope.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<RopeFn> Rope;
}
namespace avx2 {
std::remove_pointer_t<RopeFn> Rope;
}
namespace avx512 {
std::remove_pointer_t<RopeFn> Rope;
}

std::span<const RopeForm> RopeForms() {
  static constexpr RopeForm kForms[] = {
      {Isa::kReference, "reference", reference::Rope},
      {Isa::kAvx2, "avx2", avx2::Rope},
      {Isa::kAvx512, "avx512", avx512::Rope},
  };
  return kForms;
}

}  // namespace ashlar
