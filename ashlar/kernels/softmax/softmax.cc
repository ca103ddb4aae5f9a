#include "ashlar/kernels/softmax/softmax.h"

#include <type_traits>

namespace ashlar {

namespace reference {
std::remove_pointer_t<SoftmaxFn> Softmax;
}

std::span<const SoftmaxForm> SoftmaxForms() {
  static constexpr SoftmaxForm kForms[] = {
      {Isa::kReference, "reference", reference::Softmax},
  };
  return kForms;
}

}  // namespace ashlar
