#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "ashlar/text/jinja/format.h"
#include "ashlar/text/jinja/machine.h"
#include "ashlar/text/jinja/strings.h"

namespace ashlar::jinja {
namespace {

// ---- What several filters share

Result<std::vector<Value>> Items(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  Result<std::vector<Value>> items = Iterate(call.self());
  if (!items.ok()) {
    return call.Wrong("{}", items.error().message);
  }
  ASHLAR_TRY(call.machine().Step(static_cast<std::int64_t>(items->size())));
  return items;
}

Result<Value> ListOf(const Call& call, std::vector<Value> items) {
  return call.machine().Make(List{std::move(items)});
}

Error TooLong(const Call& call) {
  return Exhausted("{}: the result has more than the {} bytes that are left", call.name(),
                   call.machine().room());
}

// The string that the value prints as.
Result<std::string> Printed(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  return Str(call.self());
}

// x.a.b, or x.0: an attribute by its dotted name.
Result<Value> Dotted(Machine& machine, Value value, std::string_view path) {
  for (const std::string_view part : Split(path, ".", -1)) {
    std::int64_t index = 0;
    const auto number = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = number.ec == std::errc() && number.ptr == part.data() + part.size();
    ASHLAR_TRY(value, GetItem(machine, value, is_index ? Value(index) : Value(part)));
  }
  return value;
}

// What an item is compared by: itself, or its attribute; small letters unless case counts.
Result<Value> KeyOf(const Call& call, const Value& item, const Value* attribute,
                    bool case_sensitive) {
  Value key = item;
  if (attribute != nullptr && !attribute->is_none()) {
    ASHLAR_TRY(key, Dotted(call.machine(), item, Str(*attribute)));
  }
  return !case_sensitive && key.string() != nullptr ? Value(Lower(*key.string())) : key;
}

struct Keyed {
  Value key;
  Value item;
};
Result<std::vector<Keyed>> KeyedItems(const Call& call, const Value* attribute,
                                      bool case_sensitive) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    ASHLAR_TRY(Value key, KeyOf(call, item, attribute, case_sensitive));
    keyed.push_back({std::move(key), item});
  }
  return keyed;
}

// Stable. The first error of a comparison ends it.
Status SortByKey(const Call& call, bool reverse, std::vector<Keyed>& items) {
  Status status;
  std::ranges::stable_sort(items, [&](const Keyed& a, const Keyed& b) {
    if (!status.ok()) {
      return false;
    }
    if (Status walked = call.machine().Walk(a.key); !walked.ok()) {
      status = std::move(walked);
      return false;
    }
    const Result<int> order = Compare(a.key, b.key);
    if (!order.ok()) {
      status = call.Wrong("{}", order.error().message);
      return false;
    }
    return reverse ? *order > 0 : *order < 0;
  });
  return status;
}

// ---- Strings

template <std::string (*kMap)(std::string_view)>
Result<Value> MapText(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  return call.machine().Make(kMap(text));
}

// Each word's first letter large; words are parted by blanks and opening brackets.
std::string Title(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    constexpr std::string_view kParting = "- \t\n\r\f\v({[<";
    const std::size_t end = std::min(text.find_first_of(kParting), text.size());
    out += Capitalized(text.substr(0, end));
    const std::size_t next = std::min(text.find_first_not_of(kParting, end), text.size());
    out += text.substr(end, next - end);
    text.remove_prefix(next);
  }
  return out;
}

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Same(std::string_view text) {
  return std::string(text);
}

Result<Value> Trim(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  std::optional<std::string> set;
  if (call[0] != nullptr && !call[0]->is_none()) {
    ASHLAR_TRY(set, call.StringOr(0, ""));
  }
  return call.machine().Make(std::string(Strip(text, set, true, true)));
}

Result<Value> Replace(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  ASHLAR_TRY(const std::int64_t count, call.IntegerOr(2, -1));
  std::optional<std::string> replaced =
      Replaced(text, Str(*call[0]), Str(*call[1]), count, call.machine().room());
  return replaced ? call.machine().Make(*std::move(replaced)) : TooLong(call);
}

