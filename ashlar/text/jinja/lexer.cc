#include "ashlar/text/jinja/lexer.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "ashlar/base/ascii.h"
#include "ashlar/base/json.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar::jinja {
namespace {

using Kind = Token::Kind;

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kWhitespace = " \t\n\r\f\v";

// Longer ones first.
constexpr std::string_view kSigns[] = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "*",
                                       "/",  "%",  "~",  "|",  "=",  ">",  "<", ".", ",",
                                       ":",  "(",  ")",  "[",  "]",  "{",  "}"};

bool BeginsName(char c) {
  return IsAsciiLetter(c) || c == '_';
}

// `source` with every end of a line as one \n, and without the last one.
std::string WithPlainLines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      i += i + 1 < source.size() && source[i + 1] == '\n' ? 1 : 0;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) {
    text.pop_back();
  }
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(source) {}

  Result<std::vector<Token>> Run() {
    while (at_ < text_.size()) {
      const std::size_t tag = NextTag();
      ASHLAR_TRY(Text(tag));
      if (tag == std::string_view::npos) {
        break;
      }
      switch (text_[at_ + 1]) {
        case '#':
          ASHLAR_TRY(Comment());
          break;
        case '{':
          ASHLAR_TRY(Inside(Kind::kOutputBegin, Kind::kOutputEnd, "}}"));
          break;
        default:
          if (const std::optional<std::size_t> end = RawTag(at_, "raw", /*may_keep=*/false)) {
            ASHLAR_TRY(Raw(*end));
          } else {
            ASHLAR_TRY(Inside(Kind::kBlockBegin, Kind::kBlockEnd, "%}"));
          }
      }
    }
    Add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  template <class... Args>
  Error Wrong(fmt::format_string<Args...> format, Args&&... args) const {
    return Invalid("line {}: {}", line_, fmt::format(format, std::forward<Args>(args)...));
  }
  void Add(Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void Advance(std::size_t to) {
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    at_ = to;
  }
  bool At(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  std::size_t NextTag() const {
    for (std::size_t at = text_.find('{', at_); at != std::string_view::npos;
         at = text_.find('{', at + 1)) {
      const char next = at + 1 < text_.size() ? text_[at + 1] : ' ';
      if (next == '{' || next == '%' || next == '#') {
        return at;
      }
    }
    return std::string_view::npos;
  }

  // The text up to `tag`, less what the tags on both sides take of it.
  Status Text(std::size_t tag) {
    const std::size_t end = std::min(tag, text_.size());
    std::string_view text = text_.substr(at_, end - at_);
    if (strip_next_) {
      text.remove_prefix(std::min(text.find_first_not_of(kWhitespace), text.size()));
    }
    if (tag != std::string_view::npos) {
      text = BeforeTag(text, tag);
    }
    if (!text.empty()) {
      Add(Kind::kText, std::string(text));
    }
    strip_next_ = false;
    Advance(end);
    return {};
  }

  std::string_view BeforeTag(std::string_view text, std::size_t tag) const {
    const char control = tag + 2 < text_.size() ? text_[tag + 2] : ' ';
    if (control == '-') {
      return text.substr(0, text.find_last_not_of(kWhitespace) + 1);
    }
    if (control != '+' && text_[tag + 1] != '{') {
      const std::size_t kept = text.find_last_not_of(kBlanks) + 1;
      const bool line_begins = kept > 0 ? text[kept - 1] == '\n'
                                        : text.data() == text_.data() || text.data()[-1] == '\n';
      if (line_begins) {
        return text.substr(0, kept);
      }
    }
    return text;
  }

  // Behind a tag that ended with `control` before its own end; `takes_line`: unless told otherwise
  // it takes the newline that follows.
  void AfterTag(char control, bool takes_line) {
    strip_next_ = control == '-';
    if (takes_line && control != '+' && !strip_next_ && at_ < text_.size() && text_[at_] == '\n') {
      Advance(at_ + 1);
    }
  }

  Status Comment() {
    const std::size_t end = text_.find("#}", at_ + 2);
    if (end == std::string_view::npos) {
      return Wrong("a comment has no end; expected #}}");
    }
    const char control = end > at_ + 2 ? text_[end - 1] : ' ';
    Advance(end + 2);
    AfterTag(control, /*takes_line=*/true);
    return {};
  }

  // The end of the tag at `at`, if it is {% word %}. `may_keep`: it may end with +%}.
  std::optional<std::size_t> RawTag(std::size_t at, std::string_view word, bool may_keep) const {
    const auto skip = [&](std::string_view blanks) {
      at = std::min(text_.find_first_not_of(blanks, at), text_.size());
    };
    const auto control = [&](bool plus) {
      if (at < text_.size() && (text_[at] == '-' || (plus && text_[at] == '+'))) {
        ++at;
      }
    };
    at += 2;
    control(/*plus=*/true);
    skip(kWhitespace);
    if (!text_.substr(at).starts_with(word)) {
      return {};
    }
    at += word.size();
    skip(kWhitespace);
    control(may_keep);
    return text_.substr(at).starts_with("%}") ? std::optional(at + 2) : std::nullopt;
  }

  Status Raw(std::size_t begin_end) {
    const char opening = text_[begin_end - 3];
    const int line = line_;
    Advance(begin_end);
    AfterTag(opening, /*takes_line=*/false);  // a raw text begins right there
    for (std::size_t tag = text_.find("{%", at_); tag != std::string_view::npos;
         tag = text_.find("{%", tag + 2)) {
      if (const std::optional<std::size_t> end = RawTag(tag, "endraw", /*may_keep=*/true)) {
        ASHLAR_TRY(Text(tag));
        const char closing = text_[*end - 3];
        Advance(*end);
        AfterTag(closing, /*takes_line=*/true);
        return {};
      }
    }
    return Invalid("line {}: a raw block has no end; expected {{% endraw %}}", line);
  }

  Status Inside(Kind begin, Kind end, std::string_view close) {
    const int line = line_;
    Add(begin, "");
    Advance(at_ + 2);
    if (At("-") || At("+")) {
      Advance(at_ + 1);
    }
    int braces = 0;  // a dict may end right before the tag does: {{ {'a': {}} }}
    while (at_ < text_.size()) {
      if (const std::size_t next = text_.find_first_not_of(kWhitespace, at_); next != at_) {
        Advance(std::min(next, text_.size()));
        continue;
      }
      const bool control = (At("-") || (At("+") && end == Kind::kBlockEnd)) &&
                           text_.substr(at_ + 1).starts_with(close);
      if (braces == 0 && (control || At(close))) {
        const char sign = control ? text_[at_] : ' ';
        Advance(at_ + (control ? 3 : 2));
        Add(end, "");
        AfterTag(sign, end == Kind::kBlockEnd);
        return {};
      }
      ASHLAR_TRY(Word(braces));
    }
    return Invalid("line {}: a tag has no end; expected {}", line, close);
  }

  Status Word(int& braces) {
    const char c = text_[at_];
    if (BeginsName(c)) {
      std::size_t end = at_;
      while (end < text_.size() && (BeginsName(text_[end]) || IsAsciiDigit(text_[end]))) {
        ++end;
      }
      Add(Kind::kName, std::string(text_.substr(at_, end - at_)));
      Advance(end);
      return {};
    }
    if (IsAsciiDigit(c)) {
      Number();
      return {};
    }
    if (c == '\'' || c == '"') {
      return String(c);
    }
    for (const std::string_view op : kSigns) {
      if (At(op)) {
        const bool brackets = op == "(" || op == "[" || op == "{";
        braces += brackets ? 1 : op == ")" || op == "]" || op == "}" ? -1 : 0;
        braces = std::max(braces, 0);  // the parser says what is wrong
        Add(Kind::kOperator, std::string(op));
        Advance(at_ + op.size());
        return {};
      }
    }
    const std::size_t size = internal::FirstChar(text_.substr(at_)).size;
    return Wrong("unexpected {}", QuoteForError(text_.substr(at_, size)));
  }

  void Number() {
    std::string digits;
    std::size_t end = at_;
    const auto take = [&] {
      for (; end < text_.size() && (IsAsciiDigit(text_[end]) || text_[end] == '_'); ++end) {
        if (text_[end] != '_') {
          digits += text_[end];
        }
      }
    };
    take();
    Kind kind = Kind::kInteger;
    // (1.0, but not the 1.x of an attribute, nor x.0.1, which is two items.)
    const bool item = tokens_.back().kind == Kind::kOperator && tokens_.back().text == ".";
    if (!item && end + 1 < text_.size() && text_[end] == '.' && IsAsciiDigit(text_[end + 1])) {
      kind = Kind::kReal;
      digits += text_[end++];
      take();
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      const std::size_t sign =
          end + 1 < text_.size() && (text_[end + 1] == '+' || text_[end + 1] == '-') ? 1 : 0;
      if (end + 1 + sign < text_.size() && IsAsciiDigit(text_[end + 1 + sign])) {
        kind = Kind::kReal;
        digits += text_.substr(end, 1 + sign);
        end += 1 + sign;
        take();
      }
    }
    Add(kind, std::move(digits));
    Advance(end);
  }

  Status String(char quote) {
    std::string value;
    std::size_t at = at_ + 1;
    for (; at < text_.size() && text_[at] != quote; ++at) {
      if (text_[at] != '\\' || at + 1 == text_.size()) {
        value += text_[at];
      } else {
        ASHLAR_TRY(Escape(++at, value));
      }
    }
    if (at >= text_.size()) {
      return Wrong("a string has no end; expected {}", quote);
    }
    Add(Kind::kString, std::move(value));
    Advance(at + 1);
    return {};
  }

  // The escape whose letter is at `at`; leaves `at` on its last character.
  Status Escape(std::size_t& at, std::string& value) {
    constexpr std::pair<char, char> kPlain[] = {
        {'n', '\n'}, {'t', '\t'},  {'r', '\r'},  {'f', '\f'}, {'v', '\v'}, {'b', '\b'},
        {'a', '\a'}, {'\\', '\\'}, {'\'', '\''}, {'"', '"'},  {'0', '\0'}};
    constexpr std::pair<char, int> kHex[] = {{'x', 2}, {'u', 4}, {'U', 8}};
    const char letter = text_[at];
    for (const auto& [name, character] : kPlain) {
      if (letter == name) {
        value += character;
        return {};
      }
    }
    for (const auto& [name, digits] : kHex) {
      if (letter != name) {
        continue;
      }
      std::uint32_t code = 0;
      for (int i = 0; i < digits; ++i) {
        ++at;
        const std::size_t digit =
            at < text_.size() ? std::string_view("0123456789abcdef0123456789ABCDEF").find(text_[at])
                              : std::string_view::npos;
        if (digit == std::string_view::npos) {
          return Wrong("\\{} in a string needs {} hexadecimal digits", letter, digits);
        }
        code = code * 16 + static_cast<std::uint32_t>(digit % 16);
      }
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return Wrong("\\{} in a string is no character", letter);
      }
      internal::AppendUtf8(code, value);
      return {};
    }
    if (letter != '\n') {  // (a line that goes on)
      value += '\\';
      value += letter;
    }
    return {};
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool strip_next_ = false;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view source) {
  const std::string text = WithPlainLines(source);
  return Lexer(text).Run();
}

}  // namespace ashlar::jinja
