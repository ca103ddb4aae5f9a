// What a schema says about strings: minLength, maxLength, pattern, format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ashlar/grammar/internal/char_automaton.h"
#include "ashlar/grammar/internal/schema.h"

namespace ashlar::grammar {

struct StringFormat;

struct StringConditions {
  struct Pattern {
    std::string_view regex;
    const Json* at;  // in the schema
  };
  std::uint32_t min = 0;  // characters
  std::uint32_t max = kUnbounded;
  std::vector<Pattern> patterns;             // all of which match
  std::vector<const StringFormat*> formats;  // which it has all; each of static storage

  bool none() const { return min == 0 && max == kUnbounded && of_any_text(); }
  // Whether they speak of lengths at most.
  bool of_any_text() const { return patterns.empty() && formats.empty(); }
  // Whether min and max allow a text (UTF-8) of so many characters.
  bool AllowLengthOf(std::string_view text) const;
  // The others alone.
  StringConditions WithoutLengths() const;
  // Conditions of equal keys have equal texts.
  std::string Key() const;
  // All of them as one automaton, to be drawn or to match with. kExhausted when that takes too many
  // states, or too much work; kInvalid and kUnsupported as ReadRegex gives them, with the place.
  Result<CharNfa> Texts(const SchemaSource& source, SourceWork& work) const;
  Result<CharDfa> Together(const SchemaSource& source, SourceWork& work) const;

 private:
  struct Automata {
    std::vector<CharNfa> patterns;
    CharLengths counted;  // what min and max say that no pattern says

    bool are_counted() const { return counted.min > 0 || counted.max != kUnbounded; }
    void Add(CharNfa pattern);
  };
  Result<Automata> Read(const SchemaSource& source, SourceWork& work) const;
  Result<CharNfa> ReadFormat(const StringFormat& format, CharLengths counted,
                             SourceWork& work) const;
  Result<CharDfa> Together(const Automata& automata, SourceWork& work) const;
};

// without_formats: as if there were none. (The texts written for a format are some of those that
// have it; where it matters that no other text has, the format says nothing.)
Result<StringConditions> StringConditionsOf(const SchemaSource& source, const Facts& facts,
                                            bool without_formats);

// Whether `name` is a format of strings, as in "date".
bool IsStringFormat(std::string_view name);
// That `name`, the value of a `format`, is one of nothing.
Error UnknownFormat(const SchemaSource& source, const Json& name);

// The texts that one of `texts` is.
CharNfa OneOfTexts(const std::vector<std::string>& texts);

// Reads the pattern of a schema, which matches anywhere in a text.
Result<CharNfa> ReadPattern(const SchemaSource& source, const Json& place, std::string_view pattern,
                            SourceWork& work);

}  // namespace ashlar::grammar