Result<Value> Indent(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  std::string indention(4, ' ');
  if (call[0] != nullptr && call[0]->string() != nullptr) {
    indention = *call[0]->string();
  } else {
    ASHLAR_TRY(const std::int64_t width, call.IntegerOr(0, 4));
    indention.assign(static_cast<std::size_t>(std::clamp<std::int64_t>(width, 0, 1000)), ' ');
  }
  const bool first = call.FlagOr(1, false);
  const bool blank = call.FlagOr(2, false);
  const std::string ended = text + "\n";
  std::string out;
  for (const std::string_view line : SplitLines(ended, /*keep_ends=*/false)) {
    const bool is_first = line.data() == ended.data();
    if (!is_first) {
      out += '\n';
    }
    if (is_first ? first : (blank || !line.empty())) {
      out += indention;
    }
    out += line;
    if (out.size() > call.machine().room()) {
      return TooLong(call);
    }
  }
  return call.machine().Make(std::move(out));
}

Result<Value> Format(const Call& call) {
  ASHLAR_TRY(const std::string_view format, call.Text());
  if (!call.arguments().named.empty()) {
    return call.Wrong("values by name are not known here");
  }
  ASHLAR_TRY(std::string text, FormatPercent(call.machine(), format, call.arguments().positional));
  return Value(std::move(text));
}

Result<Value> Truncate(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  ASHLAR_TRY(const std::int64_t length, call.IntegerOr(0, 255));
  ASHLAR_TRY(const std::string end, call.StringOr(2, "..."));
  ASHLAR_TRY(const std::int64_t leeway, call.IntegerOr(3, 5));
  const std::vector<std::string_view> characters = Characters(text);
  const auto size = static_cast<std::int64_t>(characters.size());
  if (size <= length || size - length <= leeway) {
    return Value(text);
  }
  const std::int64_t room = length - CountCharacters(end);
  if (room < 0) {
    return call.Wrong("\"length\" {} is shorter than \"end\"", length);
  }
  std::size_t bytes = 0;
  for (std::int64_t i = 0; i < room; ++i) {
    bytes += characters[static_cast<std::size_t>(i)].size();
  }
  std::string_view kept = std::string_view(text).substr(0, bytes);
  if (!call.FlagOr(1, false)) {
    kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  }
  return call.machine().Make(std::string(kept) + end);
}

Result<Value> Center(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  ASHLAR_TRY(const std::int64_t width, call.IntegerOr(0, 80));
  const std::int64_t missing = std::clamp<std::int64_t>(width - CountCharacters(text), 0, 1 << 16);
  const auto left = static_cast<std::size_t>(missing / 2 + (missing & width & 1));
  return call.machine().Make(std::string(left, ' ') + text +
                             std::string(static_cast<std::size_t>(missing) - left, ' '));
}

Result<Value> WordCount(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  return Value(static_cast<std::int64_t>(Split(text, {}, -1).size()));
}

Result<Value> UrlEncode(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~/").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return call.machine().Make(std::move(out));
}

Result<Value> ToJsonFilter(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  JsonStyle style;
  if (const Value* indent = call[0]; indent != nullptr && !indent->is_none()) {
    if (indent->string() != nullptr) {
      style.indent = *indent->string();
    } else {
      ASHLAR_TRY(const std::int64_t width, call.IntegerOr(0, 0));
      style.indent =
          std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(width, 0, 100)), ' ');
    }
  }
  if (const Value* separators = call[1]; separators != nullptr && !separators->is_none()) {
    const List* pair = separators->list();
    if (pair == nullptr || pair->items.size() != 2) {
      return call.Wrong("\"separators\" must be two strings");
    }
    style.item_separator = Str(pair->items[0]);
    style.key_separator = Str(pair->items[1]);
  }
  style.sort_keys = call.FlagOr(2, false);
  if (call.FlagOr(3, false)) {
    return call.Wrong("\"ensure_ascii\" can only be false");
  }
  Result<std::string> text = ToJson(call.self(), style);
  if (!text.ok()) {
    return call.Wrong("{}", text.error().message);
  }
  return call.machine().Make(*std::move(text));
}

