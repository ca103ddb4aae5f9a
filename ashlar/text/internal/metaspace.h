// The settings of Metaspace, which a pre-tokenizer and a decoder share.
#pragma once

#include <string>

#include "ashlar/base/json_cursor.h"

namespace ashlar::internal {

struct Metaspace {
  enum class Prepend { kAlways, kFirst, kNever };
  std::string replacement;  // one character, of spaces
  Prepend prepend;          // whether a text that begins without it is given one
  bool split;               // whether it begins a piece
};

// "prepend_scheme", or in older files "add_prefix_space". kInvalid when they contradict.
Result<Metaspace> ParseMetaspace(const JsonCursor& json);

}  // namespace ashlar::internal
