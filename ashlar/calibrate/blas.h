// The products and the factorization that calibration takes from OpenBLAS.
//
// The library is loaded when the first of them is wanted: it takes megabytes and milliseconds of
// every process that is linked to it, and only calibration multiplies like this.
#pragma once

#include <cstdint>

#include "ashlar/base/result.h"
#include "ashlar/base/thread_pool.h"

namespace ashlar {

// Loads it, once; thread-safe. kNotFound, with the package to install, when it is not there: what
// follows requires that this was fine, and loads it itself when nobody asked.
Status LoadBlas();

// A row-major matrix of f32 whose rows are `stride` apart.
struct ConstMatrix {
  const float* data;
  std::int64_t stride;
};
struct MutableMatrix {
  float* data;
  std::int64_t stride;
};

enum class Transposed : std::uint8_t { kNo, kYes };
enum class Accumulate : std::uint8_t { kNo, kYes };

// out [m, n] = a [m, k] b [k, n], or that added to it; `transposed`: a is stored as [k, m]. The
// same bits for the same numbers and sizes on the same processor.
void Multiply(std::int64_t m, std::int64_t n, std::int64_t k, ConstMatrix a, Transposed transposed,
              ConstMatrix b, MutableMatrix out, Accumulate accumulate);

// Cholesky: the lower triangle of a symmetric matrix [n, n], rows side by side, becomes L with
// L L^T = a; what is above is spoilt. False when it is not positive definite: all is spoilt then.
// On all threads of the pool; the same bits for any number of them.
bool Cholesky(std::int64_t n, float* a, ThreadPool& pool);

}  // namespace ashlar
