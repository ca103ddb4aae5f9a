// The byte alphabet of GPT-2: a bijection between the 256 bytes and 256 printable characters, so
// that a vocabulary of text can hold tokens of any bytes. The printable bytes of Latin-1 stand
// for themselves; the other 68, in order, for U+0100 and up (the space is "Ġ").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ashlar::internal {

inline constexpr int kByteAlphabetEnd = 0x144;  // one past its last code point

// Appends the character of each byte of `bytes`.
void AppendByteLetters(std::string_view bytes, std::string& text);

// The bytes that `text` spells; nothing when a character of it is outside of the alphabet.
// Requires: well-formed.
std::optional<std::string> BytesOfLetters(std::string_view text);

}  // namespace ashlar::internal
