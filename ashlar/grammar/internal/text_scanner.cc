#include "ashlar/grammar/internal/text_scanner.h"

#include <algorithm>

#include "ashlar/base/json.h"
#include "ashlar/grammar/internal/builder.h"

namespace ashlar::grammar {

Status CheckSource(std::string_view text, std::string_view what) {
  if (text.size() > Grammar::kMaxSourceBytes) {
    return Invalid("{} of {} bytes, more than the {} allowed", what, text.size(),
                   Grammar::kMaxSourceBytes);
  }
  for (std::size_t at = 0; at < text.size();) {
    if (!NextChar(text, at)) {
      return Invalid("{}: byte {} is not UTF-8", what, at);
    }
  }
  return {};
}

std::optional<char32_t> TextScanner::TakeHex(int min, int max) {
  char32_t value = 0;
  std::size_t end = at_;
  for (; end < text_.size() && end - at_ < static_cast<std::size_t>(max); ++end) {
    const char c = text_[end];
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!digit && !letter) {
      break;
    }
    value = value << 4 | static_cast<char32_t>(digit ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  if (end - at_ < static_cast<std::size_t>(min)) {
    return std::nullopt;
  }
  at_ = end;
  return value;
}

std::optional<std::uint32_t> TextScanner::TakeNumber() {
  constexpr std::uint32_t kLargest = 1'000'000'000;
  std::uint64_t value = 0;
  const std::size_t begin = at_;
  for (; peek() >= '0' && peek() <= '9'; ++at_) {
    value = std::min<std::uint64_t>(value * 10 + (peek() - '0'), kLargest + 1);
  }
  return at_ == begin || value > kLargest ? std::nullopt
                                          : std::optional(static_cast<std::uint32_t>(value));
}

std::optional<TextScanner::Times> TextScanner::TakeTimes() {
  const auto skip_blanks = [this] {
    while (peek() == ' ') {
      ++at_;
    }
  };
  skip_blanks();
  const std::optional<std::uint32_t> min = TakeNumber();
  skip_blanks();
  if (!min) {
    return std::nullopt;
  }
  if (Take("}")) {
    return Times{*min, *min};
  }
  if (!Take(",")) {
    return std::nullopt;
  }
  skip_blanks();
  if (Take("}")) {
    return Times{*min, kUnbounded};
  }
  const std::optional<std::uint32_t> max = TakeNumber();
  skip_blanks();
  return max && *min <= *max && Take("}") ? std::optional(Times{*min, *max}) : std::nullopt;
}

std::string TextScanner::PlaceOf(std::size_t at) const {
  const std::string_view before = text_.substr(0, at);
  const auto line_start = before.rfind('\n') + 1;  // npos + 1 == 0
  return fmt::format("at line {}, column {}", 1 + std::ranges::count(before, '\n'),
                     at - line_start + 1);
}

std::string TextScanner::Found() const {
  if (at_end()) {
    return "the end";
  }
  std::size_t end = at_;
  NextChar(text_, end);
  return QuoteForError(text_.substr(at_, end - at_));
}

}  // namespace ashlar::grammar
