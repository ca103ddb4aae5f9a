// What values can be asked for by x.name().
#include <algorithm>

#include <utf8proc.h>

#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/jinja/format.h"
#include "ashlar/text/jinja/machine.h"
#include "ashlar/text/jinja/strings.h"

namespace ashlar::jinja {
namespace {

// ---- Strings

// Requires: the method is a string's.
const std::string& TextOf(const Call& call) {
  return *call.self().string();
}

Result<std::optional<std::string>> OptionalString(const Call& call, std::size_t i) {
  if (call[i] == nullptr || call[i]->is_none()) {
    return std::optional<std::string>();
  }
  ASHLAR_TRY(std::string text, call.StringOr(i, ""));
  return std::optional(std::move(text));
}

template <std::string (*kMap)(std::string_view)>
Result<Value> MappedText(const Call& call) {
  return call.machine().Make(kMap(TextOf(call)));
}

bool IsLetter(char32_t code) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool IsDecimal(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code)) == UTF8PROC_CATEGORY_ND;
}
bool IsLetterOrDigit(char32_t code) {
  return IsLetter(code) || IsDecimal(code);
}

// Not empty, and all of it holds.
template <bool (*kHolds)(char32_t)>
Result<Value> AllCharacters(const Call& call) {
  const std::vector<std::string_view> characters = Characters(TextOf(call));
  return Value(!characters.empty() &&
               std::ranges::all_of(characters, [](std::string_view character) {
                 return kHolds(internal::FirstChar(character).code);
               }));
}

// str.title: a letter is large when none stands before it.
std::string EveryWord(std::string_view text) {
  std::string out;
  bool after_letter = false;
  for (const std::string_view character : Characters(text)) {
    out += after_letter ? Lower(character) : Upper(character);
    after_letter = IsLetter(internal::FirstChar(character).code);
  }
  return out;
}

template <bool kLeft, bool kRight>
Result<Value> StripMethod(const Call& call) {
  ASHLAR_TRY(const std::optional<std::string> set, OptionalString(call, 0));
  return call.machine().Make(std::string(Strip(TextOf(call), set, kLeft, kRight)));
}

Result<Value> MakeTexts(const Call& call, const std::vector<std::string_view>& texts) {
  ASHLAR_TRY(call.machine().Charge(TextOf(call).size()));
  List list;
  for (const std::string_view text : texts) {
    list.items.emplace_back(text);
  }
  return call.machine().Make(std::move(list));
}

template <bool kFromRight>
Result<Value> SplitMethod(const Call& call) {
  ASHLAR_TRY(const std::optional<std::string> separator, OptionalString(call, 0));
  ASHLAR_TRY(const std::int64_t most, call.IntegerOr(1, -1));
  if (separator && separator->empty()) {
    return call.Wrong("the separator is empty");
  }
  return MakeTexts(call, (kFromRight ? SplitFromRight : Split)(TextOf(call), separator, most));
}

Result<Value> SplitLinesMethod(const Call& call) {
  return MakeTexts(call, SplitLines(TextOf(call), call.FlagOr(0, false)));
}

template <bool kFromRight>
Result<Value> Partition(const Call& call) {
  ASHLAR_TRY(const std::string separator, call.StringOr(0, ""));
  const std::string& text = TextOf(call);
  const std::size_t at = kFromRight ? text.rfind(separator) : text.find(separator);
  if (separator.empty()) {
    return call.Wrong("the separator is empty");
  }
  std::vector<Value> parts = {text.substr(0, at), separator, ""};
  if (at == std::string::npos) {
    parts = kFromRight ? std::vector<Value>{"", "", text} : std::vector<Value>{text, "", ""};
  } else {
    parts[2] = text.substr(at + separator.size());
  }
  return call.machine().Make(List{std::move(parts), true});
}

