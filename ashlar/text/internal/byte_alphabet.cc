#include "ashlar/text/internal/byte_alphabet.h"

#include <array>

#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {
namespace {

struct Tables {
  std::array<char16_t, 256> letter{};
  std::array<std::int16_t, kByteAlphabetEnd> byte{};  // -1: not a letter
};

constexpr Tables MakeTables() {
  Tables tables;
  tables.byte.fill(-1);
  char16_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    tables.letter[byte] = printable ? static_cast<char16_t>(byte) : next++;
    tables.byte[tables.letter[byte]] = static_cast<std::int16_t>(byte);
  }
  return tables;
}

constexpr Tables kTables = MakeTables();
static_assert(kTables.letter[' '] == 0x120 && kTables.byte[kByteAlphabetEnd - 1] == 0xAD);

}  // namespace

void AppendByteLetters(std::string_view bytes, std::string& text) {
  for (const char byte : bytes) {
    AppendUtf8(kTables.letter[static_cast<std::uint8_t>(byte)], text);
  }
}

std::optional<std::string> BytesOfLetters(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char letter = FirstChar(text);
    if (letter.code >= kByteAlphabetEnd || kTables.byte[letter.code] < 0) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(kTables.byte[letter.code]));
    text.remove_prefix(letter.size);
  }
  return bytes;
}

}  // namespace ashlar::internal
