#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "ashlar/base/json.h"

namespace ashlar {
namespace {

enum class Style { kCompact, kPretty, kCanonical };

// The length of the UTF-8 sequence that `text` begins with, or 0 when it is ill-formed (RFC 3629:
// no overlong forms, no surrogates, nothing past U+10FFFF). Requires: text is not empty.
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto continues = [byte](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool too_large = lead == 0xF4 && byte(1) >= 0x90;
    return continues(1) && continues(2) && continues(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

// Whether `a` stands before `b` by UTF-16 code units. UTF-8's own order is that of code points,
// which differs in one place: in UTF-16 the surrogates of U+10000 and above (UTF-8 lead bytes F0
// to F4) stand before U+E000 to U+FFFF (lead bytes EE and EF).
bool Utf16Less(std::string_view a, std::string_view b) {
  const auto [in_a, in_b] = std::ranges::mismatch(a, b);
  if (in_a == a.end() || in_b == b.end()) {
    return a.size() < b.size();
  }
  const auto rank = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0xEE || byte == 0xEF ? byte + 0x100 : byte;
  };
  return rank(*in_a) < rank(*in_b);
}

class Writer {
 public:
  explicit Writer(Style style) : style_(style) {}

  std::string Write(const Json& value) && {
    Value(value);
    return std::move(out_);
  }

 private:
  void Value(const Json& value) {
    if (const bool* boolean = value.boolean()) {
      out_ += *boolean ? "true" : "false";
    } else if (const std::int64_t* integer = value.integer()) {
      Integer(*integer);
    } else if (const double* real = value.real()) {
      Real(*real);
    } else if (const std::string* string = value.string()) {
      String(*string);
    } else if (const Json::Array* array = value.array()) {
      Array(*array);
    } else if (const Json::Object* object = value.object()) {
      Object(*object);
    } else {
      out_ += "null";
    }
  }

  void Integer(std::int64_t value) {
    if (style_ == Style::kCanonical) {
      out_ += EcmaScriptNumber(static_cast<double>(value));  // RFC 8785 knows only doubles
    } else {
      out_ += fmt::format_int(value).str();
    }
  }

  void Real(double value) {
    if (std::isfinite(value)) {
      out_ += EcmaScriptNumber(value);
    } else {
      CHECK(style_ != Style::kCanonical);
      out_ += "null";
    }
  }

  void String(std::string_view text) {
    out_ += '"';
    while (!text.empty()) {
      const std::size_t length = Utf8Length(text);
      if (length == 1) {
        Character(text.front());
      } else if (length > 1) {
        out_ += text.substr(0, length);
      } else {
        CHECK(style_ != Style::kCanonical);
        out_ += "\xEF\xBF\xBD";  // U+FFFD
      }
      text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    out_ += '"';
  }

  void Character(char c) {
    switch (c) {
      case '"':
        out_ += "\\\"";
        break;
      case '\\':
        out_ += "\\\\";
        break;
      case '\b':
        out_ += "\\b";
        break;
      case '\t':
        out_ += "\\t";
        break;
      case '\n':
        out_ += "\\n";
        break;
      case '\f':
        out_ += "\\f";
        break;
      case '\r':
        out_ += "\\r";
        break;
      default:
        if (c < 0x20) {
          out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out_ += c;
        }
    }
  }

  void Array(const Json::Array& elements) {
    Sequence('[', elements, ']', [this](const Json& element) { Value(element); });
  }

  void Object(const Json::Object& members) {
    const auto write = [this](const Json::Member& member) {
      String(member.first);
      out_ += style_ == Style::kPretty ? ": " : ":";
      Value(member.second);
    };
    if (style_ != Style::kCanonical) {
      Sequence('{', members, '}', write);
      return;
    }
    std::vector<const Json::Member*> sorted;
    sorted.reserve(members.size());
    for (const Json::Member& member : members) {
      sorted.push_back(&member);
    }
    std::ranges::sort(sorted, Utf16Less, &Json::Member::first);
    Sequence('{', sorted, '}', [&write](const Json::Member* member) { write(*member); });
  }

  template <class Items, class Write>
  void Sequence(char open, const Items& items, char close, const Write& write) {
    out_ += open;
    ++depth_;
    bool first = true;
    for (const auto& item : items) {
      if (!first) {
        out_ += ',';
      }
      first = false;
      BreakLine();
      write(item);
    }
    --depth_;
    if (!items.empty()) {
      BreakLine();
    }
    out_ += close;
  }

  void BreakLine() {
    if (style_ == Style::kPretty) {
      out_ += '\n';
      out_.append(2 * depth_, ' ');
    }
  }

  const Style style_;
  std::size_t depth_ = 0;
  std::string out_;
};

}  // namespace

std::string WriteJson(const Json& value) {
  return Writer(Style::kCompact).Write(value);
}
std::string WriteJsonPretty(const Json& value) {
  return Writer(Style::kPretty).Write(value);
}
std::string CanonicalJson(const Json& value) {
  return Writer(Style::kCanonical).Write(value);
}

std::string EcmaScriptNumber(double value) {
  CHECK(std::isfinite(value));
  if (value == 0) {
    return "0";
  }
  // The shortest digits, as "-d.ddde-xxx" (24 characters at most): the standard's s and n below,
  // value = 0.s * 10^n.
  char buffer[32];
  const auto [end, status] =
      std::to_chars(std::begin(buffer), std::end(buffer), value, std::chars_format::scientific);
  CHECK(status == std::errc());
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  std::string out;
  if (text.front() == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, e));
  std::erase(digits, '.');
  const bool negative_exponent = text[e + 1] == '-';
  int exponent = 0;
  std::from_chars(text.data() + e + 2, text.data() + text.size(), exponent);
  const int k = static_cast<int>(digits.size());
  const int n = 1 + (negative_exponent ? -exponent : exponent);

  if (k <= n && n <= 21) {
    return out.append(digits).append(static_cast<std::size_t>(n - k), '0');
  }
  if (0 < n && n <= 21) {
    return out.append(digits, 0, n).append(".").append(digits, n);
  }
  if (-6 < n && n <= 0) {
    return out.append("0.").append(static_cast<std::size_t>(-n), '0').append(digits);
  }
  out += digits[0];
  if (k > 1) {
    out.append(".").append(digits, 1);
  }
  return out.append(n - 1 < 0 ? "e-" : "e+").append(fmt::format_int(std::abs(n - 1)).str());
}

std::string QuoteForError(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  if (text.size() <= kLongest) {
    return WriteJson(text);
  }
  std::size_t cut = kLongest;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) {
    --cut;  // not inside a character
  }
  return WriteJson(text.substr(0, cut)) + "...";
}

}  // namespace ashlar