// startswith, endswith: one, or any of a tuple.
template <bool kStart>
Result<Value> HasAffix(const Call& call) {
  const std::string& text = TextOf(call);
  const auto has = [&](const Value& affix) {
    return affix.string() != nullptr &&
           (kStart ? text.starts_with(*affix.string()) : text.ends_with(*affix.string()));
  };
  if (const List* list = call[0]->list()) {
    return Value(std::ranges::any_of(list->items, has));
  }
  ASHLAR_TRY(const std::string affix, call.StringOr(0, ""));
  return Value(has(affix));
}

template <bool kStart>
Result<Value> RemoveAffix(const Call& call) {
  ASHLAR_TRY(const std::string affix, call.StringOr(0, ""));
  std::string_view text = TextOf(call);
  if (kStart && text.starts_with(affix)) {
    text.remove_prefix(affix.size());
  } else if (!kStart && text.ends_with(affix)) {
    text.remove_suffix(affix.size());
  }
  return call.machine().Make(std::string(text));
}

Result<Value> ReplaceMethod(const Call& call) {
  ASHLAR_TRY(const std::string old, call.StringOr(0, ""));
  ASHLAR_TRY(const std::string with, call.StringOr(1, ""));
  ASHLAR_TRY(const std::int64_t count, call.IntegerOr(2, -1));
  std::optional<std::string> replaced =
      Replaced(TextOf(call), old, with, count, call.machine().room());
  if (!replaced) {
    return Exhausted("replace: the result is too long");
  }
  return call.machine().Make(*std::move(replaced));
}

Result<Value> JoinMethod(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, call.machine().Iterate(*call[0]));
  ASHLAR_TRY(call.machine().Walk(*call[0]));
  std::string text;
  for (const Value& item : items) {
    if (item.string() == nullptr) {
      return call.Wrong("expected strings, found {}", item.TypeName());
    }
    ASHLAR_TRY(call.machine().Charge(TextOf(call).size()));
    text += &item == items.data() ? "" : TextOf(call);
    text += *item.string();
  }
  return call.machine().Make(std::move(text));
}

// find, rfind: in characters; -1 when there is none.
template <bool kFromRight>
Result<Value> Find(const Call& call) {
  ASHLAR_TRY(const std::string what, call.StringOr(0, ""));
  const std::string& text = TextOf(call);
  const std::size_t at = kFromRight ? text.rfind(what) : text.find(what);
  return Value(at == std::string::npos ? std::int64_t{-1} : CountCharacters(text.substr(0, at)));
}

Result<Value> CountMethod(const Call& call) {
  ASHLAR_TRY(const std::string what, call.StringOr(0, ""));
  if (what.empty()) {
    return Value(CountCharacters(TextOf(call)) + 1);
  }
  return Value(static_cast<std::int64_t>(Split(TextOf(call), what, -1).size()) - 1);
}

template <bool kLeft>
Result<Value> Justify(const Call& call) {
  ASHLAR_TRY(const std::int64_t width, call.IntegerOr(0, 0));
  ASHLAR_TRY(const std::string fill, call.StringOr(1, " "));
  const std::string& text = TextOf(call);
  if (CountCharacters(fill) != 1) {
    return call.Wrong("the fill must be one character");
  }
  const std::int64_t missing = std::clamp<std::int64_t>(width - CountCharacters(text), 0, 1 << 16);
  std::string filled;
  for (std::int64_t i = 0; i < missing; ++i) {
    filled += fill;
  }
  return call.machine().Make(kLeft ? text + filled : filled + text);
}

Result<Value> FormatMethod(const Call& call) {
  ASHLAR_TRY(std::string text, FormatBraces(call.machine(), TextOf(call), call.arguments()));
  return call.machine().Make(std::move(text));
}

