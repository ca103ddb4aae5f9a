// UTF-8: reading characters out of well-formed text, and making any bytes well-formed.
//
// Ill-formed bytes are replaced as Unicode recommends and the reference does: each maximal part
// of a sequence that could still have become a character is one U+FFFD.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ashlar::internal {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

struct Utf8Char {
  char32_t code;
  std::size_t size;  // bytes, 1 to 4
};

// The first character. Requires: `text` is well-formed and not empty.
Utf8Char FirstChar(std::string_view text);
// The last character, likewise.
Utf8Char LastChar(std::string_view text);

// Requires: `code` is a Unicode scalar value.
void AppendUtf8(char32_t code, std::string& text);

bool IsUtf8(std::string_view bytes);

// Makes a stream of bytes well-formed; what it has written is never an incomplete character.
class Utf8Repair {
 public:
  // Appends all that is certain to `out`; up to three bytes wait for the rest of their character.
  void Append(std::string_view bytes, std::string& out);
  // The end: bytes that still wait become one U+FFFD.
  void Finish(std::string& out);

 private:
  std::string pending_;
};

std::string RepairUtf8(std::string_view bytes);

}  // namespace ashlar::internal