// ---- Numbers

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

// ---- Sequences

Result<Value> Length(const Call& call) {
  const Value& value = call.self();
  if (value.string() != nullptr) {
    return Value(CountCharacters(*value.string()));
  }
  if (value.dict() != nullptr) {
    return Value(static_cast<std::int64_t>(value.dict()->items.size()));
  }
  if (value.list() != nullptr) {
    return Value(static_cast<std::int64_t>(value.list()->items.size()));
  }
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  return Value(static_cast<std::int64_t>(items.size()));
}

Result<Value> First(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  return items.empty() ? Undefined{"no first item, the sequence was empty"} : items.front();
}
Result<Value> Last(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  return items.empty() ? Undefined{"no last item, the sequence was empty"} : items.back();
}

Result<Value> ListFilter(const Call& call) {
  ASHLAR_TRY(std::vector<Value> items, Items(call));
  return ListOf(call, std::move(items));
}

Result<Value> Reverse(const Call& call) {
  ASHLAR_TRY(std::vector<Value> items, Items(call));
  std::ranges::reverse(items);
  if (call.self().string() == nullptr) {
    return ListOf(call, std::move(items));
  }
  std::string text;
  for (const Value& item : items) {
    text += *item.string();
  }
  return call.machine().Make(std::move(text));
}

Result<Value> Join(const Call& call) {
  ASHLAR_TRY(const std::vector<Keyed> items, KeyedItems(call, call[1], /*case_sensitive=*/true));
  const std::string separator = call[0] != nullptr ? Str(*call[0]) : "";
  std::string text;
  for (const Keyed& item : items) {
    if (&item != items.data()) {
      text += separator;
    }
    text += Str(item.key);
    if (text.size() > call.machine().room()) {
      return TooLong(call);
    }
  }
  return call.machine().Make(std::move(text));
}

std::vector<Value> ItemsOf(std::vector<Keyed> keyed) {
  std::vector<Value> items;
  for (Keyed& item : keyed) {
    items.push_back(std::move(item.item));
  }
  return items;
}

Result<Value> Sort(const Call& call) {
  ASHLAR_TRY(std::vector<Keyed> items, KeyedItems(call, call[2], call.FlagOr(1, false)));
  ASHLAR_TRY(SortByKey(call, call.FlagOr(0, false), items));
  return ListOf(call, ItemsOf(std::move(items)));
}

Result<Value> DictSort(const Call& call) {
  if (call.self().dict() == nullptr) {
    return call.Wrong("expected a mapping, found {}", call.self().TypeName());
  }
  ASHLAR_TRY(const std::string by, call.StringOr(1, "key"));
  if (by != "key" && by != "value") {
    return call.Wrong("\"by\" must be key or value, found \"{}\"", by);
  }
  std::vector<Keyed> items;
  for (const auto& [key, value] : call.self().dict()->items) {
    ASHLAR_TRY(Value sorted_by,
               KeyOf(call, by == "key" ? key : value, nullptr, call.FlagOr(0, false)));
    items.push_back({std::move(sorted_by), List{{key, value}, true}});
  }
  ASHLAR_TRY(SortByKey(call, call.FlagOr(2, false), items));
  return ListOf(call, ItemsOf(std::move(items)));
}

template <bool kLargest>
Result<Value> Extreme(const Call& call) {
  ASHLAR_TRY(std::vector<Keyed> items, KeyedItems(call, call[1], call.FlagOr(0, false)));
  ASHLAR_TRY(SortByKey(call, kLargest, items));
  return items.empty() ? Undefined{"no aggregated item, the sequence was empty"}
                       : items.front().item;
}

