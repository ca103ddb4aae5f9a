// What filters and methods do to strings, as Python does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::jinja {

bool IsSpace(char32_t code);  // Python's str.isspace
std::string Lower(std::string_view text);
std::string Upper(std::string_view text);
std::string Capitalized(std::string_view text);  // the first letter large, the others small

// Without the characters of `set` (nothing: whitespace) at the sides.
std::string_view Strip(std::string_view text, const std::optional<std::string>& set, bool left,
                       bool right);
// At most `most` splits (below 0: all). No separator: at runs of whitespace, none of them kept.
std::vector<std::string_view> Split(std::string_view text,
                                    const std::optional<std::string>& separator, std::int64_t most);
std::vector<std::string_view> SplitFromRight(std::string_view text,
                                             const std::optional<std::string>& separator,
                                             std::int64_t most);
std::vector<std::string_view> SplitLines(std::string_view text, bool keep_ends);
// At most `most` times (below 0: all), up to `max_bytes` of result; nothing beyond them.
std::optional<std::string> Replaced(std::string_view text, std::string_view old,
                                    std::string_view with, std::int64_t most,
                                    std::size_t max_bytes);

}  // namespace ashlar::jinja
