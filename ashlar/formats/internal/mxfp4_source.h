// A matrix that a Hugging Face checkpoint has in MXFP4, the microscaling format of the Open Compute
// Project: 32 inputs of an output have one exponent e of 8 bits and a code of 4 bits each, and a
// number is its code's value times 2^(e - 127). What is called NAME in plain numbers, a stack of
// matrices, is then two tensors:
//
//     NAME_blocks  U8 [stack, outputs, inputs / 32, 16]  codes: inputs 2i and 2i + 1 of the 32 are
//                                                        the low and high half of byte i
//     NAME_scales  U8 [stack, outputs, inputs / 32]      exponents
//
// (as the reference implementation's "mxfp4" reads them). Outputs are rows, also where the family
// has its plain matrices transposed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ashlar/formats/internal/tensor_place.h"
#include "ashlar/formats/safetensors.h"

namespace ashlar::internal {

std::string Mxfp4BlocksName(std::string_view tensor);
std::string Mxfp4ScalesName(std::string_view tensor);

// A view: the checkpoint outlives it.
struct Mxfp4Source {
  TensorPlace place;                  // which outputs are the block's tensor
  std::span<const std::byte> blocks;  // of the one matrix of the stack
  std::span<const std::byte> scales;

  // All of the block's tensor in the codec mxfp4.1, in `buffer`.
  std::span<const std::byte> Pack(std::vector<std::byte>& buffer) const;
};

// `place` is where the family has the plain numbers of `spec`. Requires: in a stack, not turned.
// kInvalid when the tensors' shapes
// are others, or rows are no whole groups of 32; kUnsupported when they are no bytes.
Result<Mxfp4Source> FindMxfp4(const TensorPlace& place, const TensorSpec& spec,
                              const SafetensorsEntry& blocks, const SafetensorsEntry& scales);

// The way back, into one of the two tensors that stand for a whole stack.
enum class Mxfp4Part : std::uint8_t { kBlocks, kScales };
// Its shape, where the plain one has `shape`. Requires: as FindMxfp4 of `place`; whole groups.
std::vector<std::int64_t> Mxfp4Shape(const TensorPlace& place, std::vector<std::int64_t> shape,
                                     Mxfp4Part part);
// Puts the first place.columns inputs of what is packed in the codec mxfp4.1, with `stored_columns`
// of them, where the block's tensor stands in `out`, which is all of the part.
void UnpackMxfp4(const TensorPlace& place, std::span<const std::byte> packed,
                 std::int64_t stored_columns, Mxfp4Part part, std::span<std::byte> out);

}  // namespace ashlar::internal