// Runs of equal keys of sorted items: [key, items].
Result<std::vector<std::pair<Value, std::vector<Value>>>> Groups(const Call& call,
                                                                 std::vector<Keyed> items) {
  std::vector<std::pair<Value, std::vector<Value>>> groups;
  for (Keyed& item : items) {
    ASHLAR_TRY(call.machine().Walk(item.key));
    if (groups.empty() || !Equal(groups.back().first, item.key)) {
      groups.emplace_back(std::move(item.key), std::vector<Value>());
    }
    groups.back().second.push_back(std::move(item.item));
  }
  return groups;
}

Result<Value> GroupBy(const Call& call) {
  ASHLAR_TRY(const std::string attribute, call.StringOr(0, ""));
  ASHLAR_TRY(std::vector<Keyed> items, KeyedItems(call, call[0], call.FlagOr(2, false)));
  for (Keyed& item : items) {
    if (item.key.undefined() != nullptr && call[1] != nullptr) {
      item.key = *call[1];
    }
  }
  ASHLAR_TRY(SortByKey(call, /*reverse=*/false, items));
  ASHLAR_TRY(auto groups, Groups(call, std::move(items)));
  std::vector<Value> list;
  for (auto& [key, members] : groups) {
    // (The key as the first member spells it.)
    ASHLAR_TRY(Value spelled, Dotted(call.machine(), members.front(), attribute));
    list.emplace_back(
        List{{spelled.undefined() != nullptr ? key : std::move(spelled), List{std::move(members)}},
             true});
  }
  return ListOf(call, std::move(list));
}

Result<Value> Unique(const Call& call) {
  ASHLAR_TRY(const std::vector<Keyed> items, KeyedItems(call, call[1], call.FlagOr(0, false)));
  std::vector<Value> seen;
  std::vector<Value> kept;
  for (const Keyed& item : items) {
    ASHLAR_TRY(call.machine().Step(static_cast<std::int64_t>(seen.size())));
    ASHLAR_TRY(call.machine().Walk(item.key));
    if (std::ranges::none_of(seen, [&](const Value& other) { return Equal(other, item.key); })) {
      seen.push_back(item.key);
      kept.push_back(item.item);
    }
  }
  return ListOf(call, std::move(kept));
}

Result<Value> Sum(const Call& call) {
  ASHLAR_TRY(const std::vector<Keyed> items, KeyedItems(call, call[0], /*case_sensitive=*/true));
  std::int64_t integers = 0;
  double reals = 0;
  bool all_integers = true;
  const auto add = [&](const Value& value) -> Status {
    if (!value.IsNumber()) {
      return call.Wrong("expected numbers, found {}", value.TypeName());
    }
    all_integers = all_integers && value.AsInteger() &&
                   !__builtin_add_overflow(integers, *value.AsInteger(), &integers);
    reals += *value.AsReal();
    return {};
  };
  if (call[1] != nullptr) {
    ASHLAR_TRY(add(*call[1]));
  }
  for (const Keyed& item : items) {
    ASHLAR_TRY(add(item.key));
  }
  return all_integers ? Value(integers) : Value(reals);
}

// In rows of `size`; the last filled up where there is something to fill with.
Result<Value> Batch(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  ASHLAR_TRY(const std::int64_t size, call.IntegerOr(0, 0));
  if (size < 1 || size > 1 << 20) {
    return call.Wrong("\"linecount\" must be from 1 to {}, found {}", 1 << 20, size);
  }
  std::vector<Value> rows;
  for (std::size_t at = 0; at < items.size(); at += static_cast<std::size_t>(size)) {
    const std::size_t end = std::min(at + static_cast<std::size_t>(size), items.size());
    std::vector<Value> row(items.begin() + static_cast<std::ptrdiff_t>(at),
                           items.begin() + static_cast<std::ptrdiff_t>(end));
    if (call[1] != nullptr && !call[1]->is_none()) {
      row.resize(static_cast<std::size_t>(size), *call[1]);
    }
    rows.emplace_back(List{std::move(row)});
  }
  return ListOf(call, std::move(rows));
}

