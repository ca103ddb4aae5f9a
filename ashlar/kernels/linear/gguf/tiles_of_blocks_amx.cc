#include "ashlar/kernels/linear/gguf/tiles_amx.h"

namespace ashlar::amx {

template void LinearTiles<kQ2KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ3KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ4KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ6KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kIq4XsBlocks>(const LinearArgs&) noexcept;

}  // namespace ashlar::amx
