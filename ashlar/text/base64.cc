#include "ashlar/text/base64.h"

#include <algorithm>
#include <cstdint>

namespace ashlar {
namespace {

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string ToBase64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<std::uint8_t>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text.push_back(i <= count ? kBase64Digits[group >> (18 - 6 * i) & 63] : '=');
    }
  }
  return text;
}

Result<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return Invalid("base64 comes in groups of 4 characters, and this has {}", text.size());
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool pad = at >= text.size() - padding;
    const std::size_t digit = pad ? 0 : kBase64Digits.find(text[at]);
    if (digit == kBase64Digits.npos) {
      return Invalid("the character at offset {} is not of base64", at);
    }
    group = group << 6 | static_cast<std::uint32_t>(digit);
    if (at % 4 == 3) {
      for (const int shift : {16, 8, 0}) {
        bytes.push_back(static_cast<char>(group >> shift & 0xFF));
      }
      group = 0;
    }
  }
  bytes.erase(bytes.size() - std::min(padding, bytes.size()));
  return bytes;
}

}  // namespace ashlar