constexpr Function kStringMethods[] = {
    {"capitalize", MappedText<Capitalized>},
    {"casefold", MappedText<Lower>},
    {"count", CountMethod, 1, {"sub"}},
    {"endswith", HasAffix<false>, 1, {"suffix"}},
    {"find", Find<false>, 1, {"sub"}},
    {"format", FormatMethod, Function::kAny},
    {"isalnum", AllCharacters<IsLetterOrDigit>},
    {"isalpha", AllCharacters<IsLetter>},
    {"isdecimal", AllCharacters<IsDecimal>},
    {"isdigit", AllCharacters<IsDecimal>},
    {"isnumeric", AllCharacters<IsDecimal>},
    {"isspace", AllCharacters<IsSpace>},
    {"join", JoinMethod, 1, {"iterable"}},
    {"ljust", Justify<true>, 1, {"width", "fillchar"}},
    {"lower", MappedText<Lower>},
    {"lstrip", StripMethod<true, false>, 0, {"chars"}},
    {"partition", Partition<false>, 1, {"sep"}},
    {"removeprefix", RemoveAffix<true>, 1, {"prefix"}},
    {"removesuffix", RemoveAffix<false>, 1, {"suffix"}},
    {"replace", ReplaceMethod, 2, {"old", "new", "count"}},
    {"rfind", Find<true>, 1, {"sub"}},
    {"rjust", Justify<false>, 1, {"width", "fillchar"}},
    {"rpartition", Partition<true>, 1, {"sep"}},
    {"rsplit", SplitMethod<true>, 0, {"sep", "maxsplit"}},
    {"rstrip", StripMethod<false, true>, 0, {"chars"}},
    {"split", SplitMethod<false>, 0, {"sep", "maxsplit"}},
    {"splitlines", SplitLinesMethod, 0, {"keepends"}},
    {"startswith", HasAffix<true>, 1, {"prefix"}},
    {"strip", StripMethod<true, true>, 0, {"chars"}},
    {"title", MappedText<EveryWord>},
    {"upper", MappedText<Upper>},
};

// ---- Dicts and lists

Result<Value> Keys(const Call& call) {
  ASHLAR_TRY(std::vector<Value> keys, Iterate(call.self()));
  return call.machine().Make(List{std::move(keys)});
}

Result<Value> Values(const Call& call) {
  List list;
  for (const auto& member : call.self().dict()->items) {
    list.items.push_back(member.second);
  }
  return call.machine().Make(std::move(list));
}

Result<Value> ItemsMethod(const Call& call) {
  List list;
  for (const auto& [key, value] : call.self().dict()->items) {
    list.items.emplace_back(List{{key, value}, true});
  }
  return call.machine().Make(std::move(list));
}

Result<Value> Get(const Call& call) {
  const Dict& dict = *call.self().dict();
  ASHLAR_TRY(call.machine().Step(static_cast<std::int64_t>(dict.items.size() / 8)));
  const Value* found = dict.Find(*call[0]);
  return found != nullptr ? *found : call[1] != nullptr ? *call[1] : Value();
}

constexpr Function kDictMethods[] = {
    {"get", Get, 1, {"key", "default"}},
    {"items", ItemsMethod},
    {"keys", Keys},
    {"values", Values},
};

Result<Value> CountInList(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  return Value(static_cast<std::int64_t>(std::ranges::count_if(
      call.self().list()->items, [&](const Value& item) { return Equal(item, *call[0]); })));
}

Result<Value> IndexInList(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  const std::vector<Value>& items = call.self().list()->items;
  const auto found =
      std::ranges::find_if(items, [&](const Value& item) { return Equal(item, *call[0]); });
  if (found == items.end()) {
    return call.Wrong("{} is not in the list", Repr(*call[0]));
  }
  return Value(static_cast<std::int64_t>(found - items.begin()));
}

constexpr Function kListMethods[] = {
    {"count", CountInList, 1, {"value"}},
    {"index", IndexInList, 1, {"value"}},
};

}  // namespace

const Function* FindMethod(const Value& self, std::string_view name) {
  return self.string() != nullptr ? FindFunction(kStringMethods, name)
         : self.dict() != nullptr ? FindFunction(kDictMethods, name)
         : self.list() != nullptr ? FindFunction(kListMethods, name)
                                  : nullptr;
}

}  // namespace ashlar::jinja
