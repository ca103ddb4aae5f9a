// The keywords of JSON schemas that say nothing of which values are valid.
#pragma once

#include <span>
#include <string_view>

namespace ashlar {

// Annotations, OpenAPI's `discriminator` (which says how to choose among branches, and leaves what
// they say as it is), and the places for schemas that others refer to ($defs). `$id` is none: only
// at the root of a schema does it leave what "#" means as it is.
std::span<const std::string_view> SilentKeywords();

// Whether `keyword` is one of them.
bool SaysNothing(std::string_view keyword);

}  // namespace ashlar
