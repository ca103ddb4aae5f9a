#include "ashlar/kernels/linear/linear.h"

#include "ashlar/kernels/form.h"
#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitstack/bitstack_forms.h"
#include "ashlar/kernels/linear/gguf/blocks_forms.h"
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
    {"q4_1.1", Activations::kQuantized, kLinearTilesForms<kQ4_1Blocks>},
    {"q5_0.1", Activations::kQuantized, kLinearTilesForms<kQ5_0Blocks>},
    {"q5_1.1", Activations::kQuantized, kLinearTilesForms<kQ5_1Blocks>},
    {"q2_k.1", Activations::kQuantized, kLinearTilesForms<kQ2KBlocks>},
    {"q3_k.1", Activations::kQuantized, kLinearTilesForms<kQ3KBlocks>},
    {"q4_k.1", Activations::kQuantized, kLinearTilesForms<kQ4KBlocks>},
    {"q5_k.1", Activations::kQuantized, kLinearTilesForms<kQ5KBlocks>},
    {"q6_k.1", Activations::kQuantized, kLinearTilesForms<kQ6KBlocks>},
    {"iq4_nl.1", Activations::kQuantized, kLinearTilesForms<kIq4NlBlocks>},
    {"iq4_xs.1", Activations::kQuantized, kLinearTilesForms<kIq4XsBlocks>},
    {"mxfp4.1", Activations::kQuantized, kLinearTilesForms<kMxfp4Blocks>},
    {"iq2_xxs.1", Activations::kF32, kLinearRowsForms<kIq2XxsBlocks>},
    {"iq2_xs.1", Activations::kF32, kLinearRowsForms<kIq2XsBlocks>},
    {"iq2_s.1", Activations::kF32, kLinearRowsForms<kIq2SBlocks>},
    {"iq3_xxs.1", Activations::kF32, kLinearRowsForms<kIq3XxsBlocks>},
    {"iq3_s.1", Activations::kF32, kLinearRowsForms<kIq3SBlocks>},
    {"iq1_s.1", Activations::kF32, kLinearRowsForms<kIq1SBlocks>},
    {"iq1_m.1", Activations::kF32, kLinearRowsForms<kIq1MBlocks>},
    {"tq1_0.1", Activations::kF32, kLinearRowsForms<kTq1Blocks>},
    {"tq2_0.1", Activations::kF32, kLinearRowsForms<kTq2Blocks>},
    {"bitplane.1", Activations::kQuantized, kLinearBitplaneForms},
    {"bitstack.1", Activations::kF32, kLinearBitstackForms},
};

}  // namespace

std::span<const LinearKernel> LinearKernels() {
  return kKernels;
}

Result<Linear> FindLinear(const Codec& codec, Isa isa) {
  for (const LinearKernel& kernel : kKernels) {
    if (kernel.codec == codec.name) {
      const LinearForm& form = FindForm(kernel.forms, isa);
      return Linear{form.reads_split ? Activations::kSplit : kernel.activations, form.fn};
    }
  }
  return Unsupported("codec {} has no kernel to compute with", codec.name);
}

}  // namespace ashlar
