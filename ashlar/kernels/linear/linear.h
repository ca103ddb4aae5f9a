// Linear: y[m, n] = sum_k x[m, k] w[n, k], computed on the packed form of w.
//
// One kernel per codec, each with a form per instruction set. A call computes outputs
// [output_begin, output_end) for all rows, on one thread; callers split outputs over threads in
// whole bands.
//
// Exactness. For one instruction set, y[m, n] depends only on row m of x and row n of w: the order
// of its sum is fixed, whatever `rows`, the range of outputs, or the tile that it fell into. (So
// whichever rows share a step, a request's bits are the same.) The order of each form is written
// at its top. Forms of different instruction sets agree within the bound of linear_test.cc, not to
// the bit.
//
// Activations come in the format that the codec's kernel wants: f32 rows, or rows rounded to int8
// by quantize_rows; forms that multiply f32 in tiles want the rows split by split_rows. The
// sub-matrix that a slice uses is read in place: `inputs` may be smaller than the stored columns,
// since only `band_stride` knows those.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ashlar/codec/codec.h"
#include "ashlar/kernels/isa.h"
#include "ashlar/kernels/linear/linear_args.h"

namespace ashlar {

enum class Activations : std::uint8_t { kF32, kQuantized, kSplit };

using LinearFn = void (*)(const LinearArgs& args) noexcept;

struct LinearForm {
  Isa isa;
  std::string_view name;
  LinearFn fn;
  bool reads_split = false;  // x_split in place of x
};

struct LinearKernel {
  std::string_view codec;             // the codec's name, "q4.1"
  Activations activations;            // kF32 or kQuantized: what is multiplied, in every form
  std::span<const LinearForm> forms;  // slowest first; [0] is the reference
};

// One row per codec that can be served, in the order of AllCodecs().
std::span<const LinearKernel> LinearKernels();

// The kernel's form for `isa`, or the fastest one below it.
struct Linear {
  Activations activations;  // what `fn` reads
  LinearFn fn;
};
Result<Linear> FindLinear(const Codec& codec, Isa isa);

}  // namespace ashlar
