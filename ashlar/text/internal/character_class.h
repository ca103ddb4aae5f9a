// What kind of character a code point is, where a stage asks without a regular expression.
#pragma once

namespace ashlar::internal {

// White_Space of Unicode.
bool IsSpace(char32_t code);

// A character of words: Alphabetic, Mark, Decimal_Number, Connector_Punctuation or Join_Control
// (Unicode technical standard 18, \w).
bool IsWord(char32_t code);

}  // namespace ashlar::internal