// `count` rows of nearly equal length.
Result<Value> SliceFilter(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  ASHLAR_TRY(const std::int64_t count, call.IntegerOr(0, 0));
  if (count < 1 || count > 1 << 16) {
    return call.Wrong("\"slices\" must be from 1 to {}, found {}", 1 << 16, count);
  }
  const std::size_t each = items.size() / static_cast<std::size_t>(count);
  const std::size_t longer = items.size() % static_cast<std::size_t>(count);
  std::vector<Value> rows;
  auto next = items.begin();
  for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row) {
    const auto end = next + static_cast<std::ptrdiff_t>(each + (row < longer ? 1 : 0));
    List list = {{next, end}};
    if (call[1] != nullptr && !call[1]->is_none() && row >= longer && longer > 0) {
      list.items.push_back(*call[1]);
    }
    rows.emplace_back(std::move(list));
    next = end;
  }
  return ListOf(call, std::move(rows));
}

// ---- Filters that take filters and tests

// The arguments from number `skip` on, for another function.
Arguments Rest(const Call& call, std::size_t skip) {
  const Arguments& all = call.arguments();
  return {{all.positional.begin() + static_cast<std::ptrdiff_t>(skip), all.positional.end()},
          all.named};
}

Result<std::string> FunctionName(const Call& call, std::size_t i) {
  const std::vector<Value>& arguments = call.arguments().positional;
  if (i >= arguments.size() || arguments[i].string() == nullptr) {
    return call.Wrong("argument {} must be a name", i + 1);
  }
  return *arguments[i].string();
}

// map('filter', arguments...), map(attribute='a.b', default=x).
Result<Value> Map(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  std::vector<Value> mapped;
  if (call.arguments().positional.empty()) {
    const Value* attribute = nullptr;
    const Value* otherwise = nullptr;
    for (const auto& [name, value] : call.arguments().named) {
      if (name != "attribute" && name != "default") {
        return call.Wrong("it has no argument \"{}\"", name);
      }
      (name == "attribute" ? attribute : otherwise) = &value;
    }
    if (attribute == nullptr) {
      return call.Wrong("it needs a filter, or attribute=");
    }
    for (const Value& item : items) {
      ASHLAR_TRY(Value value, Dotted(call.machine(), item, Str(*attribute)));
      const bool missing = value.undefined() != nullptr && otherwise != nullptr;
      mapped.push_back(missing ? *otherwise : std::move(value));
    }
    return ListOf(call, std::move(mapped));
  }
  ASHLAR_TRY(const std::string name, FunctionName(call, 0));
  const Function* filter = FindFilter(name);
  if (filter == nullptr) {
    return call.Wrong("there is no filter \"{}\"", name);
  }
  for (const Value& item : items) {
    ASHLAR_TRY(mapped.emplace_back(), (*filter)(call.machine(), item, Rest(call, 1)));
  }
  return ListOf(call, std::move(mapped));
}

// The items (or their attribute) that hold for a test, or that are true; kKeep: those, or the rest.
template <bool kOfAttribute, bool kKeep>
Result<Value> Select(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  constexpr std::size_t kSkip = kOfAttribute ? 1 : 0;
  std::string attribute;
  if (kOfAttribute) {
    ASHLAR_TRY(attribute, FunctionName(call, 0));
  }
  const Function* test = nullptr;
  if (call.arguments().positional.size() > kSkip) {
    ASHLAR_TRY(const std::string name, FunctionName(call, kSkip));
    test = FindTest(name);
    if (test == nullptr) {
      return call.Wrong("there is no test \"{}\"", name);
    }
  }
  std::vector<Value> kept;
  for (const Value& item : items) {
    Value tested = item;
    if (kOfAttribute) {
      ASHLAR_TRY(tested, Dotted(call.machine(), item, attribute));
    }
    if (test != nullptr) {
      ASHLAR_TRY(tested, (*test)(call.machine(), tested, Rest(call, kSkip + 1)));
    }
    if (tested.Truthy() == kKeep) {
      kept.push_back(item);
    }
  }
  return ListOf(call, std::move(kept));
}

