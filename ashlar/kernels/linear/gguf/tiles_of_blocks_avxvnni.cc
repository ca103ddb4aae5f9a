#include "ashlar/kernels/linear/gguf/tiles_avxvnni.h"

namespace ashlar::avxvnni {

template void LinearTiles<kQ2KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ3KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ4KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ6KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kIq4XsBlocks>(const LinearArgs&) noexcept;

}  // namespace ashlar::avxvnni
