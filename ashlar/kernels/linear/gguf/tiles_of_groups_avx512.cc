#include "ashlar/kernels/linear/gguf/tiles_avx512.h"

namespace ashlar::avx512 {

template void LinearTiles<kQ4_1Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5_0Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5_1Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kIq4NlBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kMxfp4Blocks>(const LinearArgs&) noexcept;

}  // namespace ashlar::avx512