// ---- Others

Result<Value> Default(const Call& call) {
  const bool missing =
      call.self().undefined() != nullptr || (call.FlagOr(1, false) && !call.self().Truthy());
  return !missing ? call.self() : call[0] != nullptr ? *call[0] : Value("");
}

Result<Value> Attr(const Call& call) {
  ASHLAR_TRY(const std::string name, call.StringOr(0, ""));
  return GetAttribute(call.machine(), call.self(), name);
}

Result<Value> ItemsFilter(const Call& call) {
  std::vector<Value> items;
  if (const Dict* dict = call.self().dict()) {
    for (const auto& [key, value] : dict->items) {
      items.emplace_back(List{{key, value}, true});
    }
  } else if (call.self().undefined() == nullptr) {
    return call.Wrong("expected a mapping, found {}", call.self().TypeName());
  }
  return ListOf(call, std::move(items));
}

constexpr Function kFilters[] = {
    {"abs", Abs},
    {"attr", Attr, 1, {"name"}},
    {"batch", Batch, 1, {"linecount", "fill_with"}},
    {"capitalize", MapText<Capitalized>},
    {"center", Center, 0, {"width"}},
    {"count", Length},
    {"d", Default, 0, {"default_value", "boolean"}},
    {"default", Default, 0, {"default_value", "boolean"}},
    {"dictsort", DictSort, 0, {"case_sensitive", "by", "reverse"}},
    {"e", MapText<Escape>},
    {"escape", MapText<Escape>},
    {"first", First},
    {"float", Float, 0, {"default"}},
    {"forceescape", MapText<Escape>},
    {"format", Format, Function::kAny},
    {"groupby", GroupBy, 1, {"attribute", "default", "case_sensitive"}},
    {"indent", Indent, 0, {"width", "first", "blank"}},
    {"int", Int, 0, {"default", "base"}},
    {"items", ItemsFilter},
    {"join", Join, 0, {"d", "attribute"}},
    {"last", Last},
    {"length", Length},
    {"list", ListFilter},
    {"lower", MapText<Lower>},
    {"map", Map, Function::kAny},
    {"max", Extreme<true>, 0, {"case_sensitive", "attribute"}},
    {"min", Extreme<false>, 0, {"case_sensitive", "attribute"}},
    {"reject", Select<false, false>, Function::kAny},
    {"rejectattr", Select<true, false>, Function::kAny},
    {"replace", Replace, 2, {"old", "new", "count"}},
    {"reverse", Reverse},
    {"round", Round, 0, {"precision", "method"}},
    {"safe", MapText<Same>},
    {"select", Select<false, true>, Function::kAny},
    {"selectattr", Select<true, true>, Function::kAny},
    {"slice", SliceFilter, 1, {"slices", "fill_with"}},
    {"sort", Sort, 0, {"reverse", "case_sensitive", "attribute"}},
    {"string", MapText<Same>},
    {"sum", Sum, 0, {"attribute", "start"}},
    {"title", MapText<Title>},
    {"tojson", ToJsonFilter, 0, {"indent", "separators", "sort_keys", "ensure_ascii"}},
    {"trim", Trim, 0, {"chars"}},
    {"truncate", Truncate, 0, {"length", "killwords", "end", "leeway"}},
    {"unique", Unique, 0, {"case_sensitive", "attribute"}},
    {"upper", MapText<Upper>},
    {"urlencode", UrlEncode},
    {"wordcount", WordCount},
};

}  // namespace

const Function* FindFilter(std::string_view name) {
  return FindFunction(kFilters, name);
}

}  // namespace ashlar::jinja
