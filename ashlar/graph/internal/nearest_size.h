#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ashlar/graph/network.h"

namespace ashlar::internal {

// The first value of `axis`, from the slice's own on in steps of `step` (1 or -1), with which the
// slice is whole packing units; nothing when there is none near. Requires: known axes, values from
// 1 to what is stored.
std::optional<std::int64_t> NearestSize(const Block& block, Slice slice, std::string_view axis,
                                        std::int64_t step);

}  // namespace ashlar::internal
