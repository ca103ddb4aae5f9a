// GBNF, the notation of llama.cpp's grammars: a reader by recursive descent.
#include <map>

#include "ashlar/base/json.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/internal/builder.h"
#include "ashlar/grammar/internal/text_scanner.h"

namespace ashlar {

using grammar::Builder;
using grammar::CharRange;
using grammar::CharSet;
using grammar::kEnd;
using grammar::kUnbounded;
using grammar::Piece;
using grammar::RuleId;
using grammar::StateId;
using grammar::TextScanner;

namespace {

bool IsGbnfNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class GbnfReader {
 public:
  GbnfReader(std::string_view text, std::span<const NamedGrammar> given) : text_(text) {
    for (const NamedGrammar& each : given) {
      rules_.emplace(
          each.name,
          Rule{.id = builder_.AddRulesOf(each.grammar), .defined = true, .first_use = 0});
    }
  }

  Result<Grammar> Read() {
    for (SkipBlanks(/*over_lines=*/true); !text_.at_end(); SkipBlanks(/*over_lines=*/true)) {
      ASHLAR_TRY(ReadRule());
    }
    for (const auto& [name, rule] : rules_) {
      if (!rule.defined) {
        return Invalid("GBNF {}: the rule {} is used and not defined",
                       text_.PlaceOf(rule.first_use), QuoteForError(name));
      }
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) {
      return Invalid("GBNF: there is no rule \"root\", which is where an answer begins");
    }
    auto grammar = std::move(builder_).Finish(root->second.id);
    return grammar.ok() ? std::move(grammar) : grammar.error().In("GBNF");
  }

 private:
  struct Rule {
    RuleId id;
    bool defined = false;
    std::size_t first_use = 0;  // byte of the text
  };

  template <class... Args>
  Error InvalidHere(fmt::format_string<Args...> format, Args&&... args) const {
    return Invalid("GBNF {}: {}", text_.Place(), fmt::format(format, std::forward<Args>(args)...));
  }

  void SkipBlanks(bool over_lines) {
    while (true) {
      const char c = text_.peek();
      if (c == '#') {
        text_.Skip(std::min(text_.rest().find('\n'), text_.rest().size()));
      } else if (c == ' ' || c == '\t' || (over_lines && (c == '\n' || c == '\r'))) {
        text_.Skip(1);
      } else {
        return;
      }
    }
  }

  std::string_view TakeName() {
    const std::string_view rest = text_.rest();
    std::size_t size = 0;
    while (size < rest.size() && IsGbnfNameChar(rest[size])) {
      ++size;
    }
    text_.Skip(size);
    return rest.substr(0, size);
  }

  Rule& RuleNamed(std::string_view name) {
    const auto [place, is_new] = rules_.try_emplace(std::string(name));
    if (is_new) {
      place->second = {.id = builder_.AddRule(), .defined = false, .first_use = text_.at()};
    }
    return place->second;
  }

  Status ReadRule() {
    const std::size_t begin = text_.at();
    const std::string_view name = TakeName();
    if (name.empty()) {
      return InvalidHere("expected the name of a rule, found {}", text_.Found());
    }
    SkipBlanks(false);
    if (!text_.Take("::=")) {
      return InvalidHere("expected \"::=\" after the name {}, found {}", QuoteForError(name),
                         text_.Found());
    }
    Rule& rule = RuleNamed(name);
    if (rule.defined) {
      return Invalid("GBNF {}: the rule {} is defined a second time", text_.PlaceOf(begin),
                     QuoteForError(name));
    }
    rule.defined = true;
    SkipBlanks(true);
    ASHLAR_TRY(ReadChoices(builder_.start(rule.id), /*depth=*/0));
    if (!text_.at_end() && text_.peek() != '\n' && text_.peek() != '\r') {
      return InvalidHere("expected the end of the rule, found {}", text_.Found());
    }
    return {};
  }

  // Alternatives from `start` to the end of its rule.
  Status ReadChoices(StateId start, int depth) {
    if (depth > Grammar::kMaxNesting) {
      return InvalidHere("groups are nested deeper than {}", Grammar::kMaxNesting);
    }
    while (true) {
      ASHLAR_TRY(ReadSequence(start, depth));
      if (!text_.Take("|")) {
        return {};
      }
      SkipBlanks(true);
    }
  }

  Status ReadSequence(StateId at, int depth) {
    while (true) {
      ASHLAR_TRY(const std::optional<Piece> piece, ReadPiece(depth));
      if (!piece) {
        builder_.Skip(at, kEnd);
        return {};
      }
      SkipBlanks(depth > 0);
      ASHLAR_TRY(const TextScanner::Times times, ReadTimes());
      const StateId next = builder_.AddState();
      if (times.min == 1 && times.max == 1) {
        builder_.Draw(at, *piece, next);
      } else {
        builder_.Repeat(at, *piece, times.min, times.max, next);
      }
      if (builder_.full()) {
        return Exhausted("GBNF {}: the grammar takes more than {} states or {} edges",
                         text_.Place(), Grammar::kMaxStates, Grammar::kMaxEdges);
      }
      at = next;
      SkipBlanks(depth > 0);
    }
  }

  Result<TextScanner::Times> ReadTimes() {
    static constexpr std::pair<std::string_view, TextScanner::Times> kSigns[] = {
        {"*", {0, kUnbounded}}, {"+", {1, kUnbounded}}, {"?", {0, 1}}};
    for (const auto& [sign, times] : kSigns) {
      if (text_.Take(sign)) {
        return times;
      }
    }
    if (text_.Take("{")) {
      const std::optional<TextScanner::Times> times = text_.TakeTimes();
      if (!times) {
        return InvalidHere("expected {{m}}, {{m,}} or {{m,n}} with m <= n <= 10^9");
      }
      return *times;
    }
    return TextScanner::Times{1, 1};
  }

  // Nothing where the sequence ends.
  Result<std::optional<Piece>> ReadPiece(int depth) {
    if (text_.Take("\"")) {
      return ReadText();
    }
    if (text_.Take("[")) {
      return ReadSet();
    }
    if (text_.Take(".")) {
      return std::optional<Piece>(CharSet::All());
    }
    if (text_.Take("(")) {
      const RuleId group = builder_.AddRule();
      SkipBlanks(true);
      ASHLAR_TRY(ReadChoices(builder_.start(group), depth + 1));
      if (!text_.Take(")")) {
        return InvalidHere("expected \")\", found {}", text_.Found());
      }
      return std::optional<Piece>(group);
    }
    if (text_.peek() == '<' || text_.rest().starts_with("!<")) {
      return Unsupported("GBNF {}: a token in the place of text ({}) is not supported",
                         text_.Place(), QuoteForError(text_.rest().substr(0, 20)));
    }
    if (const std::string_view name = TakeName(); !name.empty()) {
      return std::optional<Piece>(RuleNamed(name).id);
    }
    return std::optional<Piece>();
  }

  Result<std::optional<Piece>> ReadText() {
    std::string bytes;
    while (!text_.Take("\"")) {
      ASHLAR_TRY(const char32_t code, ReadChar("text", "\""));
      grammar::AppendChar(code, bytes);
    }
    return std::optional<Piece>(std::move(bytes));
  }

  Result<std::optional<Piece>> ReadSet() {
    const bool negated = text_.Take("^");
    std::vector<CharRange> ranges;
    while (!text_.Take("]")) {
      ASHLAR_TRY(const char32_t first, ReadChar("set", "]"));
      char32_t last = first;
      const std::string_view rest = text_.rest();
      if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']') {
        text_.Skip(1);
        ASHLAR_TRY(last, ReadChar("set", "]"));
        if (last < first) {
          return InvalidHere("a range in a set ends before it begins");
        }
      }
      ranges.push_back({first, last});
    }
    const CharSet set(ranges);
    return std::optional<Piece>(negated ? set.Complement() : set);
  }

