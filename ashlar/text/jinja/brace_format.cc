// Python's str.format: replacement fields "{name!conversion:spec}" and its language of specs.
#include <algorithm>
#include <cstdio>

#include "ashlar/text/jinja/format.h"

namespace ashlar::jinja {
namespace {

constexpr int kMaxSpecNumber = 1000;  // a width or a precision
constexpr int kMaxFieldDepth = 3;     // of fields in the spec of a field, as in Python

// [[fill]align][sign][#][0][width][grouping][.precision][type]
struct FieldSpec {
  std::string fill = {};  // empty: blanks, or zeros where they are asked for
  char align = 0;         // 0: as the type has it
  char sign = '-';
  bool prefixed = false;
  bool zeros = false;
  int width = 0;
  char grouping = 0;
  int precision = -1;
  char type = 0;
};

bool IsAlign(std::string_view character) {
  return character.size() == 1 && std::string_view("<>=^").find(character) != std::string::npos;
}

Result<int> ReadSpecNumber(std::string_view spec, std::size_t& at) {
  int number = 0;
  for (; at < spec.size() && spec[at] >= '0' && spec[at] <= '9'; ++at) {
    number = 10 * number + (spec[at] - '0');
    if (number > kMaxSpecNumber) {
      return Invalid("a number in the format spec {} is above {}", QuoteForError(spec),
                     kMaxSpecNumber);
    }
  }
  return number;
}

Result<FieldSpec> ReadSpec(std::string_view text) {
  FieldSpec spec;
  std::size_t at = 0;
  const auto takes = [&](std::string_view any, char& taken) {
    const bool is = at < text.size() && any.find(text[at]) != any.npos;
    if (is) {
      taken = text[at++];
    }
    return is;
  };
  const std::size_t first = text.empty() ? 0 : ashlar::internal::FirstChar(text).size;
  if (first > 0 && first < text.size() && IsAlign(text.substr(first, 1))) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    at = first + 1;
  } else {
    takes("<>=^", spec.align);
  }
  takes("-+ ", spec.sign);
  char taken = 0;
  spec.prefixed = takes("#", taken);
  spec.zeros = takes("0", taken);
  ASHLAR_TRY(spec.width, ReadSpecNumber(text, at));
  takes(",_", spec.grouping);
  if (takes(".", taken)) {
    const std::size_t digits = at;
    ASHLAR_TRY(spec.precision, ReadSpecNumber(text, at));
    if (at == digits) {
      return Invalid("the format spec {} has a point and no precision", QuoteForError(text));
    }
  }
  takes("sbdoxXeEfFgG%", spec.type);
  if (at < text.size() || (spec.zeros && spec.grouping != 0)) {
    return Invalid("the format spec {} is not known here", QuoteForError(text));
  }
  return spec;
}

std::string Repeated(std::string_view text, std::int64_t times) {
  std::string out;
  for (std::int64_t i = 0; i < times; ++i) {
    out += text;
  }
  return out;
}

// `head` is a sign and a prefix, behind which "=" fills.
std::string Padded(const FieldSpec& spec, char align, std::string_view head,
                   std::string_view body) {
  const std::int64_t missing =
      std::max<std::int64_t>(spec.width - CountCharacters(head) - CountCharacters(body), 0);
  const std::string_view fill = !spec.fill.empty() ? std::string_view(spec.fill)
                                : spec.zeros       ? "0"
                                                   : " ";
  const std::int64_t before = align == '>' || align == '=' ? missing
                              : align == '^'               ? missing / 2
                                                           : 0;
  const std::string front = Repeated(fill, before);
  const std::string back = Repeated(fill, missing - before);
  return align == '=' ? fmt::format("{}{}{}{}", head, front, body, back)
                      : fmt::format("{}{}{}{}", front, head, body, back);
}

// The digits before a point, in groups of three, or of four where they are no decimal ones.
std::string Grouped(std::string digits, char grouping, std::size_t size) {
  const std::size_t end =
      std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  for (std::size_t at = end; grouping != 0 && at > size; at -= size) {
    digits.insert(at - size, 1, grouping);
  }
  return digits;
}

std::string IntegerDigits(std::uint64_t number, unsigned base, bool large) {
  const std::string_view all = large ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string digits;
  do {
    digits += all[number % base];
    number /= base;
  } while (number != 0);
  std::ranges::reverse(digits);
  return digits;
}

std::string_view SignOf(const FieldSpec& spec, bool negative) {
  return negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
}

std::string IntegerField(const FieldSpec& spec, std::int64_t value) {
  const unsigned base = spec.type == 'b'                       ? 2
                        : spec.type == 'o'                     ? 8
                        : spec.type == 'x' || spec.type == 'X' ? 16
                                                               : 10;
  const auto magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string head(SignOf(spec, value < 0));
  if (spec.prefixed && base != 10) {
    head += '0';
    head += spec.type;
  }
  const std::string digits =
      Grouped(IntegerDigits(magnitude, base, spec.type == 'X'), spec.grouping, base == 10 ? 3 : 4);
  return Padded(spec, spec.align != 0 ? spec.align : spec.zeros ? '=' : '>', head, digits);
}

std::string RealField(const FieldSpec& spec, double value) {
  const bool percent = spec.type == '%';
  const char format[] = {'%', '.', '*', percent ? 'f' : spec.type, 0};
  char buffer[2 * kMaxSpecNumber];  // a double has 309 digits before its point at most
  const int size =
      std::snprintf(buffer, sizeof buffer, format, spec.precision >= 0 ? spec.precision : 6,
                    std::abs(percent ? 100 * value : value));
  std::string digits(buffer, static_cast<std::size_t>(std::clamp<int>(size, 0, sizeof buffer - 1)));
  digits = Grouped(std::move(digits), spec.grouping, 3);
  if (percent) {
    digits += '%';
  }
  return Padded(spec,
                spec.align != 0 ? spec.align
                : spec.zeros    ? '='
                                : '>',
                SignOf(spec, std::signbit(value)), digits);
}

std::string TextField(const FieldSpec& spec, std::string_view text) {
  std::string taken(text);
  if (spec.precision >= 0 && CountCharacters(text) > spec.precision) {
    taken.clear();
    for (std::int64_t i = 0; const std::string_view character : Characters(text)) {
      if (i++ == spec.precision) {
        break;
      }
      taken += character;
    }
  }
  return Padded(spec, spec.align != 0 ? spec.align : '<', "", taken);
}

// format(value, spec)
Result<std::string> FormatField(const Value& value, std::string_view text) {
  if (text.empty()) {
    return Str(value);
  }
  ASHLAR_TRY(const FieldSpec spec, ReadSpec(text));
  const auto refused = [&] {
    return Invalid("the format spec {} is none for a {}", QuoteForError(text), value.TypeName());
  };
  if (value.string() != nullptr) {
    const bool of_text = (spec.type == 0 || spec.type == 's') && spec.align != '=' &&
                         spec.grouping == 0 && spec.sign == '-' && !spec.prefixed;
    return of_text ? Result<std::string>(TextField(spec, *value.string())) : refused();
  }
  const bool of_reals =
      spec.type != 0 && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  if (value.IsNumber() && of_reals && !spec.prefixed) {
    return RealField(spec, *value.AsReal());
  }
  if (value.real() != nullptr && spec.type == 0 && spec.precision < 0 && !spec.prefixed) {
    const double real = *value.real();
    return Padded(spec,
                  spec.align != 0 ? spec.align
                  : spec.zeros    ? '='
                                  : '>',
                  SignOf(spec, std::signbit(real)),
                  Grouped(Str(Value(std::abs(real))), spec.grouping, 3));
  }
  const bool decimal = spec.type == 0 || spec.type == 'd';
  if (value.AsInteger() && value.real() == nullptr && !of_reals && spec.type != 's' &&
      spec.precision < 0 && (decimal || spec.grouping != ',')) {
    return IntegerField(spec, *value.AsInteger());
  }
  return refused();
}

class BraceFormatter {
 public:
  BraceFormatter(Machine& machine, const Arguments& arguments)
      : machine_(machine), arguments_(arguments) {}

