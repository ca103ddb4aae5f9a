// The part of a matrix that rank 16 holds best.
#pragma once

#include <cstdint>
#include <vector>

#include "ashlar/codec/bitstack/bitstack.h"

namespace ashlar {

// a [rows, columns] is near u v^T; both have the root of the singular values.
struct LowRank {
  std::vector<float> u;  // [rows, 16]
  std::vector<float> v;  // [columns, 16]
};

// The accuracy is EncodeBitstack's. Deterministic. Matrices of lower rank have zeros at the end.
LowRank NearestLowRank(const float* a, std::int64_t rows, std::int64_t columns,
                       MatrixProduct& product);

}  // namespace ashlar
