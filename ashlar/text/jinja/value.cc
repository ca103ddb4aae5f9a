#include "ashlar/text/jinja/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/jinja/machine.h"

namespace ashlar::jinja {
namespace {

// A double as Python prints it: the shortest digits that read back, an exponent below 1e-4 and
// from 1e16 on.
std::string RealText(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value > 0 ? "inf" : "-inf";
  }
  const double magnitude = std::fabs(value);
  const bool plain = value == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  char digits[400];
  const auto end = std::to_chars(digits, digits + sizeof digits, value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(digits, end.ptr);
  if (plain && text.find('.') == std::string::npos) {
    text += ".0";
  }
  return text;
}

// A string between quotes, as Python prints it in a list.
std::string Quoted(std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos;
  const char quote = single || text.find('"') != std::string_view::npos ? '\'' : '"';
  std::string out(1, quote);
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (c == quote) {
          out += '\\';
          out += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + quote;
}

// JSON's text of a string, with \uXXXX (two of them beyond 16 bits) for all that is not ASCII.
std::string AsciiJson(std::string_view text) {
  const std::string json = WriteJson(Json(std::string(text)));
  std::string out;
  for (const std::string_view character : Characters(json)) {
    const auto code = static_cast<std::uint32_t>(internal::FirstChar(character).code);
    if (code < 0x7f) {
      out += character;
    } else if (code < 0x10000) {
      out += fmt::format("\\u{:04x}", code);
    } else {
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((code - 0x10000) >> 10),
                         0xdc00 + (code & 0x3ff));
    }
  }
  return out;
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style)
      : style_(style),
        // (Python leaves the space of ", " out where a line ends.)
        item_separator_(style.separators ? style.separators->first
                        : style.indent   ? ","
                                         : ", "),
        key_separator_(style.separators ? style.separators->second : ": ") {}

  Status Write(const Value& value) {
    if (const auto* list = value.list()) {
      return Group('[', ']', list->items, [&](const Value& item) { return Write(item); });
    }
    if (const auto* dict = value.dict()) {
      ASHLAR_TRY(const auto members, Members(*dict));
      return Group('{', '}', members, [&](const auto& member) -> Status {
        ASHLAR_TRY(const std::string key, Scalar(member.first));
        out_ += member.first.string() != nullptr ? key : Text(key);
        out_ += key_separator_;
        return Write(member.second);
      });
    }
    ASHLAR_TRY(const std::string text, Scalar(value));
    out_ += text;
    return {};
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string Text(std::string_view text) const {
    return style_.ensure_ascii ? AsciiJson(text) : WriteJson(std::string(text));
  }

  Result<std::string> Scalar(const Value& value) const {
    if (const std::string* text = value.string()) {
      return Text(*text);
    }
    if (value.is_none()) {
      return "null";
    }
    if (const bool* boolean = value.boolean()) {
      return *boolean ? "true" : "false";
    }
    if (const double* real = value.real(); real != nullptr && !std::isfinite(*real)) {
      return std::isnan(*real) ? "NaN" : *real > 0 ? "Infinity" : "-Infinity";
    }
    if (value.integer() != nullptr || value.real() != nullptr) {
      return Str(value);
    }
    return Invalid("{} cannot be written as JSON{}", value.TypeName(),
                   value.list() != nullptr || value.dict() != nullptr ? "'s key" : "");
  }

  Result<std::vector<std::pair<Value, Value>>> Members(const Dict& dict) const {
    std::vector<std::pair<Value, Value>> members = dict.items;
    if (style_.sort_keys) {
      Status status;
      std::ranges::stable_sort(members, [&](const auto& a, const auto& b) {
        const Result<int> order = Compare(a.first, b.first);
        if (!order.ok()) {
          status = order.error();
        }
        return order.ok() && *order < 0;
      });
      ASHLAR_TRY(status);
    }
    return members;
  }

  template <class Items, class Body>
  Status Group(char open, char close, const Items& items, const Body& body) {
    out_ += open;
    ++depth_;
    bool first = true;
    for (const auto& item : items) {
      if (!first) {
        out_ += item_separator_;
      }
      first = false;
      ASHLAR_TRY(Line());
      ASHLAR_TRY(body(item));
    }
    --depth_;
    if (!items.empty()) {
      ASHLAR_TRY(Line());
    }
    out_ += close;
    return {};
  }
  Status Line() {
    if (style_.indent) {
      out_ += '\n';
      for (int i = 0; i < depth_; ++i) {
        out_ += *style_.indent;
      }
    }
    return out_.size() <= style_.most_bytes
               ? Status()
               : Status(Exhausted("the text is longer than {} bytes", style_.most_bytes));
  }

  const JsonStyle& style_;
  const std::string item_separator_;
  const std::string key_separator_;
  std::string out_;
  int depth_ = 0;
};

// (Weights of what was made are bounded, so sums of them cannot overflow.)
void Include(const Value& item, Extent& extent) {
  const Extent inner = item.extent();
  extent.depth = std::max(extent.depth, inner.depth);
  extent.weight += inner.weight;
}

template <class T>
int Sign(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

}  // namespace

Value::Value(List value) {
  for (const Value& item : value.items) {
    Include(item, value.extent);
  }
  ++value.extent.depth;
  value_ = std::make_shared<const List>(std::move(value));
}

Value::Value(Dict value) {
  for (const auto& [key, item] : value.items) {
    Include(key, value.extent);
    Include(item, value.extent);
  }
  ++value.extent.depth;
  value_ = std::make_shared<const Dict>(std::move(value));
}

Extent Value::extent() const {
  if (const std::string* text = string()) {
    return {.weight = static_cast<std::int64_t>(text->size()) + 1};
  }
  if (const Callable* function = callable()) {
    return function->extent();
  }
  return list() != nullptr ? list()->extent : dict() != nullptr ? dict()->extent : Extent();
}

const Value* Dict::Find(const Value& key) const {
  for (const auto& [name, value] : items) {
    if (Equal(name, key)) {
      return &value;
    }
  }
  return nullptr;
}

const Value* Dict::Find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name.string() != nullptr && *name.string() == key) {
      return &value;
    }
  }
  return nullptr;
}