  Result<std::string> Expand(std::string_view format, int depth) {
    if (depth > kMaxFieldDepth) {
      return Invalid("a format has fields in the specs of fields in specs");
    }
    std::string out;
    for (std::size_t at = 0; at < format.size();) {
      const char c = format[at];
      if (c != '{' && c != '}') {
        const std::size_t end = std::min(format.find_first_of("{}", at), format.size());
        out += format.substr(at, end - at);
        at = end;
      } else if (at + 1 < format.size() && format[at + 1] == c) {
        out += c;
        at += 2;
      } else {
        const std::size_t end = c == '{' ? EndOfField(format, at) : format.npos;
        if (end == format.npos) {
          return Invalid("a format has a lone '{}'", c);
        }
        ASHLAR_TRY(const std::string text, Field(format.substr(at + 1, end - at - 1), depth));
        ASHLAR_TRY(machine_.Charge(text.size()));
        out += text;
        at = end + 1;
      }
      ASHLAR_TRY(machine_.Step());
    }
    ASHLAR_TRY(machine_.Charge(format.size()));
    return out;
  }

 private:
  // Where the brace closes that opens at `at`.
  static std::size_t EndOfField(std::string_view format, std::size_t at) {
    int open = 0;
    for (; at < format.size(); ++at) {
      open += format[at] == '{' ? 1 : format[at] == '}' ? -1 : 0;
      if (open == 0) {
        return at;
      }
    }
    return format.npos;
  }