  // A character of a text or a set, which `close` ends.
  Result<char32_t> ReadChar(std::string_view what, std::string_view close) {
    if (text_.at_end()) {
      return InvalidHere("expected {} at the end of a {}, found {}", QuoteForError(close), what,
                         text_.Found());
    }
    if (!text_.Take("\\")) {
      return text_.TakeChar();
    }
    static constexpr std::pair<char, char> kPlain[] = {{'n', '\n'},  {'r', '\r'}, {'t', '\t'},
                                                       {'\\', '\\'}, {'"', '"'},  {'[', '['},
                                                       {']', ']'},   {'-', '-'},  {'^', '^'}};
    for (const auto& [letter, meaning] : kPlain) {
      if (text_.peek() == letter) {
        text_.Skip(1);
        return static_cast<char32_t>(meaning);
      }
    }
    static constexpr std::pair<char, int> kHex[] = {{'x', 2}, {'u', 4}, {'U', 8}};
    for (const auto& [letter, digits] : kHex) {
      if (text_.peek() == letter) {
        text_.Skip(1);
        const std::optional<char32_t> code = text_.TakeHex(digits, digits);
        if (!code || !CharSet::All().Contains(*code)) {
          return InvalidHere("expected {} hexadecimal digits of a character after \\{}", digits,
                             letter);
        }
        return *code;
      }
    }
    return InvalidHere("\\{} is no escape", text_.Found());
  }

  TextScanner text_;
  Builder builder_;
  std::map<std::string, Rule, std::less<>> rules_;
};

}  // namespace

Result<Grammar> ParseGbnf(std::string_view text) {
  return ParseGbnfWith(text, {});
}

Result<Grammar> ParseGbnfWith(std::string_view text, std::span<const NamedGrammar> given) {
  ASHLAR_TRY(grammar::CheckSource(text, "GBNF"));
  return GbnfReader(text, given).Read();
}

}  // namespace ashlar
