#include "ashlar/text/jinja/strings.h"

#include <algorithm>
#include <cstdint>

#include <utf8proc.h>

#include "ashlar/text/internal/utf8.h"

namespace ashlar::jinja {
namespace {

template <class Map>
std::string MapCharacters(std::string_view text, const Map& map) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const internal::Utf8Char character = internal::FirstChar(text.substr(at));
    internal::AppendUtf8(map(character.code, at == 0), out);
    at += character.size;
  }
  return out;
}

char32_t LowerOf(char32_t code) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}
char32_t UpperOf(char32_t code) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
}

bool Holds(const std::optional<std::string>& set, std::string_view character) {
  return set ? set->find(character) != std::string::npos
             : IsSpace(internal::FirstChar(character).code);
}

}  // namespace

bool IsSpace(char32_t code) {
  constexpr std::pair<char32_t, char32_t> kSpaces[] = {
      {0x09, 0x0d},     {0x1c, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
      {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};
  return std::ranges::any_of(
      kSpaces, [&](auto range) { return code >= range.first && code <= range.second; });
}

std::string Lower(std::string_view text) {
  return MapCharacters(text, [](char32_t code, bool) { return LowerOf(code); });
}
std::string Upper(std::string_view text) {
  return MapCharacters(text, [](char32_t code, bool) { return UpperOf(code); });
}
std::string Capitalized(std::string_view text) {
  return MapCharacters(
      text, [](char32_t code, bool first) { return first ? UpperOf(code) : LowerOf(code); });
}

std::string_view Strip(std::string_view text, const std::optional<std::string>& set, bool left,
                       bool right) {
  while (left && !text.empty()) {
    const std::size_t size = internal::FirstChar(text).size;
    if (!Holds(set, text.substr(0, size))) {
      break;
    }
    text.remove_prefix(size);
  }
  while (right && !text.empty()) {
    const std::size_t size = internal::LastChar(text).size;
    if (!Holds(set, text.substr(text.size() - size))) {
      break;
    }
    text.remove_suffix(size);
  }
  return text;
}

std::vector<std::string_view> Split(std::string_view text,
                                    const std::optional<std::string>& separator,
                                    std::int64_t most) {
  std::vector<std::string_view> parts;
  if (separator) {
    for (std::size_t end; most != 0 && (end = text.find(*separator)) != std::string_view::npos;
         --most) {
      parts.push_back(text.substr(0, end));
      text.remove_prefix(end + separator->size());
    }
    parts.push_back(text);
    return parts;
  }
  for (text = Strip(text, {}, true, false); !text.empty(); text = Strip(text, {}, true, false)) {
    std::size_t end = 0;
    while (end < text.size() && !IsSpace(internal::FirstChar(text.substr(end)).code)) {
      end += internal::FirstChar(text.substr(end)).size;
    }
    if (most-- == 0) {
      end = text.size();
    }
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string_view> SplitFromRight(std::string_view text,
                                             const std::optional<std::string>& separator,
                                             std::int64_t most) {
  if (most < 0) {
    return Split(text, separator, -1);
  }
  std::vector<std::string_view> parts;
  if (separator) {
    for (std::size_t at; most != 0 && (at = text.rfind(*separator)) != std::string_view::npos;
         --most) {
      parts.push_back(text.substr(at + separator->size()));
      text = text.substr(0, at);
    }
    parts.push_back(text);
  } else {
    for (text = Strip(text, {}, false, true); !text.empty(); text = Strip(text, {}, false, true)) {
      std::size_t begin = text.size();
      while (begin > 0 && !IsSpace(internal::LastChar(text.substr(0, begin)).code)) {
        begin -= internal::LastChar(text.substr(0, begin)).size;
      }
      if (most-- == 0) {
        begin = 0;
      }
      parts.push_back(text.substr(begin));
      text = text.substr(0, begin);
    }
  }
  std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string_view> SplitLines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\n\r"), text.size());
    const std::size_t mark = end == text.size() ? 0 : text.substr(end).starts_with("\r\n") ? 2 : 1;
    lines.push_back(text.substr(0, end + (keep_ends ? mark : 0)));
    text.remove_prefix(end + mark);
  }
  return lines;
}

std::optional<std::string> Replaced(std::string_view text, std::string_view old,
                                    std::string_view with, std::int64_t most,
                                    std::size_t max_bytes) {
  std::string out;
  while (most != 0) {
    // (An empty `old` stands before each character and at the end.)
    std::size_t at = old.empty() ? 0 : text.find(old);
    if (at == std::string_view::npos) {
      break;
    }
    out += text.substr(0, at);
    out += with;
    text.remove_prefix(at + old.size());
    --most;
    if (out.size() > max_bytes) {
      return {};
    }
    if (old.empty()) {
      if (text.empty()) {
        break;
      }
      const std::size_t size = internal::FirstChar(text).size;
      out += text.substr(0, size);
      text.remove_prefix(size);
    }
  }
  out += text;
  return out;
}

}  // namespace ashlar::jinja
