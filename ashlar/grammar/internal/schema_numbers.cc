#include "ashlar/grammar/internal/schema_numbers.h"

#include <algorithm>
#include <cmath>

#include "ashlar/grammar/internal/regex.h"

namespace ashlar::grammar {
namespace {

// Doubles tell all decimals of so many digits apart.
constexpr int kDoubleDigits = 15;
// Longer bounds are beyond all that is written.
constexpr int kBoundDigits = 20;
constexpr std::uint32_t kLargestDivisor = 5'000;

// A number that is not negative, in decimal: "12" and "5" for 12.5.
struct Decimal {
  std::string whole;
  std::string fraction;  // no zeros at its end
};

Decimal ToDecimal(double magnitude) {
  // The shortest that reads back as the double: digits, with a point or an exponent.
  const std::string text = EcmaScriptNumber(magnitude);
  const std::size_t e = text.find('e');
  int exponent = e == std::string::npos ? 0 : std::stoi(text.substr(e + 1));
  std::string digits = text.substr(0, e);
  if (const std::size_t point = digits.find('.'); point != std::string::npos) {
    exponent -= static_cast<int>(digits.size() - point - 1);
    digits.erase(point, 1);
  }
  if (exponent > 0) {
    digits.append(static_cast<std::size_t>(exponent), '0');
    exponent = 0;
  }
  const auto behind = static_cast<std::size_t>(-exponent);
  if (digits.size() <= behind) {
    digits.insert(0, behind - digits.size() + 1, '0');
  }
  Decimal decimal = {digits.substr(0, digits.size() - behind),
                     digits.substr(digits.size() - behind)};
  decimal.whole.erase(0, std::min(decimal.whole.find_first_not_of('0'), decimal.whole.size() - 1));
  while (decimal.fraction.ends_with('0')) {
    decimal.fraction.pop_back();
  }
  return decimal;
}

constexpr const char* kAnyFraction = "(\\.[0-9]+)?";

// Alternatives of a regular expression.
class Alternatives {
 public:
  template <class... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    text_ += text_.empty() ? "" : "|";
    text_ += fmt::format(format, std::forward<Args>(args)...);
  }
  // Nothing matches when none was added.
  Result<CharDfa> Determined() const {
    const auto nfa = ReadRegex(text_.empty() ? "[]" : text_);
    CHECK(nfa.ok());
    return CharDfa::Of(*nfa);
  }

 private:
  std::string text_;
};

// The number itself, with any zeros behind it.
void AddEqual(const Decimal& bound, Alternatives& alternatives) {
  if (bound.fraction.empty()) {
    alternatives.Add("{}(\\.0+)?", bound.whole);
  } else {
    alternatives.Add("{}\\.{}0*", bound.whole, bound.fraction);
  }
}

// Decimals that are smaller (larger) differ first in a digit that is smaller (larger), or have
// fewer (more) digits before the point.
Result<CharDfa> AtMost(const Decimal& bound, bool exclusive) {
  const std::string& whole = bound.whole;
  const std::string& fraction = bound.fraction;
  Alternatives smaller;
  if (whole.size() > 1) {
    smaller.Add("(0|[1-9][0-9]{{0,{}}}){}", whole.size() - 2, kAnyFraction);
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const char first = i == 0 && whole.size() > 1 ? '1' : '0';
    if (whole[i] > first) {
      smaller.Add("{}[{}-{}][0-9]{{{}}}{}", whole.substr(0, i), first,
                  static_cast<char>(whole[i] - 1), whole.size() - i - 1, kAnyFraction);
    }
  }
  for (std::size_t i = 0; i < fraction.size(); ++i) {
    smaller.Add("{}{}{}", whole, i == 0 ? "" : "\\.", fraction.substr(0, i));
    if (fraction[i] > '0') {
      smaller.Add("{}\\.{}[0-{}][0-9]*", whole, fraction.substr(0, i),
                  static_cast<char>(fraction[i] - 1));
    }
  }
  if (!exclusive) {
    AddEqual(bound, smaller);
  }
  return smaller.Determined();
}

Result<CharDfa> AtLeast(const Decimal& bound, bool exclusive) {
  const std::string& whole = bound.whole;
  const std::string& fraction = bound.fraction;
  Alternatives larger;
  larger.Add("[1-9][0-9]{{{},}}{}", whole.size(), kAnyFraction);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] < '9') {
      larger.Add("{}[{}-9][0-9]{{{}}}{}", whole.substr(0, i), static_cast<char>(whole[i] + 1),
                 whole.size() - i - 1, kAnyFraction);
    }
  }
  for (std::size_t i = 0; i < fraction.size(); ++i) {
    if (fraction[i] < '9') {
      larger.Add("{}\\.{}[{}-9][0-9]*", whole, fraction.substr(0, i),
                 static_cast<char>(fraction[i] + 1));
    }
  }
  larger.Add("{}\\.{}[0-9]*[1-9][0-9]*", whole, fraction);
  if (!exclusive) {
    AddEqual(bound, larger);
  }
  return larger.Determined();
}

double NumberOf(const Json& value) {
  return value.real() != nullptr ? *value.real() : static_cast<double>(*value.integer());
}

// k for 10^-k, else nothing.
std::optional<int> DecimalPlaces(double divisor) {
  for (int places = 1; places <= kDoubleDigits; ++places) {
    if (divisor == std::stod(fmt::format("1e-{}", places))) {
      return places;
    }
  }
  return std::nullopt;
}

