// The linear kernels on GGUF's blocks, one function per type and instruction set. Plain
// declarations, for the files that are compiled for one instruction set.
#pragma once

#include "ashlar/codec/gguf/block_types.h"
#include "ashlar/kernels/linear/linear_args.h"

namespace ashlar {

// Tiles of 32 outputs, on quantized activations; and rows of blocks, on f32 ones.
template <const BlockType& kType>
void LinearTilesReference(const LinearArgs& args) noexcept;
template <const BlockType& kType>
void LinearRowsReference(const LinearArgs& args) noexcept;

namespace avx2 {
template <const BlockType& kType>
void LinearTiles(const LinearArgs& args) noexcept;
template <const BlockType& kType>
void LinearRows(const LinearArgs& args) noexcept;
}  // namespace avx2

namespace avxvnni {
template <const BlockType& kType>
void LinearTiles(const LinearArgs& args) noexcept;
}  // namespace avxvnni

namespace avx512 {
template <const BlockType& kType>
void LinearTiles(const LinearArgs& args) noexcept;
template <const BlockType& kType>
void LinearRows(const LinearArgs& args) noexcept;
}  // namespace avx512

namespace amx {
template <const BlockType& kType>
void LinearTiles(const LinearArgs& args) noexcept;
}  // namespace amx

}  // namespace ashlar
