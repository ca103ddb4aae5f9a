// A TextScanner walks over the text of a notation, character by character, and says where it is.
// The text is UTF-8: whoever makes one has checked it (CheckSource).
#pragma once

#include <string_view>

#include "ashlar/base/result.h"
#include "ashlar/grammar/internal/char_set.h"

namespace ashlar::grammar {

// kInvalid when `text` is longer than a source may be, or is not UTF-8.
Status CheckSource(std::string_view text, std::string_view what);

class TextScanner {
 public:
  explicit TextScanner(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  std::size_t at() const { return at_; }
  std::string_view rest() const { return text_.substr(at_); }
  // The next byte; 0 at the end.
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void Skip(std::size_t bytes) { at_ += bytes; }
  bool Take(std::string_view expected) {
    if (!rest().starts_with(expected)) {
      return false;
    }
    at_ += expected.size();
    return true;
  }
  // Requires: !at_end().
  char32_t TakeChar() { return NextChar(text_, at_).value(); }
  // `min` to `max` hexadecimal digits; nothing, and none are taken, when there are fewer.
  std::optional<char32_t> TakeHex(int min, int max);
  // A decimal number up to 10^9; nothing when there is none or it is larger.
  std::optional<std::uint32_t> TakeNumber();
  // "{m}", "{m,}" or "{m,n}", after the "{"; nothing when it is none of them.
  struct Times {
    std::uint32_t min;
    std::uint32_t max;  // kUnbounded: no end
  };
  std::optional<Times> TakeTimes();

  // "at line 3, column 14"; columns are bytes.
  std::string Place() const { return PlaceOf(at_); }
  // The same of a byte of the text. Goes through all that is before it: for errors.
  std::string PlaceOf(std::size_t at) const;
  // What stands here, for messages: a character in quotes, or "the end".
  std::string Found() const;

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace ashlar::grammar
