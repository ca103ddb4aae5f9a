#include "ashlar/text/jinja/format.h"

#include <algorithm>
#include <cstdio>

namespace ashlar::jinja {
namespace {

constexpr int kMaxWidth = 1000;

struct Conversion {
  std::string flags;
  int width = 0;
  int precision = -1;
  char letter = 0;
};

Result<Conversion> ReadConversion(std::string_view format, std::size_t& at) {
  Conversion conversion;
  const auto number = [&](int& value) -> Status {
    value = 0;
    for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at) {
      value = value * 10 + (format[at] - '0');
      if (value > kMaxWidth) {
        return Invalid("a width in a format is above {}", kMaxWidth);
      }
    }
    return {};
  };
  for (; at < format.size() && std::string_view("-+ #0").find(format[at]) != std::string_view::npos;
       ++at) {
    if (conversion.flags.find(format[at]) == std::string::npos) {
      conversion.flags += format[at];
    }
  }
  ASHLAR_TRY(number(conversion.width));
  if (at < format.size() && format[at] == '.') {
    ++at;
    ASHLAR_TRY(number(conversion.precision));
  }
  if (at == format.size()) {
    return Invalid("a format ends within a conversion");
  }
  conversion.letter = format[at++];
  return conversion;
}

// By the C library: `length` is its length modifier.
template <class T>
std::string Print(const Conversion& conversion, const char* length, char letter, T value) {
  std::string format = "%" + conversion.flags + std::to_string(conversion.width);
  if (conversion.precision >= 0) {
    format += "." + std::to_string(conversion.precision);
  }
  format += length;
  format += letter;
  char buffer[2 * kMaxWidth + 400];  // a double has 309 digits at most
  const int size = std::snprintf(buffer, sizeof buffer, format.c_str(), value);
  return {buffer, static_cast<std::size_t>(std::clamp<int>(size, 0, sizeof buffer - 1))};
}

std::string Pad(const Conversion& conversion, std::string_view text) {
  std::string taken(text);
  if (conversion.precision >= 0) {
    taken.clear();
    for (const std::string_view character : Characters(text)) {
      if (CountCharacters(taken) == conversion.precision) {
        break;
      }
      taken += character;
    }
  }
  const std::int64_t missing = conversion.width - CountCharacters(taken);
  const std::string blanks(static_cast<std::size_t>(std::max<std::int64_t>(missing, 0)), ' ');
  const bool left = conversion.flags.find('-') != std::string::npos;
  return left ? taken + blanks : blanks + taken;
}

Result<std::string> Convert(const Conversion& conversion, const Value& value) {
  const char letter = conversion.letter;
  if (letter == 's' || letter == 'r') {
    return Pad(conversion, letter == 's' ? Str(value) : Repr(value));
  }
  const std::optional<double> real = value.AsReal();
  if (!real) {
    return Invalid("%{} needs a number, found {}", letter, value.TypeName());
  }
  if (letter == 'd' || letter == 'i' || letter == 'u') {
    constexpr double kMost = 9e18;
    return Print(conversion, "ll", 'd',
                 value.AsInteger() ? static_cast<long long>(*value.AsInteger())
                                   : static_cast<long long>(std::clamp(*real, -kMost, kMost)));
  }
  if (letter == 'x' || letter == 'X' || letter == 'o') {
    if (!value.AsInteger() || *value.AsInteger() < 0) {
      return Invalid("%{} needs an integer that is not negative", letter);
    }
    return Print(conversion, "ll", letter, static_cast<long long>(*value.AsInteger()));
  }
  if (std::string_view("fFeEgG").find(letter) != std::string_view::npos) {
    return Print(conversion, "", letter, *real);
  }
  return Invalid("%{} is no conversion that is known here", letter);
}

}  // namespace

Result<std::string> FormatPercent(Machine& machine, std::string_view format,
                                  std::span<const Value> values) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      const std::size_t end = std::min(format.find('%', at), format.size());
      out += format.substr(at, end - at);
      at = end;
      continue;
    }
    ++at;
    ASHLAR_TRY(const Conversion conversion, ReadConversion(format, at));
    if (conversion.letter == '%') {
      out += '%';
      continue;
    }
    if (next == values.size()) {
      return Invalid("a format has more conversions than values");
    }
    ASHLAR_TRY(machine.Walk(values[next]));
    ASHLAR_TRY(const std::string text, Convert(conversion, values[next++]));
    ASHLAR_TRY(machine.Charge(text.size()));
    out += text;
  }
  if (next < values.size()) {
    return Invalid("a format has fewer conversions than values");
  }
  ASHLAR_TRY(machine.Charge(format.size()));
  return out;
}

}  // namespace ashlar::jinja
