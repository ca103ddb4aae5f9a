// What a schema says about strings: minLength, maxLength, pattern, format.
#pragma once

#include <optional>
#include <vector>

#include "ashlar/grammar/internal/char_automaton.h"
#include "ashlar/grammar/internal/schema.h"

namespace ashlar::grammar {

struct StringConditions {
  std::uint32_t min = 0;  // characters
  std::uint32_t max = kUnbounded;
  std::vector<CharNfa> patterns;  // all of which match

  bool none() const { return min == 0 && max == kUnbounded && patterns.empty(); }
  // All of them as one automaton. kExhausted when that takes too many states, or too much work.
  Result<CharDfa> Together(AutomatonWork& work) const;
};

// without_formats: as if there were none. (The texts written for a format are some of those that
// have it; where it matters that no other text has, the format says nothing.)
Result<StringConditions> StringConditionsOf(const SchemaSource& source, const Facts& facts,
                                            bool without_formats, AutomatonWork& work);

// Whether `name` is a format of strings, as in "date".
bool IsStringFormat(std::string_view name);
// That `name`, the value of a `format`, is one of nothing.
Error UnknownFormat(const SchemaSource& source, const Json& name);

// The texts that one of `texts` is.
CharNfa OneOfTexts(const std::vector<std::string>& texts);

// Reads the pattern of a schema, which matches anywhere in a text.
Result<CharNfa> ReadPattern(const SchemaSource& source, const Json& place,
                            std::string_view pattern);

}  // namespace ashlar::grammar