void Dict::Set(Value key, Value value) {
  for (auto& [name, old] : items) {
    if (Equal(name, key)) {
      old = std::move(value);
      return;
    }
  }
  items.emplace_back(std::move(key), std::move(value));
}

std::optional<std::int64_t> Value::AsInteger() const {
  if (const bool* value = boolean()) {
    return *value ? 1 : 0;
  }
  const std::int64_t* value = integer();
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<double> Value::AsReal() const {
  if (const double* value = real()) {
    return *value;
  }
  const std::optional<std::int64_t> value = AsInteger();
  return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

bool Value::Truthy() const {
  if (const std::optional<double> number = AsReal()) {
    return *number != 0;
  }
  if (const std::string* text = string()) {
    return !text->empty();
  }
  if (const List* items = list()) {
    return !items->items.empty();
  }
  if (const Dict* items = dict()) {
    return !items->items.empty();
  }
  return ns() != nullptr || callable() != nullptr;
}

const char* Value::TypeName() const {
  constexpr const char* kNames[] = {"none",   "undefined", "boolean", "integer",   "float",
                                    "string", "list",      "mapping", "namespace", "callable"};
  const List* items = list();
  return items != nullptr && items->tuple ? "tuple" : kNames[value_.index()];
}

bool Equal(const Value& a, const Value& b) {
  if (const auto x = a.AsInteger(), y = b.AsInteger(); x && y) {
    return *x == *y;
  }
  if (const auto x = a.AsReal(), y = b.AsReal(); x || y) {
    return x && y && *x == *y;
  }
  if (a.string() != nullptr && b.string() != nullptr) {
    return *a.string() == *b.string();
  }
  if (const List* x = a.list(), *y = b.list(); x != nullptr && y != nullptr) {
    return x == y || (x->tuple == y->tuple && std::ranges::equal(x->items, y->items, Equal));
  }
  if (const Dict* x = a.dict(), *y = b.dict(); x != nullptr && y != nullptr) {
    return x == y || (x->items.size() == y->items.size() &&
                      std::ranges::all_of(x->items, [&](const auto& member) {
                        const Value* other = y->Find(member.first);
                        return other != nullptr && Equal(member.second, *other);
                      }));
  }
  return (a.is_none() && b.is_none()) || (a.undefined() != nullptr && b.undefined() != nullptr) ||
         (a.ns() != nullptr && a.ns() == b.ns()) ||
         (a.callable() != nullptr && a.callable() == b.callable());
}

Result<int> Compare(const Value& a, const Value& b) {
  if (const auto x = a.AsInteger(), y = b.AsInteger(); x && y) {
    return Sign(*x, *y);
  }
  if (const auto x = a.AsReal(), y = b.AsReal(); x && y) {
    return Sign(*x, *y);
  }
  if (a.string() != nullptr && b.string() != nullptr) {
    return Sign(*a.string(), *b.string());  // UTF-8 sorts as its characters do
  }
  if (const List* x = a.list(), *y = b.list(); x != nullptr && y != nullptr) {
    for (std::size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i) {
      if (!Equal(x->items[i], y->items[i])) {
        return Compare(x->items[i], y->items[i]);
      }
    }
    return Sign(x->items.size(), y->items.size());
  }
  for (const Value* value : {&a, &b}) {
    if (value->undefined() != nullptr) {
      return Invalid("{}", value->undefined()->what);
    }
  }
  return Invalid("{} and {} cannot be ordered", a.TypeName(), b.TypeName());
}

std::string Str(const Value& value) {
  return value.string() != nullptr ? *value.string() : Repr(value);
}

std::string Repr(const Value& value) {
  const auto join = [](const auto& items, const auto& text) {
    std::string out;
    for (const auto& item : items) {
      out += out.empty() ? text(item) : ", " + text(item);
    }
    return out;
  };
  if (value.undefined() != nullptr) {
    return "";
  }
  if (value.is_none()) {
    return "None";
  }
  if (const bool* boolean = value.boolean()) {
    return *boolean ? "True" : "False";
  }
  if (const std::int64_t* integer = value.integer()) {
    return std::to_string(*integer);
  }
  if (const double* real = value.real()) {
    return RealText(*real);
  }
  if (const std::string* text = value.string()) {
    return Quoted(*text);
  }
  if (const List* list = value.list()) {
    const std::string items = join(list->items, Repr);
    if (!list->tuple) {
      return "[" + items + "]";
    }
    return "(" + items + (list->items.size() == 1 ? ",)" : ")");
  }
  const Dict* dict = value.dict();
  if (dict == nullptr) {  // (a namespace may hold itself)
    return value.ns() != nullptr ? "<namespace>" : "<function>";
  }
  return "{" +
         join(dict->items,
              [](const auto& member) { return Repr(member.first) + ": " + Repr(member.second); }) +
         "}";
}

Result<std::string> ToJson(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  ASHLAR_TRY(writer.Write(value));
  return writer.Take();
}

Value FromJson(const Json& json) {
  if (const bool* boolean = json.boolean()) {
    return *boolean;
  }
  if (const std::int64_t* integer = json.integer()) {
    return *integer;
  }
  if (const double* real = json.real()) {
    return *real;
  }
  if (const std::string* text = json.string()) {
    return *text;
  }
  if (const Json::Array* array = json.array()) {
    List list;
    for (const Json& item : *array) {
      list.items.push_back(FromJson(item));
    }
    return list;
  }
  if (const Json::Object* object = json.object()) {
    Dict dict;
    for (const auto& [key, item] : *object) {
      dict.items.emplace_back(key, FromJson(item));
    }
    return dict;
  }
  return None{};
}

Result<std::vector<Value>> Iterate(const Value& value) {
  std::vector<Value> items;
  if (value.undefined() != nullptr) {
    return items;
  }
  if (const List* list = value.list()) {
    return list->items;
  }
  if (const Dict* dict = value.dict()) {
    for (const auto& member : dict->items) {
      items.push_back(member.first);
    }
    return items;
  }
  if (const std::string* text = value.string()) {
    for (const std::string_view character : Characters(*text)) {
      items.emplace_back(character);
    }
    return items;
  }
  return Invalid("{} cannot be looped over", value.TypeName());
}

std::int64_t CountCharacters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

std::vector<std::string_view> Characters(std::string_view text) {
  std::vector<std::string_view> characters;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = internal::FirstChar(text.substr(at)).size;
    characters.push_back(text.substr(at, size));
    at += size;
  }
  return characters;
}

}  // namespace ashlar::jinja
