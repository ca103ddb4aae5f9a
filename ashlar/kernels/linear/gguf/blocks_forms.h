// The forms of the linear kernels on GGUF's blocks.
#pragma once

#include "ashlar/kernels/linear/gguf/blocks_fns.h"
#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

template <const BlockType& kType>
inline constexpr LinearForm kLinearTilesForms[] = {
    {Isa::kReference, "reference", LinearTilesReference<kType>},
    {Isa::kAvx2, "avx2", avx2::LinearTiles<kType>},
    {Isa::kAvxVnni, "avxvnni", avxvnni::LinearTiles<kType>},
    {Isa::kAvx512, "avx512", avx512::LinearTiles<kType>},
    {Isa::kAmx, "amx", amx::LinearTiles<kType>},
};

template <const BlockType& kType>
inline constexpr LinearForm kLinearRowsForms[] = {
    {Isa::kReference, "reference", LinearRowsReference<kType>},
    {Isa::kAvx2, "avx2", avx2::LinearRows<kType>},
    {Isa::kAvx512, "avx512", avx512::LinearRows<kType>},
};

}  // namespace ashlar
