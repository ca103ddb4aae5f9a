#include "ashlar/kernels/linear/gguf/tiles_avx2.h"

namespace ashlar::avx2 {

template void LinearTiles<kQ4_1Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5_0Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5_1Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kIq4NlBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kMxfp4Blocks>(const LinearArgs&) noexcept;

}  // namespace ashlar::avx2
