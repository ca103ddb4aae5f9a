// Base64 (RFC 4648, section 4): how a tokenizer.json holds bytes.
#pragma once

#include <string>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

std::string ToBase64(std::string_view bytes);
// kInvalid unless `text` is whole groups of four characters, padded with '=', without white space.
Result<std::string> FromBase64(std::string_view text);

}  // namespace ashlar
