// config.json as Python writes it: JSON, but for numbers that are infinite.
#pragma once

#include <string>
#include <string_view>

namespace ashlar::internal {

// The text with {"__float__": "Infinity"} in the place of every Infinity that is no part of a
// string or of a longer word: what newer versions of the library that writes these files put there.
std::string SpellInfinities(std::string_view text);

}  // namespace ashlar::internal
