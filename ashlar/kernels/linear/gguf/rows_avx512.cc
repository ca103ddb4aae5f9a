#include "ashlar/kernels/linear/gguf/blocks_fns.h"
#include "ashlar/kernels/linear/gguf/rows_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

template <const BlockType& kType>
void LinearRows(const LinearArgs& args) noexcept {
  internal::LinearOfRows<simd::F32x16>(kType, args);
}

template void LinearRows<kIq2XxsBlocks>(const LinearArgs&) noexcept;
template void LinearRows<kIq2XsBlocks>(const LinearArgs&) noexcept;
template void LinearRows<kIq2SBlocks>(const LinearArgs&) noexcept;
template void LinearRows<kIq3XxsBlocks>(const LinearArgs&) noexcept;
template void LinearRows<kIq3SBlocks>(const LinearArgs&) noexcept;
template void LinearRows<kIq1SBlocks>(const LinearArgs&) noexcept;
template void LinearRows<kIq1MBlocks>(const LinearArgs&) noexcept;
template void LinearRows<kTq1Blocks>(const LinearArgs&) noexcept;
template void LinearRows<kTq2Blocks>(const LinearArgs&) noexcept;

}  // namespace ashlar::avx512
