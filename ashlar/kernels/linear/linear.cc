#include "ashlar/kernels/linear/linear.h"

#include "ashlar/kernels/form.h"
#include "ashlar/kernels/linear/q4/q4_forms.h"
#include "ashlar/kernels/linear/q8/q8_forms.h"
#include "ashlar/kernels/linear/raw/raw_forms.h"

namespace ashlar {
namespace {

// The list: a new codec's kernel is a folder and a line here.
constexpr LinearKernel kKernels[] = {
    {"f32.1", Activations::kF32, kLinearF32Forms},
    {"f16.1", Activations::kF32, kLinearF16Forms},
    {"bf16.1", Activations::kF32, kLinearBF16Forms},
    {"q8.1", Activations::kQuantized, kLinearQ8Forms},
    {"q4.1", Activations::kQuantized, kLinearQ4Forms},
};

}  // namespace

std::span<const LinearKernel> LinearKernels() {
  return kKernels;
}

Result<Linear> FindLinear(const Codec& codec, Isa isa) {
  for (const LinearKernel& kernel : kKernels) {
    if (kernel.codec == codec.name) {
      return Linear{kernel.activations, FindForm(kernel.forms, isa).fn};
    }
  }
  return Unsupported("codec {} has no kernel to compute with", codec.name);
}

}  // namespace ashlar
