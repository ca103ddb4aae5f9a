#include <charconv>
#include <cmath>
#include <cstdlib>

#include "ashlar/text/jinja/filters.h"
#include "ashlar/text/jinja/strings.h"

namespace ashlar::jinja {
namespace {

Result<Value> Abs(const Call& call) {
  if (const auto integer = call.self().AsInteger(); integer && *integer != INT64_MIN) {
    return Value(std::abs(*integer));
  }
  if (const auto real = call.self().AsReal()) {
    return Value(std::fabs(*real));
  }
  return call.Wrong("expected a number, found {}", call.self().TypeName());
}

std::optional<double> ParseReal(std::string_view text) {
  text = Strip(text, {}, true, true);
  double value = 0;
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() ? std::optional(value)
                                                                             : std::nullopt;
}

Result<Value> Int(const Call& call) {
  const Value otherwise = call[0] != nullptr ? *call[0] : Value(std::int64_t{0});
  ASHLAR_TRY(const std::int64_t base, call.IntegerOr(1, 10));
  if (base < 2 || base > 36) {
    return call.Wrong("\"base\" must be from 2 to 36, found {}", base);
  }
  if (const auto integer = call.self().AsInteger()) {
    return Value(*integer);
  }
  std::optional<double> real = call.self().AsReal();
  if (const std::string* text = call.self().string()) {
    std::string_view digits = Strip(*text, {}, true, true);
    if (digits.starts_with('+')) {
      digits.remove_prefix(1);
    }
    constexpr std::pair<std::int64_t, std::string_view> kPrefixes[] = {
        {16, "0x"}, {8, "0o"}, {2, "0b"}};
    for (const auto& [of, prefix] : kPrefixes) {
      if (base == of && digits.starts_with(prefix)) {
        digits.remove_prefix(prefix.size());
      }
    }
    std::int64_t value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value,
                                        static_cast<int>(base));
    if (result.ec == std::errc() && result.ptr == digits.data() + digits.size()) {
      return Value(value);
    }
    real = ParseReal(*text);
  }
  constexpr double kMost = 9.2e18;
  if (real && std::fabs(*real) < kMost) {
    return Value(static_cast<std::int64_t>(*real));
  }
  return otherwise;
}

Result<Value> Float(const Call& call) {
  std::optional<double> real = call.self().AsReal();
  if (const std::string* text = call.self().string()) {
    real = ParseReal(*text);
  }
  return real ? Value(*real) : call[0] != nullptr ? *call[0] : Value(0.0);
}

Result<Value> Round(const Call& call) {
  const std::optional<double> real = call.self().AsReal();
  if (!real) {
    return call.Wrong("expected a number, found {}", call.self().TypeName());
  }
  ASHLAR_TRY(const std::int64_t precision, call.IntegerOr(0, 0));
  ASHLAR_TRY(const std::string method, call.StringOr(1, "common"));
  if (precision < 0 || precision > 15) {
    return call.Wrong("\"precision\" must be from 0 to 15, found {}", precision);
  }
  const double power = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") {
    return Value(std::ceil(*real * power) / power);
  }
  if (method == "floor") {
    return Value(std::floor(*real * power) / power);
  }
  if (method != "common") {
    return call.Wrong("\"method\" must be common, ceil or floor, found \"{}\"", method);
  }
  if (const auto integer = call.self().AsInteger()) {
    return Value(*integer);
  }
  // (Decimal rounding of the number as it is, which a product with 10^n is not.)
  return Value(std::strtod(fmt::format("{:.{}f}", *real, precision).c_str(), nullptr));
}

constexpr Function kNumberFilters[] = {
    {"abs", Abs},
    {"float", Float, 0, {"default"}},
    {"int", Int, 0, {"default", "base"}},
    {"round", Round, 0, {"precision", "method"}},
};

}  // namespace

std::span<const Function> NumberFilters() {
  return kNumberFilters;
}

}  // namespace ashlar::jinja
