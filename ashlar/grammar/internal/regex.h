// Reads a regular expression of ECMAScript (with its flag `u`) into an automaton.
#pragma once

#include <string_view>

#include "ashlar/grammar/internal/char_automaton.h"

namespace ashlar::grammar {

// Errors name the place in `pattern`: kInvalid for what is no regular expression, kUnsupported for
// what no automaton of this kind can tell (look-around, back references, \b) or this version does
// not have (\p). Captures, and whether a quantifier is lazy, change nothing of what is matched.
Result<CharNfa> ReadRegex(std::string_view pattern);

}  // namespace ashlar::grammar
