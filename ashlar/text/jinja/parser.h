// Jinja's grammar, as far as published chat templates use it.
#pragma once

#include <string_view>

#include "ashlar/text/jinja/nodes.h"

namespace ashlar::jinja {

inline constexpr std::size_t kMaxSourceBytes = 1 << 20;

// Statements: if, for, set, macro, call, filter, with, raw, break, continue, generation. kInvalid,
// naming the line, for what is no template; kUnsupported for what needs other templates (include,
// import, extends, block) and for unknown filters and tests. Requires: well-formed UTF-8.
Result<Body> Parse(std::string_view source);

}  // namespace ashlar::jinja