void Tighten(std::optional<NumberConditions::Bound>& bound, double value, bool exclusive,
             bool larger) {
  const bool tighter = !bound || (larger ? value > bound->value : value < bound->value) ||
                       (value == bound->value && exclusive);
  if (tighter) {
    bound = {value, exclusive};
  }
}

}  // namespace

Result<NumberConditions> NumberConditionsOf(const SchemaSource& source, const Facts& facts,
                                            bool inclusive) {
  NumberConditions conditions;
  struct BoundKeyword {
    const char* name;
    bool is_min;
    bool exclusive;
  };
  static constexpr BoundKeyword kBounds[] = {{"minimum", true, false},
                                             {"exclusiveMinimum", true, true},
                                             {"maximum", false, false},
                                             {"exclusiveMaximum", false, true}};
  for (const BoundKeyword& keyword : kBounds) {
    ASHLAR_TRY(const auto values, source.Find(facts, keyword.name, kNumber));
    for (const Json* value : values) {
      Tighten(keyword.is_min ? conditions.min : conditions.max, NumberOf(*value),
              keyword.exclusive && !inclusive, keyword.is_min);
    }
  }
  ASHLAR_TRY(const auto divisors, source.Find(facts, "multipleOf", kNumber));
  for (const Json* divisor : divisors) {
    const double value = NumberOf(*divisor);
    if (value <= 0) {
      return source.InvalidAt(*divisor, "expected a number above 0, found {}", value);
    }
    const bool whole = value == std::trunc(value) && value <= kLargestDivisor;
    if (!whole && !DecimalPlaces(value)) {
      return source.UnsupportedAt(*divisor,
                                  "multipleOf {}: only whole numbers up to {} and powers of ten "
                                  "(0.01) are supported",
                                  value, kLargestDivisor);
    }
    conditions.divisors.push_back(value);
  }
  return conditions;
}

bool NumberConditions::Hold(double number) const {
  if (min && (min->exclusive ? number <= min->value : number < min->value)) {
    return false;
  }
  if (max && (max->exclusive ? number >= max->value : number > max->value)) {
    return false;
  }
  return std::ranges::all_of(divisors, [number](double divisor) {
    const std::optional<int> places = DecimalPlaces(divisor);
    return places ? ToDecimal(std::abs(number)).fraction.size() <= static_cast<std::size_t>(*places)
                  : std::fmod(number, divisor) == 0;
  });
}

Result<NumberTexts> NumberConditions::Texts(bool whole) const {
  int places = kDoubleDigits;
  CharDfa multiples = *CharDfa::OfLength(0, kUnbounded);
  for (const double divisor : divisors) {
    if (const std::optional<int> given = DecimalPlaces(divisor)) {
      places = std::min(places, *given);
    } else {
      whole = true;
      ASHLAR_TRY(multiples,
                 Both(multiples, CharDfa::OfMultiples(static_cast<std::uint32_t>(divisor))));
    }
  }
  // Doubles do not tell all whole numbers beyond apart: only bounds that may be met allow those.
  const bool exact = !divisors.empty() || (min && min->exclusive) || (max && max->exclusive);
  Alternatives form;
  if (whole) {
    form.Add("0|[1-9][0-9]{{0,{}}}", exact ? kDoubleDigits - 1 : 17);
  } else {
    form.Add("(0|[1-9][0-9]{{0,14}})(\\.[0-9]{{1,{}}})?", places);
  }
  ASHLAR_TRY(CharDfa any, form.Determined());
  ASHLAR_TRY(any, Both(any, multiples));
  if (!whole) {
    Alternatives few;
    few.Add("([0-9]\\.?){{1,{}}}", kDoubleDigits);
    ASHLAR_TRY(const CharDfa digits, few.Determined());
    ASHLAR_TRY(any, Both(any, digits));
  }
  const CharDfa nothing = CharDfa::OfLength(0, kUnbounded)->Others();
  const auto beyond = [](const Decimal& bound) {
    return bound.whole.size() > static_cast<std::size_t>(kBoundDigits);
  };
  // Numbers whose magnitude lies between two bounds, either of which may be missing.
  const auto between = [&](const std::optional<Bound>& low,
                           const std::optional<Bound>& high) -> Result<CharDfa> {
    CharDfa texts = any;
    if (low) {
      const Decimal bound = ToDecimal(std::abs(low->value));
      if (beyond(bound)) {
        return nothing;
      }
      ASHLAR_TRY(const CharDfa condition, AtLeast(bound, low->exclusive));
      ASHLAR_TRY(texts, Both(texts, condition));
    }
    if (high) {
      if (const Decimal bound = ToDecimal(std::abs(high->value)); !beyond(bound)) {
        ASHLAR_TRY(const CharDfa condition, AtMost(bound, high->exclusive));
        ASHLAR_TRY(texts, Both(texts, condition));
      }
    }
    return texts;
  };
  NumberTexts texts = {nothing, nothing};
  if (!max || max->value >= 0) {
    ASHLAR_TRY(texts.positive, between(min && min->value >= 0 ? min : std::nullopt, max));
  }
  if (!min || min->value < 0) {
    const std::optional<Bound> low =
        max && max->value < 0 ? max : std::optional(Bound{0, /*exclusive=*/true});
    ASHLAR_TRY(texts.negative, between(low, min));
  }
  return texts;
}

}  // namespace ashlar::grammar
