#include "ashlar/kernels/linear/gguf/tiles_avx2.h"

namespace ashlar::avx2 {

template void LinearTiles<kQ2KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ3KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ4KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ5KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kQ6KBlocks>(const LinearArgs&) noexcept;
template void LinearTiles<kIq4XsBlocks>(const LinearArgs&) noexcept;

}  // namespace ashlar::avx2
