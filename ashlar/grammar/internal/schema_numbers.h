// What a schema says about numbers: minimum, maximum, exclusiveMinimum, exclusiveMaximum,
// multipleOf.
#pragma once

#include <optional>

#include "ashlar/grammar/internal/char_automaton.h"
#include "ashlar/grammar/internal/schema.h"

namespace ashlar::grammar {

// Numbers as they are written, by sign: bounded ones are written without an exponent, and with so
// few digits that reading them as doubles keeps their order.
struct NumberTexts {
  CharDfa positive;  // and zero
  CharDfa negative;  // behind the "-"; never zero
};

struct NumberConditions {
  struct Bound {
    double value;
    bool exclusive;
  };
  std::optional<Bound> min;
  std::optional<Bound> max;
  std::vector<double> divisors;  // each a whole number, or a power of ten below 1

  bool none() const { return !min && !max && divisors.empty(); }
  // The numbers (whole ones only, or all) under these conditions.
  Result<NumberTexts> Texts(bool whole) const;
  bool Hold(double number) const;
};

// inclusive: bounds that exclude their number do not.
Result<NumberConditions> NumberConditionsOf(const SchemaSource& source, const Facts& facts,
                                            bool inclusive);

}  // namespace ashlar::grammar
