// The tokens of a template: its text, and the words between {{ }} and {% %}.
//
// Whitespace is controlled as chat templates expect it (trim_blocks and lstrip_blocks are on): a
// block or comment takes the newline behind it and the blanks before it on its line; `-` takes all
// whitespace on its side, `+` leaves it. One newline at the template's end is dropped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar::jinja {

struct Token {
  enum class Kind {
    kText,
    kBlockBegin,
    kBlockEnd,
    kOutputBegin,
    kOutputEnd,
    kName,
    kString,
    kInteger,
    kReal,
    kOperator,
    kEnd,
  };
  Kind kind;
  std::string text;  // a string's characters, escapes resolved; digits without underscores
  int line;
};

// kInvalid, naming the line, for what is no template. Requires: `source` is well-formed UTF-8.
Result<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace ashlar::jinja
