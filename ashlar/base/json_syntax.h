// What is JSON to readers at large, whatever ParseJson makes of it.
#pragma once

#include <string_view>

namespace ashlar {

// Whether `text` is one JSON text (RFC 8259), however deep and large. A key may stand twice in an
// object, of which readers take the last. A number that overflows a double (1e999) is none here,
// though the RFC allows it: few readers take it.
bool IsJsonText(std::string_view text);

}  // namespace ashlar
