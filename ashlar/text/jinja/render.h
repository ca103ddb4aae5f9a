// A parsed template and values -> text.
#pragma once

#include "ashlar/text/jinja/nodes.h"

namespace ashlar::jinja {

// Requires: `variables` is an object.
Result<std::string> Render(const Body& body, const Json& variables, const std::tm& now,
                           const Limits& limits);

}  // namespace ashlar::jinja
