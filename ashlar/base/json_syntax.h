// What is JSON to readers at large, whatever ParseJson makes of it.
#pragma once

#include <string_view>

namespace ashlar {

// Whether `text` is one JSON text (RFC 8259), however deep and large. A key may stand twice in an
// object, of which readers take the last.
bool IsJsonText(std::string_view text);

}  // namespace ashlar
