#include "ashlar/text/internal/oniguruma.h"

#include <algorithm>
#include <array>
#include <optional>

#include "ashlar/base/json.h"

namespace ashlar::internal {
namespace {

// Insides of a set. PCRE2's own \s also has U+180E; its own \w has all numbers and lacks marks.
constexpr std::string_view kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff})"
    R"(\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
// Outside of sets, Oniguruma reads Latin-1 from a table of its own, which counts the superscripts
// and the fractions.
constexpr std::string_view kLoneWord =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
constexpr std::string_view kHexDigit = "0-9A-Fa-f";

// Groups that both engines read alike.
constexpr std::array<std::string_view, 8> kGroups = {
    "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:"};

bool IsAsciiAlnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool IsDecimal(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> Run() {
    while (at_ < pattern_.size()) {
      switch (pattern_[at_]) {
        case '\\':
          ASHLAR_TRY(TranslateEscape());
          break;
        case '[':
          ASHLAR_TRY(TranslateSet());
          break;
        case '(':
          ASHLAR_TRY(TranslateGroup());
          break;
        case '{':
          ASHLAR_TRY(TranslateInterval());
          break;
        default:
          out_.push_back(pattern_[at_++]);
      }
    }
    return std::move(out_);
  }

 private:
  bool NextIs(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }

  Error NotSupported(std::string_view construct) const {
    return Unsupported("{} at byte {} of a regular expression is not supported",
                       QuoteForError(construct), at_);
  }
  Error Broken(std::string_view what) const {
    return Invalid("{} at byte {} of a regular expression", what, at_);
  }

  Status TranslateGroup() {
    if (!NextIs("(?") && !NextIs("(*")) {
      out_.push_back('(');
      ++at_;
      return {};
    }
    for (const std::string_view group : kGroups) {
      if (NextIs(group)) {
        out_ += group;
        at_ += group.size();
        return {};
      }
    }
    return NotSupported(pattern_.substr(at_, 4));
  }

  // {n} {n,} {n,m} {,n}; a brace that is none of these stands for itself.
  Status TranslateInterval() {
    const std::size_t close = pattern_.find('}', at_);
    const std::string_view inside =
        close == pattern_.npos ? "" : pattern_.substr(at_ + 1, close - at_ - 1);
    const std::size_t comma = inside.find(',');
    const std::string_view low = inside.substr(0, comma);
    const std::string_view high = comma == inside.npos ? "" : inside.substr(comma + 1);
    if (!IsDecimal(low) || !IsDecimal(high) || (low.empty() && high.empty())) {
      out_ += "\\{";
      ++at_;
      return {};
    }
    const char after = close + 1 < pattern_.size() ? pattern_[close + 1] : '\0';
    if (after == '+' || (after == '?' && comma == inside.npos)) {
      // Possessive or lazy in PCRE2, a second quantifier in Oniguruma.
      return NotSupported(pattern_.substr(at_, close + 2 - at_));
    }
    out_ += low.empty() ? "{0" : "{";
    out_ += inside;
    out_ += '}';
    at_ = close + 1;
    return {};
  }

  // An escape outside of a set.
  Status TranslateEscape() {
    if (at_ + 1 == pattern_.size()) {
      return Broken("a lone backslash");
    }
    const char c = pattern_[at_ + 1];
    switch (c) {
      case 's':
        return Emit(2, "[", kSpace, "]");
      case 'S':
        return Emit(2, "[^", kSpace, "]");
      case 'w':
        return Emit(2, "[", kLoneWord, "]");
      case 'W':
        return Emit(2, "[^", kLoneWord, "]");
      case 'h':
        return Emit(2, "[", kHexDigit, "]");
      case 'H':
        return Emit(2, "[^", kHexDigit, "]");
      case 'b':
        out_ += fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", kLoneWord);
        at_ += 2;
        return {};
      case 'B':
        out_ += fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", kLoneWord);
        at_ += 2;
        return {};
      case 'A':
      case 'Z':
      case 'z':
      case 'R':
        return Emit(2, "\\", std::string_view(&c, 1), "");
      default:
        return TranslateCharacterEscape();
    }
  }

  // An escape for one character or a property, inside or outside of a set.
  Status TranslateCharacterEscape() {
    const char c = pattern_[at_ + 1];
    switch (c) {
      case 'v':
        return Emit(2, R"(\x{b})", "", "");
      case 't':
      case 'n':
      case 'r':
      case 'f':
      case 'a':
      case 'e':
      case 'd':
      case 'D':
        return Emit(2, "\\", std::string_view(&c, 1), "");
      case 'p':
      case 'P':
        return TranslateProperty();
      case 'u':
        return TranslateCodePoint(at_ + 2, 4, 4);
      case 'x':
        return TranslateHex();
      default:
        if (IsAsciiAlnum(c)) {
          return NotSupported(pattern_.substr(at_, 2));
        }
        return Emit(2, "\\", std::string_view(&c, 1), "");
    }
  }

  Status TranslateHex() {
    if (!NextIs("\\x{")) {
      // Two digits are a byte in Oniguruma, a character in PCRE2: the same below 0x80 only.
      if (at_ + 2 < pattern_.size() && pattern_[at_ + 2] >= '8') {
        return NotSupported(pattern_.substr(at_, 4));
      }
      return TranslateCodePoint(at_ + 2, 2, 2);
    }
    const std::size_t close = pattern_.find('}', at_);
    if (close == pattern_.npos || close - at_ < 4 || close - at_ > 11) {
      return Broken("a code point without its 1 to 8 digits and '}'");
    }
    ASHLAR_TRY(TranslateCodePoint(at_ + 3, close - at_ - 3, close - at_ - 3));
    ++at_;  // the '}'
    return {};
  }

  Status TranslateCodePoint(std::size_t begin, std::size_t digits, std::size_t wanted) {
    const std::string_view hex = pattern_.substr(std::min(begin, pattern_.size()), digits);
    if (hex.size() != wanted || !std::all_of(hex.begin(), hex.end(), IsHexDigit)) {
      return Broken("a code point that is not in hexadecimal");
    }
    out_ += "\\x{";
    out_ += hex;
    out_ += '}';
    at_ = begin + digits;
    return {};
  }

  // \pX \p{X} \p{^X}. A general category has one or two letters; a longer name is a script, which
  // must be said: PCRE2's plain script name means Script_Extensions.
  Status TranslateProperty() {
    const char negated = pattern_[at_ + 1] == 'P' ? 'P' : 'p';
    std::size_t begin = at_ + 2;
    std::size_t end = begin + 1;
    if (begin < pattern_.size() && pattern_[begin] == '{') {
      ++begin;
      end = pattern_.find('}', begin);
    }
    if (begin >= pattern_.size() || end == pattern_.npos) {
      return Broken("a property without its name");
    }
    std::string_view name = pattern_.substr(begin, end - begin);
    const bool caret = name.starts_with('^');
    name.remove_prefix(caret ? 1 : 0);
    if (name.empty() || !std::all_of(name.begin(), name.end(),
                                     [](char c) { return IsAsciiAlnum(c) || c == '_'; })) {
      return Broken("a property without its name");
    }
    const bool whole_name = name.size() <= 2 || name == "Any" || name == "Alphabetic";
    out_ += '\\';
    out_ += negated;
    out_ += caret ? "{^" : "{";
    out_ += whole_name ? "" : "sc:";
    out_ += name;
    out_ += '}';
    at_ = pattern_[at_ + 2] == '{' ? end + 1 : end;
    return {};
  }

  Status TranslateSet() {
    const std::size_t open = at_;
    out_.push_back('[');
    ++at_;
    if (NextIs("^")) {
      out_.push_back('^');
      ++at_;
    }
    if (NextIs("]")) {
      return NotSupported("[]");
    }
    bool after_hyphen = false;  // the last item was a '-' that may begin the end of a range
    bool first = true;
    while (true) {
      if (at_ >= pattern_.size()) {
        at_ = open;
        return Broken("a set without its ']'");
      }
      const char c = pattern_[at_];
      if (c == ']') {
        out_.push_back(c);
        ++at_;
        return {};
      }
      if (c == '[' || NextIs("&&")) {
        return NotSupported(pattern_.substr(at_, 2));  // a set in a set, or an intersection
      }
      if (c == '\\') {
        ASHLAR_TRY(TranslateSetEscape(after_hyphen));
        after_hyphen = false;
      } else {
        after_hyphen = c == '-' && !first;
        out_.push_back(c);
        ++at_;
      }
      first = false;
    }
  }

  Status TranslateSetEscape(bool after_hyphen) {
    if (at_ + 1 >= pattern_.size()) {
      return Broken("a lone backslash");
    }
    std::optional<std::string_view> members;
    switch (pattern_[at_ + 1]) {
      case 's':
        members = kSpace;
        break;
      case 'S':
        members = kNotSpace;
        break;
      case 'w':
        members = kWord;
        break;
      case 'h':
        members = kHexDigit;
        break;
      case 'b':
        return Emit(2, R"(\x{8})", "", "");
      default:
        return TranslateCharacterEscape();
    }
    // Several members in place of one must not become an end of a range.
    const bool before_range =
        pattern_.substr(at_ + 2).starts_with('-') && !pattern_.substr(at_ + 2).starts_with("-]");
    if (after_hyphen || before_range) {
      return NotSupported(pattern_.substr(at_, 3));
    }
    return Emit(2, *members, "", "");
  }

  Status Emit(std::size_t consumed, std::string_view a, std::string_view b, std::string_view c) {
    out_ += a;
    out_ += b;
    out_ += c;
    at_ += consumed;
    return {};
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> TranslateOniguruma(std::string_view pattern) {
  return Translator(pattern).Run();
}

}  // namespace ashlar::internal
