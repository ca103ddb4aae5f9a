// Where a parser of templates stands among the tokens: looking, taking and expecting, with bounds
// on how deep things lie in each other.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/text/jinja/lexer.h"

namespace ashlar::jinja {

// Of brackets, blocks and operators in each other; and of links (a + b + c, x.y.z) in a row, which
// nest as well once they are parsed.
inline constexpr int kMaxNesting = 100;
inline constexpr int kMaxLinks = 1000;

inline bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

class TokenCursor {
 protected:
  using Kind = Token::Kind;

  explicit TokenCursor(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& Now() const { return tokens_[at_]; }
  const Token& Next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  int line() const { return Now().line; }
  bool IsOperator(std::string_view op) const {
    return Now().kind == Kind::kOperator && Now().text == op;
  }
  bool IsName(std::string_view name) const {
    return Now().kind == Kind::kName && Now().text == name;
  }
  bool TakeOperator(std::string_view op) {
    const bool there = IsOperator(op);
    at_ += there ? 1 : 0;
    return there;
  }
  bool TakeName(std::string_view name) {
    const bool there = IsName(name);
    at_ += there ? 1 : 0;
    return there;
  }
  std::string Found() const {
    switch (Now().kind) {
      case Kind::kEnd:
        return "the template's end";
      case Kind::kBlockEnd:
      case Kind::kOutputEnd:
        return "the tag's end";
      case Kind::kText:
      case Kind::kBlockBegin:
      case Kind::kOutputBegin:
        return "text outside of a tag";
      default:
        return QuoteForError(Now().text);
    }
  }
  template <class... Args>
  Error Wrong(fmt::format_string<Args...> format, Args&&... args) const {
    return Invalid("line {}: {}", line(), fmt::format(format, std::forward<Args>(args)...));
  }
  Error Expected(std::string_view what) const {
    return Wrong("expected {}, found {}", what, Found());
  }
  Status ExpectOperator(std::string_view op) {
    if (!TakeOperator(op)) {
      return Expected(fmt::format("\"{}\"", op));
    }
    return {};
  }
  Status ExpectBlockEnd() {
    if (Now().kind != Kind::kBlockEnd) {
      return Expected("%}");
    }
    ++at_;
    return {};
  }
  Result<std::string> ExpectName(std::string_view what) {
    if (Now().kind != Kind::kName) {
      return Expected(what);
    }
    return tokens_[at_++].text;
  }

  // Deeper for the time of a scope.
  class Deeper {
   public:
    explicit Deeper(TokenCursor& cursor) : cursor_(cursor) { ++cursor_.nesting_; }
    ~Deeper() { --cursor_.nesting_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    Status Check() const {
      if (cursor_.nesting_ > kMaxNesting) {
        return cursor_.Wrong("nested more than {} deep", kMaxNesting);
      }
      return {};
    }

   private:
    TokenCursor& cursor_;
  };
  Status Link() {
    if (++links_ > kMaxLinks) {
      return Wrong("an expression has more than {} operators", kMaxLinks);
    }
    return {};
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int links_ = 0;  // of the expression
};

}  // namespace ashlar::jinja
