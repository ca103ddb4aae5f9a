#include "ashlar/kernels/split_rows/split_rows.h"

#include <algorithm>

#include "ashlar/kernels/split_rows/split_rows_forms.h"

namespace ashlar {
namespace {

// (Only tiles read split rows, so nothing narrower than AVX-512 writes them.)
constexpr SplitRowsForm kForms[] = {
    {Isa::kReference, "reference", SplitRowsReference},
    {Isa::kAvx512, "avx512", avx512::SplitRowsTiles},
};

}  // namespace

SplitShape ShapeOfSplit(std::int64_t rows, std::int64_t columns) {
  SplitShape shape;
  shape.blocks = (columns + kSplitInputs - 1) / kSplitInputs;
  shape.tile_rows = std::clamp<std::int64_t>(rows, 1, kSplitTileRows);
  shape.tiles = (rows + shape.tile_rows - 1) / shape.tile_rows;
  shape.pair_count =
      shape.tiles * shape.blocks * kSplitParts * (kSplitInputs / 2) * shape.tile_rows;
  return shape;
}

SplitRows FromRow(const SplitRows& rows, std::int64_t m) {
  SplitRows from = rows;
  from.first += m;
  return from;
}

std::span<const SplitRowsForm> SplitRowsForms() {
  return kForms;
}

}  // namespace ashlar
