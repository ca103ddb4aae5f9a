// Every BlockType, and the values of codes that are no integers in a row. Plain data, which the
// kernels of each instruction set include.
#pragma once

#include "ashlar/codec/gguf/block_type.h"

namespace ashlar {

// Groups of 32 inputs.
extern const BlockType kQ4_1Blocks, kQ5_0Blocks, kQ5_1Blocks, kIq4NlBlocks, kMxfp4Blocks;

// Blocks of 256 inputs whose groups of 16 or 32 have scales in units of the block's own.
extern const BlockType kQ2KBlocks, kQ3KBlocks, kQ4KBlocks, kQ5KBlocks, kQ6KBlocks, kIq4XsBlocks;

// Blocks of 256 inputs whose codes name points of a grid.
extern const BlockType kIq2XxsBlocks, kIq2XsBlocks, kIq2SBlocks, kIq3XxsBlocks, kIq3SBlocks,
    kIq1SBlocks, kIq1MBlocks;

// Blocks of 256 numbers of -1, 0 and 1.
extern const BlockType kTq1Blocks, kTq2Blocks;

// The value of each code of IQ4_NL and IQ4_XS.
inline constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
// The value of each code of MXFP4 (f4 e2m1), doubled, so that it is an integer.
inline constexpr std::int8_t kMxfp4Values[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace ashlar
