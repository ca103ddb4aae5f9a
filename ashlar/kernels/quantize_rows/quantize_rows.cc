#include "ashlar/kernels/quantize_rows/quantize_rows.h"

#include "ashlar/kernels/quantize_rows/quantize_rows_forms.h"

namespace ashlar {
namespace {

// None for AVX-512: most of the work is to combine the lanes of a group, which one port does there
// and three do here; measured, neither is faster.
constexpr QuantizeRowsForm kForms[] = {
    {Isa::kReference, "reference", QuantizeRowsReference},
    {Isa::kAvx2, "avx2", avx2::QuantizeRows},
};

// A row of q whose bytes are a multiple of this gets a cache line more.
constexpr std::int64_t kCollision = 1024;

}  // namespace

QuantizedShape ShapeOfQuantized(std::int64_t rows, std::int64_t columns) {
  const std::int64_t groups = columns / kGroup;
  QuantizedShape shape;
  shape.stride_groups = columns % kCollision == 0 ? groups + 2 : groups;
  shape.stride_rows = rows;
  shape.q_count = rows * shape.stride_groups * kGroup;
  shape.scale_count = rows * groups + kRowsBeyond;
  return shape;
}

QuantizedRows FromRow(const QuantizedRows& rows, std::int64_t m) {
  QuantizedRows from = rows;
  from.q += m * rows.stride_groups * kGroup;
  from.scale += m;
  from.sum += m;
  return from;
}

std::span<const QuantizeRowsForm> QuantizeRowsForms() {
  return kForms;
}

}  // namespace ashlar
