#include "ashlar/kernels/rope/rope.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<RopeFn> Rope, RopeNeighbours;
}
namespace avx2 {
std::remove_pointer_t<RopeFn> Rope, RopeNeighbours;
}
namespace avx512 {
std::remove_pointer_t<RopeFn> Rope, RopeNeighbours;
}

std::span<const RopeForm> RopeForms() {
  static constexpr RopeForm kForms[] = {
      {Isa::kReference, "reference", reference::Rope, reference::RopeNeighbours},
      {Isa::kAvx2, "avx2", avx2::Rope, avx2::RopeNeighbours},
      {Isa::kAvx512, "avx512", avx512::Rope, avx512::RopeNeighbours},
  };
  return kForms;
}

}  // namespace ashlar
