#include "ashlar/kernels/softmax/softmax.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<SoftmaxFn> Softmax;
}
namespace avx2 {
std::remove_pointer_t<SoftmaxFn> Softmax;
}
namespace avx512 {
std::remove_pointer_t<SoftmaxFn> Softmax;
}

std::span<const SoftmaxForm> SoftmaxForms() {
  static constexpr SoftmaxForm kForms[] = {
      {Isa::kReference, "reference", reference::Softmax},
      {Isa::kAvx2, "avx2", avx2::Softmax},
      {Isa::kAvx512, "avx512", avx512::Softmax},
  };
  return kForms;
}

}  // namespace ashlar