  Result<std::string> Field(std::string_view field, int depth) {
    std::size_t end = 0;
    for (bool indexed = false; end < field.size(); ++end) {
      indexed = field[end] == '[' || (indexed && field[end] != ']');
      if (!indexed && (field[end] == '!' || field[end] == ':')) {
        break;
      }
    }
    ASHLAR_TRY(Value value, Named(field.substr(0, end)));
    ASHLAR_TRY(machine_.Walk(value));
    if (end < field.size() && field[end] == '!') {
      const std::string_view conversion = field.substr(end, 2);
      if (conversion != "!s" && conversion != "!r") {
        return Invalid("the conversion {} of a format is not known here",
                       QuoteForError(conversion));
      }
      value = Value(conversion == "!s" ? Str(value) : Repr(value));
      end += 2;
      if (end < field.size() && field[end] != ':') {
        return Invalid("a field of a format has {} behind its conversion",
                       QuoteForError(field.substr(end)));
      }
    }
    const std::string_view spec = field.substr(std::min(end + 1, field.size()));
    ASHLAR_TRY(const std::string expanded, Expand(spec, depth + 1));
    return FormatField(value, expanded);
  }

  // name.attribute[key]..., where the name is an argument's, its number, or the next one's.
  Result<Value> Named(std::string_view name) {
    std::size_t at = std::min(name.find_first_of(".["), name.size());
    ASHLAR_TRY(Value value, Argument(name.substr(0, at)));
    while (at < name.size()) {
      const bool indexed = name[at] == '[';
      const std::size_t end =
          indexed ? name.find(']', at) : std::min(name.find_first_of(".[", at + 1), name.size());
      if (end == name.npos || end == at + 1 ||
          (indexed && end + 1 < name.size() && name[end + 1] != '.' && name[end + 1] != '[')) {
        return Invalid("the field {} of a format is malformed", QuoteForError(name));
      }
      const std::string_view part = name.substr(at + 1, end - at - 1);
      if (!indexed) {
        ASHLAR_TRY(value, GetAttribute(machine_, value, part));
      } else {
        const std::optional<std::int64_t> number = Number(part);
        ASHLAR_TRY(value, GetItem(machine_, value, number ? Value(*number) : Value(part)));
      }
      at = indexed ? end + 1 : end;
    }
    return value;
  }

  Result<Value> Argument(std::string_view name) {
    std::optional<std::int64_t> number = Number(name);
    if (name.empty() || number) {
      if (numbered_.value_or(number.has_value()) != number.has_value()) {
        return Invalid("a format counts its fields and numbers them");
      }
      numbered_ = number.has_value();
      const std::int64_t index = number.value_or(next_);
      next_ += !number;
      if (index >= std::ssize(arguments_.positional)) {
        return Invalid("a format has a field for argument {}, and there are {}", index,
                       arguments_.positional.size());
      }
      return arguments_.positional[static_cast<std::size_t>(index)];
    }
    ASHLAR_TRY(machine_.Step(std::ssize(arguments_.named) / 8));
    for (const auto& [given, value] : arguments_.named) {
      if (given == name) {
        return value;
      }
    }
    return Invalid("a format has a field {}, and no argument has that name", QuoteForError(name));
  }

  static std::optional<std::int64_t> Number(std::string_view text) {
    if (text.empty() || text.size() > 9 ||
        text.find_first_not_of("0123456789") != std::string_view::npos) {
      return std::nullopt;
    }
    std::int64_t number = 0;
    for (const char digit : text) {
      number = 10 * number + (digit - '0');
    }
    return number;
  }

  Machine& machine_;
  const Arguments& arguments_;
  std::int64_t next_ = 0;
  std::optional<bool> numbered_;
};

}  // namespace

Result<std::string> FormatBraces(Machine& machine, std::string_view format,
                                 const Arguments& arguments) {
  return BraceFormatter(machine, arguments).Expand(format, 1);
}

}  // namespace ashlar::jinja
