// What kind of character a code point is, where a stage asks without a regular expression.
#pragma once

namespace ashlar::internal {

// White_Space of Unicode.
bool IsSpace(char32_t code);

// A character of words: Alphabetic, Mark, Decimal_Number, Connector_Punctuation or Join_Control
// (Unicode technical standard 18, \w).
bool IsWord(char32_t code);

// A category of punctuation, or any other printable character of ASCII that is no letter, digit
// or space ("$", "+").
bool IsPunctuation(char32_t code);

// A category of marks; those without a width of their own.
bool IsMark(char32_t code);
bool IsNonspacingMark(char32_t code);

// Control, Format, Surrogate, Private_Use: what stands for no character of a text.
bool IsControl(char32_t code);

// Ideographs of Chinese, by the ranges that BERT's tokenizer lists.
bool IsChinese(char32_t code);

}  // namespace ashlar::internal
