// The text of a tokenizer.json together with the Tokenizer that it was read as: to read one again
// takes seconds where it has some hundred thousand tokens.
#pragma once

#include <string>

#include "ashlar/text/tokenizer.h"

namespace ashlar {

struct CheckedTokenizer {
  std::string json;
  Tokenizer tokenizer;
};

}  // namespace ashlar
