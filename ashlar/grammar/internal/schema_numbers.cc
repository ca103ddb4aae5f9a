#include "ashlar/grammar/internal/schema_numbers.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "ashlar/grammar/internal/regex.h"
#include "ashlar/grammar/internal/schema_strings.h"

namespace ashlar::grammar {
namespace {

// Doubles tell all decimals of so many digits apart.
constexpr int kDoubleDigits = 15;
// Longer bounds are beyond all that is written.
constexpr int kBoundDigits = 20;
// Remainders, times the digits before them and how those compare with bounds, are states. Those of
// powers of 2 and 5 are few: the last digits tell.
constexpr std::uint32_t kLargestDivisor = 5'000;
constexpr std::uint32_t kLargestOfOtherFactors = 400;
// Of fractions: all are written out.
constexpr double kMostMultiples = 5'000;
// Of the fractions that doubles divide exactly, 1/2, 1/4...: so many places end all multiples.
constexpr int kMostBinaryPlaces = 6;
// Of the decimal fractions that divide 1 (0.01, 0.05), by places behind the point: digits of the
// whole numbers behind which fractions stand. (All are tried, and more take too large an
// automaton.)
constexpr int kDigitsTried[] = {0, 5, 4};
constexpr std::size_t kMostUnitPlaces = std::size(kDigitsTried) - 1;
// Beyond these are numbers that are never written.
constexpr double kLargest = 999'999'999'999'999;
constexpr double kLargestWhole = 1e18;  // the double next to 999'999'999'999'999'999: one too large

struct NumberFormat {
  std::string_view name;
  bool whole;
  double min;
  double max;
};
// OpenAPI's, and those that are made as they are. (Of 64 bits there are more than are written.)
constexpr NumberFormat kFormats[] = {
    {"int8", true, -128, 127},
    {"int16", true, -32'768, 32'767},
    {"int32", true, -2'147'483'648, 2'147'483'647},
    {"int64", true, -kLargestWhole, kLargestWhole},
    {"uint8", true, 0, 255},
    {"uint16", true, 0, 65'535},
    {"uint32", true, 0, 4'294'967'295},
    {"uint64", true, 0, kLargestWhole},
    {"float", false, 0, 0},
    {"double", false, 0, 0},
};

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
  Result<CharDfa> Determined(SourceWork& work) const {
    const auto nfa = ReadRegex(text_.empty() ? "[]" : text_);
    CHECK(nfa.ok());
    return CharDfa::Of(*nfa, work);
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
Result<CharDfa> AtMost(const Decimal& bound, bool exclusive, SourceWork& work) {
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
  ASHLAR_TRY(const CharDfa texts, smaller.Determined(work));
  return texts.Minimized(work);
}

Result<CharDfa> AtLeast(const Decimal& bound, bool exclusive, SourceWork& work) {
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
  ASHLAR_TRY(const CharDfa texts, larger.Determined(work));
  return texts.Minimized(work);
}

double NumberOf(const Json& value) {
  return value.real() != nullptr ? *value.real() : static_cast<double>(*value.integer());
}

bool IsCounted(double divisor) {
  if (divisor != std::trunc(divisor) || divisor > kLargestDivisor) {
    return false;
  }
  auto rest = static_cast<std::uint32_t>(divisor);
  for (const std::uint32_t factor : {2u, 5u}) {
    while (rest % factor == 0) {
      rest /= factor;
    }
  }
  return rest <= kLargestOfOtherFactors;
}

// The places of the multiples of 1/2 to the power of so many; 0 for all other divisors.
int BinaryPlaces(double divisor) {
  int exponent = 0;
  const int places = std::frexp(divisor, &exponent) == 0.5 ? 1 - exponent : 0;
  return places <= kMostBinaryPlaces ? std::max(places, 0) : 0;
}

// Behind the point of the multiples that are not whole, each in one spelling: "25|5|75".
std::string BinaryFractions(int places) {
  std::string fractions;
  for (int i = 1; i < 1 << places; ++i) {
    fractions += (i == 1 ? "" : "|") + ToDecimal(std::ldexp(i, -places)).fraction;
  }
  return fractions;
}

// 100 for 0.01, 20 for 0.05: how many of a decimal fraction with few places are 1; 0 for all other
// divisors.
std::int64_t UnitsOf(double divisor) {
  const Decimal decimal = ToDecimal(divisor);
  if (decimal.whole != "0" || decimal.fraction.size() > kMostUnitPlaces) {
    return 0;
  }
  std::int64_t one = 1;
  for (std::size_t i = 0; i < decimal.fraction.size(); ++i) {
    one *= 10;
  }
  const std::int64_t step = std::stoll(decimal.fraction);
  return one % step == 0 ? one / step : 0;
}

bool IsMultiple(double number, double divisor) {
  const double times = number / divisor;
  return times == std::trunc(times);
}

// The multiples of a fraction that is 1/`units`, as validators find them, each in one spelling.
//
// Which fractions stand behind a whole number is seen by dividing: rounding decides. It does so
// alike for long rows of whole numbers, since behind numbers of one binade it moves a fraction by
// the same, and so few prefixes say it all. Behind numbers beyond those that are tried there are
// none. Whole numbers themselves are multiples always: the double of the divisor is within 2^-54 of
// it, relatively, so that the quotient is next to a whole one or too large to be anything else.
class UnitFraction {
 public:
  UnitFraction(double divisor, std::int64_t units) : units_(units) {
    const int digits = DigitsTried(divisor);
    for (std::int64_t whole = 0; whole < WholesTried(divisor); ++whole) {
      std::vector<bool> found(static_cast<std::size_t>(units));
      for (std::int64_t i = 1; i < units; ++i) {
        // (Rounded once, as the decimal is when it is read: both are whole, and exact.)
        found[i] = IsMultiple(static_cast<double>(whole * units + i) / static_cast<double>(units),
                              divisor);
      }
      fractions_.push_back(rows_.try_emplace(std::move(found)).first);
    }
    std::int64_t count = 1;
    for (int behind = 0; behind < digits; ++behind, count *= 10) {
      for (int first = behind == 0 ? 0 : 1; first < 10; ++first) {
        Split(first * count, count, std::to_string(first), behind);
      }
    }
  }

  // To make one.
  static std::uint64_t Steps(double divisor, std::int64_t units) {
    constexpr std::int64_t kDivisionsOfAStep = 8;
    return static_cast<std::uint64_t>(WholesTried(divisor) * units / kDivisionsOfAStep);
  }

  Result<CharDfa> Texts(SourceWork& work) const {
    Alternatives texts;
    texts.Add("0|[1-9][0-9]*");
    for (const auto& [found, wholes] : rows_) {
      std::string fractions;
      for (std::int64_t i = 1; i < units_; ++i) {
        if (found[i]) {
          fractions += (fractions.empty() ? "" : "|") +
                       ToDecimal(static_cast<double>(i) / static_cast<double>(units_)).fraction;
        }
      }
      if (!fractions.empty()) {
        texts.Add("({})\\.({})", wholes, fractions);
      }
    }
    return texts.Determined(work);
  }

 private:
  static int DigitsTried(double divisor) {
    return kDigitsTried[ToDecimal(divisor).fraction.size()];
  }
  static std::int64_t WholesTried(double divisor) {
    return static_cast<std::int64_t>(std::pow(10, DigitsTried(divisor)));
  }

  // By which fractions are found: the whole numbers before them, as a regular expression.
  using Rows = std::map<std::vector<bool>, std::string>;

  // The `count` numbers from `begin` on: those of `prefix` and so many digits behind it.
  void Split(std::int64_t begin, std::int64_t count, const std::string& prefix, int behind) {
    const auto row = fractions_.begin() + begin;
    if (std::adjacent_find(row, row + count, std::not_equal_to()) == row + count) {
      std::string& wholes = (*row)->second;
      wholes += (wholes.empty() ? "" : "|") + prefix +
                (behind == 0 ? "" : fmt::format("[0-9]{{{}}}", behind));
      return;
    }
    for (char digit = '0'; digit <= '9'; ++digit) {
      Split(begin + (digit - '0') * (count / 10), count / 10, prefix + digit, behind - 1);
    }
  }

  const std::int64_t units_;
  Rows rows_;
  std::vector<Rows::iterator> fractions_;  // by whole number
};

void Tighten(std::optional<NumberConditions::Bound>& bound, const NumberConditions::Bound& other,
             bool larger) {
  const bool tighter = !bound ||
                       (larger ? other.value > bound->value : other.value < bound->value) ||
                       (other.value == bound->value && other.exclusive);
  if (tighter) {
    bound = other;
  }
}

}  // namespace

Result<CharDfa> Multiples::TextsOf(double divisor, SourceWork& work) {
  const auto known = made_.find(divisor);
  if (known != made_.end()) {
    return known->second;
  }
  const bool counted = IsCounted(divisor);
  const std::int64_t units = counted ? 0 : UnitsOf(divisor);
  ASHLAR_TRY(work.Take(counted ? 0 : UnitFraction::Steps(divisor, units)));
  ASHLAR_TRY(CharDfa texts, counted
                                ? CharDfa::OfMultiples(static_cast<std::uint32_t>(divisor), work)
                                : UnitFraction(divisor, units).Texts(work));
  return made_.emplace(divisor, std::move(texts)).first->second;
}

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
      Tighten(keyword.is_min ? conditions.min : conditions.max,
              {NumberOf(*value), keyword.exclusive && !inclusive, value}, keyword.is_min);
    }
  }
  ASHLAR_TRY(const auto divisors, source.Find(facts, "multipleOf", kNumber));
  std::set<double> known_divisors;
  for (const Json* divisor : divisors) {
    const double value = NumberOf(*divisor);
    if (value <= 0) {
      return source.InvalidAt(*divisor, "expected a number above 0, found {}", value);
    }
    if (known_divisors.insert(value).second) {
      conditions.divisors.push_back({value, divisor});
    }
  }
  ASHLAR_TRY(const auto formats, source.Find(facts, "format", kString));
  for (const Json* name : formats) {
    const auto known = std::ranges::find(kFormats, *name->string(), &NumberFormat::name);
    if (known != std::end(kFormats) && known->whole) {
      conditions.whole = true;
      Tighten(conditions.min, {known->min, false, name}, /*larger=*/true);
      Tighten(conditions.max, {known->max, false, name}, /*larger=*/false);
    } else if (known == std::end(kFormats) && !IsStringFormat(*name->string())) {
      return UnknownFormat(source, *name);
    }
  }
  return conditions;
}

bool IsNumberFormat(std::string_view name) {
  return std::ranges::find(kFormats, name, &NumberFormat::name) != std::end(kFormats);
}

bool NumberConditions::Hold(double number) const {
  if (min && (min->exclusive ? number <= min->value : number < min->value)) {
    return false;
  }
  if (max && (max->exclusive ? number >= max->value : number > max->value)) {
    return false;
  }
  return (!whole || number == std::trunc(number)) &&
         std::ranges::all_of(divisors, [number](const Divisor& divisor) {
           return IsMultiple(number, divisor.value);
         });
}

Status NumberConditions::Check(const SchemaSource& source, bool whole_only) const {
  const bool exact = !divisors.empty() || (min && min->exclusive) || (max && max->exclusive);
  const double largest = (whole_only || whole) && !exact ? kLargestWhole : kLargest;
  // No number is beyond a bound that is the largest and excludes itself; kLargestWhole is none.
  const auto beyond = [largest](const Bound& bound, double value) {
    return value > largest || (value == largest && (bound.exclusive || largest == kLargestWhole));
  };
  for (const auto& [bound, nothing] : {std::pair(min, min && beyond(*min, min->value)),
                                       std::pair(max, max && beyond(*max, -max->value))}) {
    if (nothing) {
      return source.UnsupportedAt(
          *bound->at,
          "{} is beyond what is written: numbers under this condition have up to {} digits",
          EcmaScriptNumber(bound->value), largest == kLargest ? kDoubleDigits : 18);
    }
  }
  for (const auto& [divisor, at] : divisors) {
    if (!IsCounted(divisor) && BinaryPlaces(divisor) == 0 && UnitsOf(divisor) == 0 &&
        !HaveFew(divisor)) {
      return source.UnsupportedAt(
          *at,
          "multipleOf {}: supported are whole numbers up to {}, and up to {} those that are no "
          "larger without their factors 2 and 5; 1/2, 1/4... 1/{} and decimal fractions of {} "
          "places "
          "that divide 1; and others where minimum and maximum leave at most {} multiples. "
          "Validators divide doubles, and find many multiples of fractions to be none (0.57 of "
          "0.01)",
          EcmaScriptNumber(divisor), kLargestOfOtherFactors, kLargestDivisor,
          1 << kMostBinaryPlaces, kMostUnitPlaces, kMostMultiples);
    }
  }
  return {};
}

// Whether the bounds leave few multiples, which 15 digits write.
bool NumberConditions::HaveFew(double divisor) const {
  const double last_place = std::pow(10, -static_cast<double>(ToDecimal(divisor).fraction.size()));
  return min && max && (max->value - min->value) / divisor <= kMostMultiples &&
         std::max({divisor, std::abs(min->value), std::abs(max->value)}) / last_place <= kLargest;
}

std::string NumberConditions::Key(bool whole_only) const {
  std::string key = whole || whole_only ? "whole" : "";
  for (const auto& [name, bound] : {std::pair("min", min), std::pair("max", max)}) {
    if (bound) {
      key += fmt::format(" {} {}{}", name, bound->value, bound->exclusive ? " excluded" : "");
    }
  }
  std::set<double> values;
  for (const Divisor& divisor : divisors) {
    values.insert(divisor.value);
  }
  for (const double value : values) {
    key += fmt::format(" of {}", value);
  }
  return key;
}

// Those that a validator takes for multiples, each in one spelling.
Result<NumberTexts> NumberConditions::ListedMultiples(double divisor, bool whole_only,
                                                      SourceWork& work) const {
  constexpr std::uint64_t kMultiple = 4;  // steps, to be written and read
  const Decimal decimal = ToDecimal(divisor);
  const std::size_t places = decimal.fraction.size();
  const std::int64_t step = std::stoll(decimal.whole + decimal.fraction);
  std::vector<std::string> positive;
  std::vector<std::string> negative;
  const auto last = static_cast<std::int64_t>(std::floor(max->value / divisor)) + 1;
  for (auto times = static_cast<std::int64_t>(std::ceil(min->value / divisor)) - 1; times <= last;
       ++times) {
    ASHLAR_TRY(work.Take(kMultiple + divisors.size()));
    std::string text = std::to_string(std::abs(times) * step);
    text.insert(0, text.size() <= places ? places + 1 - text.size() : 0, '0');
    if (places > 0) {
      text.insert(text.size() - places, 1, '.');
      text.erase(text.find_last_not_of('0') + 1);
      text.erase(text.find_last_not_of('.') + 1);
    }
    const double number = std::copysign(std::stod(text), times < 0 ? -1 : 1);
    if (Hold(number) && (!whole_only || number == std::trunc(number))) {
      (times < 0 ? negative : positive).push_back(text);
    }
  }
  ASHLAR_TRY(CharDfa of_positive, CharDfa::Of(OneOfTexts(positive), work));
  ASHLAR_TRY(CharDfa of_negative, CharDfa::Of(OneOfTexts(negative), work));
  return NumberTexts{std::move(of_positive), std::move(of_negative)};
}

Result<NumberTexts> NumberConditions::Texts(bool whole_only, Multiples& multiples,
                                            SourceWork& work) const {
  whole_only |= whole;
  CharDfa divided = *CharDfa::OfLength(0, kUnbounded);
  int places = -1;  // all that may stand behind a point; else the fewest of the binary ones
  for (const Divisor& divisor : divisors) {
    if (const int binary = BinaryPlaces(divisor.value); binary > 0) {
      places = places < 0 ? binary : std::min(places, binary);
      continue;
    }
    if (!IsCounted(divisor.value) && HaveFew(divisor.value)) {
      return ListedMultiples(divisor.value, whole_only, work);
    }
    whole_only |= IsCounted(divisor.value);
    ASHLAR_TRY(const CharDfa found, multiples.TextsOf(divisor.value, work));
    ASHLAR_TRY(divided, Both(divided, found, work));
  }
  // Doubles do not tell all whole numbers beyond apart: only bounds that may be met allow those.
  const bool exact = !divisors.empty() || (min && min->exclusive) || (max && max->exclusive);
  Alternatives form;
  if (whole_only) {
    form.Add("0|[1-9][0-9]{{0,{}}}", exact ? kDoubleDigits - 1 : 17);
  } else if (places > 0) {
    form.Add("(0|[1-9][0-9]{{0,14}})(\\.({}))?", BinaryFractions(places));
  } else {
    form.Add("(0|[1-9][0-9]{{0,14}})(\\.[0-9]{{1,{}}})?", kDoubleDigits);
  }
  ASHLAR_TRY(CharDfa any, form.Determined(work));
  ASHLAR_TRY(any, Both(any, divided, work));
  if (!whole_only) {
    Alternatives few;
    few.Add("([0-9]\\.?){{1,{}}}", kDoubleDigits);
    ASHLAR_TRY(const CharDfa digits, few.Determined(work));
    ASHLAR_TRY(any, Both(any, digits, work));
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
      ASHLAR_TRY(const CharDfa condition, AtLeast(bound, low->exclusive, work));
      ASHLAR_TRY(texts, Both(texts, condition, work));
    }
    if (high) {
      if (const Decimal bound = ToDecimal(std::abs(high->value)); !beyond(bound)) {
        ASHLAR_TRY(const CharDfa condition, AtMost(bound, high->exclusive, work));
        ASHLAR_TRY(texts, Both(texts, condition, work));
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
        max && max->value < 0 ? max : std::optional(Bound{0, /*exclusive=*/true, nullptr});
    ASHLAR_TRY(texts.negative, between(low, min));
  }
  return texts;
}

}  // namespace ashlar::grammar
