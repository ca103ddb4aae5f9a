// How the values of JSON are written in an answer: the rules that all schemas share, each made when
// it is first asked for.
//
// Whitespace may stand after "{", "[", "," and ":" and before "}" and "]": nothing, one space, or a
// line end and up to kMaxIndent blanks. It is bounded so that a network cannot go on with blanks
// for ever, and ambiguous nowhere.
#pragma once

#include <map>
#include <optional>

#include "ashlar/base/json.h"
#include "ashlar/grammar/internal/builder.h"
#include "ashlar/grammar/internal/char_automaton.h"

namespace ashlar::grammar {

class JsonText {
 public:
  static constexpr std::uint32_t kMaxIndent = 40;
  // Digits before the point and behind it, where no schema bounds the number: within what a double
  // can hold, and the first within 64 bits.
  static constexpr std::uint32_t kMaxDigits = 18;

  // escaped: a printing character of ASCII that strings have as \uXXXX only.
  explicit JsonText(Builder& builder, std::optional<char> escaped = std::nullopt)
      : builder_(builder), escaped_char_(escaped) {}

  RuleId blank() { return Rule(&JsonText::DrawBlank); }
  RuleId value() { return Rule(&JsonText::DrawValue); }
  RuleId object() { return Rule(&JsonText::DrawObject); }
  RuleId array() { return Rule(&JsonText::DrawArray); }
  RuleId string() { return Rule(&JsonText::DrawString); }
  RuleId number() { return Rule(&JsonText::DrawNumber); }
  RuleId integer() { return Rule(&JsonText::DrawInteger); }
  RuleId boolean() { return Rule(&JsonText::DrawBoolean); }
  // One character of a string, in any of its spellings: as itself or escaped. A surrogate stands
  // only with its other half, so that strings are text.
  RuleId character() { return Rule(&JsonText::DrawCharacter); }

  // `value` as WriteJson writes it.
  void Constant(StateId from, const Json& value, StateId to);
  // A string whose text `text` matches, each character in one spelling: as itself where JSON allows
  // that, else its shortest escape.
  void StringOf(StateId from, const CharNfa& text, StateId to);
  // "," and blanks.
  void Comma(StateId from, StateId to);

 private:
  using Drawer = void (JsonText::*)(StateId from);
  RuleId Rule(Drawer drawer);

  void DrawBlank(StateId from);
  void DrawValue(StateId from);
  void DrawObject(StateId from);
  void DrawArray(StateId from);
  void DrawString(StateId from);
  void DrawNumber(StateId from);
  void DrawInteger(StateId from);
  void DrawBoolean(StateId from);
  void DrawCharacter(StateId from);
  void Chars(StateId from, const CharSet& set, StateId to);
  void Digits(StateId from, StateId to);
  // The elements of an array or an object, each a `member`, and what closes it.
  void List(StateId from, RuleId member, std::string_view close);

  // What strings do not have as itself.
  CharSet Escaped() const;
  // `value` as WriteJson writes it, but for what is escaped.
  std::string Written(const Json& value) const;

  Builder& builder_;
  const std::optional<char> escaped_char_;
  std::vector<std::pair<Drawer, RuleId>> rules_;
  std::map<CharSet, RuleId> escaped_;
};

}  // namespace ashlar::grammar
