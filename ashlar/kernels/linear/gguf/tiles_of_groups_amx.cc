#include "ashlar/kernels/linear/gguf/tiles_amx.h"

namespace ashlar::amx {

template void LinearTiles<kQ4_1Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5_0Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5_1Blocks>(const LinearArgs&) noexcept;
template void LinearTiles<kIq4NlBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kMxfp4Blocks>(const LinearArgs&) noexcept;

}  // namespace ashlar::amx
