// What a schema says about numbers: minimum, maximum, exclusiveMinimum, exclusiveMaximum,
// multipleOf, and the formats of numbers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "ashlar/grammar/internal/char_automaton.h"
#include "ashlar/grammar/internal/schema.h"

namespace ashlar::grammar {

// Numbers as they are written, by sign: bounded ones are written without an exponent, and with so
// few digits that reading them as doubles keeps their order.
struct NumberTexts {
  CharDfa positive;  // and zero
  CharDfa negative;  // behind the "-"; never zero
};

// The multiples of whole numbers, and of decimal fractions that divide 1 (0.01, 0.05), each
// automaton made once: those of fractions take a million divisions, and a regular expression of
// what they find.
class Multiples {
 public:
  Result<CharDfa> TextsOf(double divisor, SourceWork& work);

 private:
  std::map<double, CharDfa> made_;
};

struct NumberConditions {
  struct Bound {
    double value;
    bool exclusive;
    const Json* at;  // in the schema
  };
  struct Divisor {
    double value;    // above 0
    const Json* at;  // in the schema
  };
  std::optional<Bound> min;
  std::optional<Bound> max;
  std::vector<Divisor> divisors;  // each once
  bool whole = false;             // whole numbers only

  bool none() const { return !min && !max && divisors.empty() && !whole; }
  // Whether there are texts for these conditions; else kUnsupported says which of them is beyond
  // what is written.
  Status Check(const SchemaSource& source, bool whole_only) const;
  // The numbers (whole ones only, or all) under these conditions. Requires: they are checked.
  Result<NumberTexts> Texts(bool whole_only, Multiples& multiples, SourceWork& work) const;
  // Conditions of equal keys have equal texts.
  std::string Key(bool whole_only) const;
  // As validators find it, which divide doubles.
  bool Hold(double number) const;

 private:
  bool HaveFew(double divisor) const;
  Result<NumberTexts> ListedMultiples(double divisor, bool whole_only, SourceWork& work) const;
};

// Whether `name` is a format of numbers, as in "int32".
bool IsNumberFormat(std::string_view name);

// inclusive: bounds that exclude their number do not.
Result<NumberConditions> NumberConditionsOf(const SchemaSource& source, const Facts& facts,
                                            bool inclusive);

}  // namespace ashlar::grammar
