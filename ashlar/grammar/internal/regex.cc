#include "ashlar/grammar/internal/regex.h"

#include <algorithm>
#include <optional>

#include "ashlar/base/ascii.h"
#include "ashlar/base/json.h"
#include "ashlar/grammar/internal/text_scanner.h"

namespace ashlar::grammar {
namespace {

struct NamedSet {
  char letter;
  CharSet set;
};

// ECMA-262: CharacterClassEscape, WhiteSpace, LineTerminator.
const CharSet& LineEnds() {
  static const CharSet set = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return set;
}

// Halves of a character beyond U+FFFF, as UTF-16 writes it.
struct Surrogates {
  char32_t first;
  char32_t last;
  constexpr bool Has(char32_t code) const { return first <= code && code <= last; }
};
constexpr Surrogates kHighSurrogates = {0xD800, 0xDBFF};
constexpr Surrogates kLowSurrogates = {0xDC00, 0xDFFF};

std::optional<CharSet> SetOfLetter(char letter) {
  static const NamedSet kSets[] = {{'d', {{'0', '9'}}},
                                   {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
                                   {'s', CharSet{{'\t', '\r'},
                                                 {' ', ' '},
                                                 {0xA0, 0xA0},
                                                 {0x1680, 0x1680},
                                                 {0x2000, 0x200A},
                                                 {0x202F, 0x202F},
                                                 {0x205F, 0x205F},
                                                 {0x3000, 0x3000},
                                                 {0xFEFF, 0xFEFF}} |
                                             LineEnds()}};
  for (const NamedSet& named : kSets) {
    if (letter == named.letter) {
      return named.set;
    }
    if (letter == named.letter - 'a' + 'A') {
      return named.set.Complement();
    }
  }
  return std::nullopt;
}

class RegexReader {
 public:
  explicit RegexReader(std::string_view pattern) : text_(pattern) {}

  Result<CharNfa> Read() {
    ASHLAR_TRY(const Fragment all, ReadChoices(/*depth=*/0));
    if (!text_.at_end()) {
      return InvalidHere("a \")\" without its \"(\"");
    }
    nfa_.start = all.start;
    nfa_.end = all.end;
    return std::move(nfa_);
  }

 private:
  // What was drawn last lies between two states. All its states and edges lie together.
  struct Fragment {
    std::uint32_t start;
    std::uint32_t end;
  };
  using Kind = CharNfa::Kind;

  template <class... Args>
  Error InvalidHere(fmt::format_string<Args...> format, Args&&... args) const {
    return Invalid("regular expression, at byte {}: {}", text_.at(),
                   fmt::format(format, std::forward<Args>(args)...));
  }
  Error UnsupportedHere(std::string_view what) const {
    return Unsupported("regular expression, at byte {}: {} is not supported", text_.at(), what);
  }

  std::uint32_t AddState() { return nfa_.states++; }
  void Draw(std::uint32_t from, std::uint32_t to, Kind kind = Kind::kSkip, CharSet set = {}) {
    ranges_ += set.ranges().size();
    nfa_.edges.push_back({.from = from, .to = to, .kind = kind, .set = std::move(set)});
  }
  Fragment Drawn(Kind kind, CharSet set = {}) {
    const Fragment fragment = {AddState(), AddState()};
    Draw(fragment.start, fragment.end, kind, std::move(set));
    return fragment;
  }

  Result<Fragment> ReadChoices(int depth) {
    if (depth > Grammar::kMaxNesting) {
      return InvalidHere("groups are nested deeper than {}", Grammar::kMaxNesting);
    }
    const Fragment choices = {AddState(), AddState()};
    do {
      std::uint32_t at = choices.start;
      while (!text_.at_end() && text_.peek() != '|' && text_.peek() != ')') {
        ASHLAR_TRY(const Fragment term, ReadTerm(depth));
        Draw(at, term.start);
        at = term.end;
      }
      Draw(at, choices.end);
    } while (text_.Take("|"));
    return choices;
  }

  Result<Fragment> ReadTerm(int depth) {
    const std::uint32_t first_state = nfa_.states;
    const std::size_t first_edge = nfa_.edges.size();
    if (text_.Take("^")) {
      return Drawn(Kind::kAtStart);
    }
    if (text_.Take("$")) {
      return Drawn(Kind::kAtEnd);
    }
    ASHLAR_TRY(const Fragment atom, ReadAtom(depth));
    static constexpr std::pair<std::string_view, TextScanner::Times> kSigns[] = {
        {"*", {0, kUnbounded}}, {"+", {1, kUnbounded}}, {"?", {0, 1}}};
    std::optional<TextScanner::Times> times;
    for (const auto& [sign, meaning] : kSigns) {
      if (!times && text_.Take(sign)) {
        times = meaning;
      }
    }
    if (!times && text_.Take("{")) {
      times = text_.TakeTimes();
      if (!times) {
        return InvalidHere("expected {{m}}, {{m,}} or {{m,n}} with m <= n <= 10^9 (or \\{{)");
      }
    }
    if (!times) {
      return atom;
    }
    text_.Take("?");  // lazy: the same texts
    return Repeated(atom, *times, first_state, first_edge);
  }

  Result<Fragment> Repeated(const Fragment& atom, const TextScanner::Times& times,
                            std::uint32_t first_state, std::size_t first_edge) {
    const std::uint32_t atom_states = nfa_.states - first_state;
    const std::size_t atom_edges = nfa_.edges.size() - first_edge;
    std::size_t atom_ranges = 0;
    for (std::size_t edge = first_edge; edge < nfa_.edges.size(); ++edge) {
      atom_ranges += nfa_.edges[edge].set.ranges().size();
    }
    const Fragment all = {AddState(), AddState()};
    const bool loops = times.max == kUnbounded;
    // Copies: all but the last of a loop stand once; the last one of a loop goes back.
    const std::uint32_t copies = loops ? std::max<std::uint32_t>(times.min, 1) : times.max;
    if (copies == 0) {
      Draw(all.start, all.end);
      return all;
    }
    std::uint32_t at = all.start;
    Fragment copy = atom;
    for (std::uint32_t i = 0; i < copies; ++i) {
      if (i > 0) {
        ranges_ += atom_ranges;
        if (nfa_.states + atom_states > Grammar::kMaxStates ||
            nfa_.edges.size() + atom_edges > Grammar::kMaxEdges || ranges_ > Grammar::kMaxRanges) {
          return Exhausted(
              "regular expression, at byte {}: it takes more than {} states, {} edges or {} ranges "
              "of characters",
              text_.at(), Grammar::kMaxStates, Grammar::kMaxEdges, Grammar::kMaxRanges);
        }
        const std::uint32_t shift = nfa_.states - first_state;
        nfa_.states += atom_states;
        for (std::size_t edge = 0; edge < atom_edges; ++edge) {
          CharNfa::Edge moved = nfa_.edges[first_edge + edge];
          moved.from += shift;
          moved.to += shift;
          nfa_.edges.push_back(std::move(moved));
        }
        copy = {atom.start + shift, atom.end + shift};
      }
      if (i >= times.min) {
        Draw(at, all.end);
      }
      Draw(at, copy.start);
      at = copy.end;
    }
    if (loops) {
      Draw(at, copy.start);
    }
    Draw(at, all.end);
    return all;
  }

  Result<Fragment> ReadAtom(int depth) {
    if (text_.Take("(")) {
      ASHLAR_TRY(SkipGroupMark());
      ASHLAR_TRY(const Fragment group, ReadChoices(depth + 1));
      if (!text_.Take(")")) {
        return InvalidHere("expected \")\", found {}", text_.Found());
      }
      return group;
    }
    if (text_.Take(".")) {
      return Drawn(Kind::kRead, LineEnds().Complement());
    }
    if (text_.Take("[")) {
      ASHLAR_TRY(CharSet set, ReadSet());
      return Drawn(Kind::kRead, std::move(set));
    }
    if (text_.Take("\\")) {
      ASHLAR_TRY(CharSet set, ReadEscape());
      return Drawn(Kind::kRead, std::move(set));
    }
    if (std::string_view("*+?{}]").find(text_.peek()) != std::string_view::npos) {
      return InvalidHere("{} has nothing to apply to; write it with a \\ before it", text_.Found());
    }
    return Drawn(Kind::kRead, CharSet::Of(text_.TakeChar()));
  }

  // What follows "(": nothing, or the mark of a group of another kind.
  Status SkipGroupMark() {
    if (!text_.Take("?") || text_.Take(":")) {
      return {};
    }
    for (const std::string_view around : {"=", "!", "<=", "<!"}) {
      if (text_.rest().starts_with(around)) {
        return UnsupportedHere("look-around");
      }
    }
    const std::string_view rest = text_.rest();
    const std::size_t name_end = rest.find('>');
    if (rest.starts_with("<") && name_end != std::string_view::npos) {
      text_.Skip(name_end + 1);
      return {};
    }
    return UnsupportedHere("a group of this kind (flags)");
  }

  Result<CharSet> ReadSet() {
    const bool negated = text_.Take("^");
    std::vector<CharRange> ranges;
    while (!text_.Take("]")) {
      ASHLAR_TRY(const CharSet first, ReadSetMember());
      const std::string_view rest = text_.rest();
      if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']' && IsOneChar(first)) {
        text_.Skip(1);
        ASHLAR_TRY(const CharSet last, ReadSetMember());
        if (!IsOneChar(last) || last.ranges()[0].first < first.ranges()[0].first) {
          return InvalidHere("a range in a set has no end, or ends before it begins");
        }
        ranges.push_back({first.ranges()[0].first, last.ranges()[0].first});
      } else {
        ranges.insert(ranges.end(), first.ranges().begin(), first.ranges().end());
      }
    }
    const CharSet set(ranges);
    return negated ? set.Complement() : set;
  }
  static bool IsOneChar(const CharSet& set) {
    return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
  }
  Result<CharSet> ReadSetMember() {
    if (text_.at_end()) {
      return InvalidHere("expected \"]\", found the end");
    }
    if (text_.Take("\\")) {
      if (text_.Take("b")) {
        return CharSet::Of('\b');
      }
      return ReadEscape();
    }
    return CharSet::Of(text_.TakeChar());
  }

  // What follows "\\".
  Result<CharSet> ReadEscape() {
    const char letter = text_.peek();
    if (text_.at_end()) {
      return InvalidHere("expected what \\ escapes, found the end");
    }
    if (std::optional<CharSet> set = SetOfLetter(letter)) {
      text_.Skip(1);
      return *std::move(set);
    }
    static constexpr std::pair<char, char32_t> kControls[] = {
        {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'v', '\v'}, {'f', '\f'}};
    for (const auto& [name, code] : kControls) {
      if (letter == name) {
        text_.Skip(1);
        return CharSet::Of(code);
      }
    }
    switch (letter) {
      case 'b':
      case 'B':
        return UnsupportedHere("\\b, a border of words,");
      case 'p':
      case 'P':
        return UnsupportedHere("\\p, a property of characters,");
      case 'k':
        return UnsupportedHere("a back reference");
      case 'x':
      case 'u':
        return ReadHexEscape();
      case 'c':
        return ReadControlEscape();
      default:
        break;
    }
    if (letter >= '0' && letter <= '9') {
      text_.Skip(1);
      const bool nul = letter == '0' && (text_.peek() < '0' || text_.peek() > '9');
      return nul ? Result<CharSet>(CharSet::Of(0)) : UnsupportedHere("a back reference");
    }
    const bool is_letter = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
    if (is_letter || static_cast<std::uint8_t>(letter) >= 0x80) {
      return InvalidHere("\\{} is no escape", text_.Found());
    }
    return CharSet::Of(text_.TakeChar());
  }

  Result<CharSet> ReadHexEscape() {
    const bool braces = text_.Take("u{");
    const bool four = !braces && text_.Take("u");
    if (!braces && !four) {
      text_.Skip(1);  // "x"
    }
    const int digits = four ? 4 : 2;
    auto code = braces ? text_.TakeHex(1, 8) : text_.TakeHex(digits, digits);
    if (four && code && kHighSurrogates.Has(*code) && text_.Take("\\u")) {
      const auto low = text_.TakeHex(4, 4);
      if (low && kLowSurrogates.Has(*low)) {
        code = 0x10000 + ((*code - kHighSurrogates.first) << 10) + (*low - kLowSurrogates.first);
      }
    }
    if (!code || (braces && !text_.Take("}")) || !CharSet::All().Contains(*code)) {
      return InvalidHere("expected the hexadecimal digits of a character");
    }
    return CharSet::Of(*code);
  }

  // \cJ: the control character that the key makes with Ctrl.
  Result<CharSet> ReadControlEscape() {
    text_.Skip(1);
    const char letter = text_.peek();
    if (!IsAsciiLetter(letter)) {
      return InvalidHere("expected a letter after \\c, found {}", text_.Found());
    }
    text_.Skip(1);
    return CharSet::Of(static_cast<char32_t>(letter & 0x1F));
  }

  TextScanner text_;
  CharNfa nfa_;
  std::size_t ranges_ = 0;  // in its sets: all are copied where a part is repeated
};

}  // namespace

Result<CharNfa> ReadRegex(std::string_view pattern) {
  ASHLAR_TRY(CheckSource(pattern, "regular expression"));
  return RegexReader(pattern).Read();
}

}  // namespace ashlar::grammar
