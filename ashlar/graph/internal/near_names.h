#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ashlar::internal {

// The end of an error about an unknown name: `; did you mean "lab"?` with up to three near names,
// else `; known: a, b, c` (cut after ten), else `; there are none`.
std::string SuggestNames(std::string_view name, std::span<const std::string> known);

}  // namespace ashlar::internal
