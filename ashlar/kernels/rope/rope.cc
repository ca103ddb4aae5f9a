#include "ashlar/kernels/rope/rope.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<RopeFn> Rope;
}

std::span<const RopeForm> RopeForms() {
  static constexpr RopeForm kForms[] = {
      {Isa::kReference, "reference", reference::Rope},
  };
  return kForms;
}

}  // namespace ashlar
