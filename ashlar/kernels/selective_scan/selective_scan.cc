#include "ashlar/kernels/selective_scan/selective_scan.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<SelectiveScanFn> SelectiveScan;
}
namespace avx2 {
std::remove_pointer_t<SelectiveScanFn> SelectiveScan;
}
namespace avx512 {
std::remove_pointer_t<SelectiveScanFn> SelectiveScan;
}

std::span<const SelectiveScanForm> SelectiveScanForms() {
  static constexpr SelectiveScanForm kForms[] = {
      {Isa::kReference, "reference", reference::SelectiveScan},
      {Isa::kAvx2, "avx2", avx2::SelectiveScan},
      {Isa::kAvx512, "avx512", avx512::SelectiveScan},
  };
  return kForms;
}

}  // namespace ashlar
