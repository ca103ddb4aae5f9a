// Which parts of a block a node may use.
#include <algorithm>

#include "ashlar/base/join.h"
#include "ashlar/graph/internal/nearest_size.h"
#include "ashlar/graph/network.h"

namespace ashlar {
namespace {

// Whether the kernels can read the slice in place. Requires: known axes, values in range.
Status CheckUnits(const Block& block, const Slice& slice) {
  ASHLAR_TRY(const std::vector<TensorSpec> specs,
             block.kind->tensors(block.kind->apply_slice(block.attributes, slice)));
  for (const TensorSpec& spec : specs) {
    const auto stored = block.tensors.find(spec.name);
    if (stored == block.tensors.end() || stored->second.shape.rank() != spec.shape.rank()) {
      return Invalid("the sliced block needs a tensor \"{}\" {}, which is not stored", spec.name,
                     spec.shape.ToString());
    }
    const Shape& whole = stored->second.shape;
    for (int dim = 0; dim < whole.rank(); ++dim) {
      if (spec.shape[dim] > whole[dim]) {
        return Invalid("the sliced block needs {} of tensor \"{}\", which has {}",
                       spec.shape.ToString(), spec.name, whole.ToString());
      }
    }
    if (whole.rank() == 2 && spec.shape[1] != whole[1] && spec.shape[1] % kSliceUnit != 0) {
      return Invalid("tensor \"{}\" would use {} of its {} columns, which is no multiple of {}",
                     spec.name, spec.shape[1], whole[1], kSliceUnit);
    }
  }
  return {};
}

}  // namespace

namespace internal {

std::optional<std::int64_t> NearestSize(const Block& block, Slice slice, std::string_view axis,
                                        std::int64_t step) {
  constexpr int kFarthest = 4096;  // more than any packing unit or head is wide
  const auto at = slice.find(axis);
  const std::int64_t stored = block.attributes.Integer(axis);
  for (int i = 0; i < kFarthest && at->second >= 1 && at->second <= stored; ++i) {
    if (CheckUnits(block, slice).ok()) {
      return at->second;
    }
    at->second += step;
  }
  return std::nullopt;
}

}  // namespace internal

Status CheckSlice(const Block& block, const Slice& slice) {
  for (const auto& [axis, value] : slice) {
    if (std::ranges::find(block.kind->slices, axis, &SliceAxis::attribute) ==
        block.kind->slices.end()) {
      std::vector<std::string_view> known;
      for (const SliceAxis& known_axis : block.kind->slices) {
        known.push_back(known_axis.attribute);
      }
      return Invalid("blocks of kind {} cannot be sliced along {}; known axes: {}",
                     block.kind->name, QuoteForError(axis),
                     known.empty() ? "none" : Join(known, ", "));
    }
    const std::int64_t stored = block.attributes.Integer(axis);
    if (value < 1 || value > stored) {
      return Invalid("slice {} {} is not from 1 to {}", axis, value, stored);
    }
    if (value == stored) {
      return Invalid("slice {} {} is all of it, and is left out then", axis, value);
    }
  }
  if (slice.empty()) {
    return {};
  }
  const Status units = CheckUnits(block, slice);
  if (units.ok()) {
    return {};
  }
  for (const auto& [axis, value] : slice) {
    std::vector<std::int64_t> nearest;
    for (const std::int64_t step : {-1, 1}) {
      if (const auto size = internal::NearestSize(block, slice, axis, step)) {
        nearest.push_back(*size);
      }
    }
    if (!nearest.empty()) {
      return Invalid("slice {} {}: {}; the nearest sizes are {}", axis, value,
                     units.error().message, Join(nearest, " and "));
    }
  }
  return units;
}

}  // namespace ashlar
