// Where a "$ref" of a JSON schema leads to.
#pragma once

#include <string_view>

#include "ashlar/base/json.h"

namespace ashlar {

// The value in `root` that `reference` names: "#", which is `root` itself, or "#/$defs/a", a JSON
// pointer (RFC 6901) in a URI's fragment. Null where there is none, and for other URIs.
const Json* FindReferred(const Json& root, std::string_view reference);

}  // namespace ashlar
