#include "ashlar/grammar/internal/json_text.h"

#include <algorithm>

namespace ashlar::grammar {
namespace {

const CharSet kHexDigit = {{'0', '9'}, {'A', 'F'}, {'a', 'f'}};
const CharSet kDigit = {{'0', '9'}};

}  // namespace

RuleId JsonText::Rule(Drawer drawer) {
  for (const auto& [known, rule] : rules_) {
    if (known == drawer) {
      return rule;
    }
  }
  const RuleId rule = builder_.AddRule();
  rules_.emplace_back(drawer, rule);  // before it is drawn: values hold values
  (this->*drawer)(builder_.start(rule));
  return rule;
}

CharSet JsonText::Escaped() const {
  const CharSet always = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
  if (!escaped_char_) {
    return always;
  }
  const auto also = static_cast<char32_t>(*escaped_char_);
  return always | CharSet{{also, also}};
}

std::string JsonText::Written(const Json& value) const {
  std::string text;
  for (const char c : WriteJson(value)) {
    text += c == escaped_char_ ? fmt::format("\\u{:04x}", c) : std::string(1, c);
  }
  return text;
}

void JsonText::DrawBlank(StateId from) {
  const StateId line = builder_.AddState();
  builder_.Skip(from, kEnd);
  builder_.Literal(from, " ", kEnd);
  builder_.Literal(from, "\n", line);
  builder_.Repeat(line, CharSet{{' ', ' '}, {'\t', '\t'}}, 0, kMaxIndent, kEnd);
}

void JsonText::DrawValue(StateId from) {
  for (const RuleId rule : {object(), array(), string(), number(), boolean()}) {
    builder_.Call(from, rule, kEnd);
  }
  builder_.Literal(from, "null", kEnd);
}

void JsonText::Comma(StateId from, StateId to) {
  const StateId comma = builder_.AddState();
  builder_.Literal(from, ",", comma);
  builder_.Call(comma, blank(), to);
}

void JsonText::List(StateId from, RuleId member, std::string_view close) {
  const StateId open = builder_.AddState();
  const StateId next = builder_.AddState();
  const StateId after = builder_.AddState();
  const StateId last = builder_.AddState();
  builder_.Call(from, blank(), open);
  builder_.Literal(open, close, kEnd);
  builder_.Call(open, member, after);
  Comma(after, next);
  builder_.Call(next, member, after);
  builder_.Call(after, blank(), last);
  builder_.Literal(last, close, kEnd);
}

void JsonText::DrawObject(StateId from) {
  const RuleId member = builder_.AddRule();
  const StateId key = builder_.AddState();
  const StateId colon = builder_.AddState();
  const StateId before = builder_.AddState();
  builder_.Call(builder_.start(member), string(), key);
  builder_.Literal(key, ":", colon);
  builder_.Call(colon, blank(), before);
  builder_.Call(before, value(), kEnd);
  const StateId open = builder_.AddState();
  builder_.Literal(from, "{", open);
  List(open, member, "}");
}

void JsonText::DrawArray(StateId from) {
  const StateId open = builder_.AddState();
  builder_.Literal(from, "[", open);
  List(open, value(), "]");
}

void JsonText::DrawString(StateId from) {
  const StateId inside = builder_.AddState();
  builder_.Literal(from, "\"", inside);
  builder_.Call(inside, character(), inside);
  builder_.Literal(inside, "\"", kEnd);
}

void JsonText::DrawCharacter(StateId from) {
  builder_.Chars(from, CharSet::All() - Escaped(), kEnd);
  const StateId escape = builder_.AddState();
  builder_.Literal(from, "\\", escape);
  for (const char letter : std::string_view("\"\\/bfnrt")) {
    builder_.Literal(escape, std::string_view(&letter, 1), kEnd);
  }
  // \uXXXX: the first digit tells whether the second may make it a surrogate, D800 to DFFF.
  const StateId code = builder_.AddState();
  const StateId any = builder_.AddState();
  const StateId in_d = builder_.AddState();
  const StateId high = builder_.AddState();
  const StateId pair = builder_.AddState();
  const StateId low = builder_.AddState();
  const CharSet d = {{'D', 'D'}, {'d', 'd'}};
  builder_.Literal(escape, "u", code);
  builder_.Chars(code, kHexDigit - d, any);
  builder_.Repeat(any, kHexDigit, 3, 3, kEnd);
  builder_.Chars(code, d, in_d);
  const StateId below = builder_.AddState();
  builder_.Chars(in_d, {{'0', '7'}}, below);
  builder_.Repeat(below, kHexDigit, 2, 2, kEnd);
  builder_.Chars(in_d, {{'8', '9'}, {'A', 'B'}, {'a', 'b'}}, high);
  builder_.Repeat(high, kHexDigit, 2, 2, pair);
  const StateId second = builder_.AddState();
  const StateId second_d = builder_.AddState();
  builder_.Literal(pair, "\\u", second);
  builder_.Chars(second, d, second_d);
  builder_.Chars(second_d, {{'C', 'F'}, {'c', 'f'}}, low);
  builder_.Repeat(low, kHexDigit, 2, 2, kEnd);
}

void JsonText::Digits(StateId from, StateId to) {
  const StateId more = builder_.AddState();
  builder_.Literal(from, "0", to);
  builder_.Chars(from, {{'1', '9'}}, more);
  builder_.Repeat(more, kDigit, 0, kMaxDigits - 1, to);
}

void JsonText::DrawInteger(StateId from) {
  const StateId negative = builder_.AddState();
  const StateId more = builder_.AddState();
  Digits(from, kEnd);
  builder_.Literal(from, "-", negative);
  builder_.Chars(negative, {{'1', '9'}}, more);
  builder_.Repeat(more, kDigit, 0, kMaxDigits - 1, kEnd);
}

void JsonText::DrawNumber(StateId from) {
  const StateId digits = builder_.AddState();
  const StateId whole = builder_.AddState();
  const StateId point = builder_.AddState();
  const StateId fraction = builder_.AddState();
  const StateId exponent = builder_.AddState();
  const StateId power = builder_.AddState();
  builder_.Skip(from, digits);
  builder_.Literal(from, "-", digits);
  Digits(digits, whole);
  builder_.Skip(whole, fraction);
  builder_.Literal(whole, ".", point);
  builder_.Repeat(point, kDigit, 1, kMaxDigits, fraction);
  builder_.Skip(fraction, kEnd);
  builder_.Chars(fraction, {{'E', 'E'}, {'e', 'e'}}, exponent);
  builder_.Skip(exponent, power);
  builder_.Chars(exponent, {{'+', '+'}, {'-', '-'}}, power);
  builder_.Repeat(power, kDigit, 1, 2, kEnd);
}

void JsonText::DrawBoolean(StateId from) {
  builder_.Literal(from, "true", kEnd);
  builder_.Literal(from, "false", kEnd);
}

void JsonText::Constant(StateId from, const Json& value, StateId to) {
  builder_.Literal(from, Written(value), to);
}

void JsonText::Chars(StateId from, const CharSet& set, StateId to) {
  const CharSet escaped = set & Escaped();
  builder_.Chars(from, set - Escaped(), to);
  if (escaped.empty()) {
    return;
  }
  const auto [place, is_new] = escaped_.try_emplace(escaped, 0);
  if (is_new) {
    place->second = builder_.AddRule();
    for (const CharRange& range : escaped.ranges()) {
      for (char32_t code = range.first; code <= range.last; ++code) {
        const std::string quoted = Written(std::string(1, static_cast<char>(code)));
        builder_.Literal(builder_.start(place->second),
                         std::string_view(quoted).substr(1, quoted.size() - 2), kEnd);
      }
    }
  }
  builder_.Call(from, place->second, to);
}

void JsonText::StringOf(StateId from, const CharNfa& text, StateId to) {
  const StateId begin = builder_.AddState();
  const StateId end = builder_.AddState();
  builder_.Literal(from, "\"", begin);
  Draw(
      builder_, begin, text, [this](StateId a, const CharSet& set, StateId b) { Chars(a, set, b); },
      end);
  builder_.Literal(end, "\"", to);
}

}  // namespace ashlar::grammar
