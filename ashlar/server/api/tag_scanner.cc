#include "ashlar/server/api/tag_scanner.h"

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/base/json_syntax.h"

namespace ashlar {
namespace {

constexpr std::size_t kLongestTagName = 256;
constexpr std::size_t kMostLookedAt = 1024;  // schemas and values, for the types of an argument

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsCallSpace(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && IsCallSpace(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

void AddType(const Json& name, NamedTypes& types) {
  types.any = true;
  types.text |= name == Json("string");
  types.null |= name == Json("null");
}

void AddTypeOf(const Json& value, NamedTypes& types) {
  types.any = true;
  types.text |= value.string() != nullptr;
  types.null |= value.is_null();
}

// Of a list that may be absent, or something else.
std::span<const Json> ElementsOf(const Json* list) {
  return list != nullptr && list->array() != nullptr ? std::span<const Json>(*list->array())
                                                     : std::span<const Json>();
}

// Networks write words as Python does, too.
std::string_view JsonWord(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"True", "true"}, {"False", "false"}, {"None", "null"}};
  for (const auto& [word, json] : kWords) {
    if (text == word) {
      return json;
    }
  }
  return text;
}

// The JSON of an argument that is written as `text`; `types`: what TypesOf says of it.
std::string ArgumentJson(std::string_view text, NamedTypes types) {
  const std::string_view word = JsonWord(Trimmed(text));
  const bool is_text = !types.any || (types.text && !(types.null && SaysNull(text)));
  if (!is_text && IsJsonText(word)) {
    return std::string(word);
  }
  return WriteJson(Json(text));
}

}  // namespace

NamedTypes TypesOf(JsonPlaces& places, const Json& schema, std::size_t& looked_at) {
  std::size_t left = kMostLookedAt;
  const auto some_of = [&left](const Json* list) {
    const std::span<const Json> all = ElementsOf(list);
    const auto some = all.first(std::min(all.size(), left));
    left -= some.size();
    return some;
  };
  NamedTypes types;
  std::set<const Json*> seen;
  std::vector<const Json*> open = {&schema};
  while (!open.empty() && left > 0) {
    --left;
    const Json& next = *open.back();
    open.pop_back();
    if (next.object() == nullptr || !seen.insert(&next).second) {
      continue;
    }
    const Json* const type = places.Member(next, "type");
    if (type != nullptr && type->string() != nullptr) {
      AddType(*type, types);
    }
    for (const Json& one : some_of(type)) {
      AddType(one, types);
    }
    if (type == nullptr) {
      for (const Json& value : some_of(places.Member(next, "enum"))) {
        AddTypeOf(value, types);
      }
      if (const Json* const value = places.Member(next, "const")) {
        AddTypeOf(*value, types);
      }
    }
    const Json* const nullable = places.Member(next, "nullable");  // OpenAPI 3.0
    types.null |= nullable != nullptr && *nullable == Json(true);
    for (const char* keyword : {"anyOf", "oneOf", "allOf"}) {
      for (const Json& one : some_of(places.Member(next, keyword))) {
        open.push_back(&one);
      }
    }
    const Json* const reference = places.Member(next, "$ref");
    if (const Json* const target = reference != nullptr ? places.Referred(*reference) : nullptr) {
      open.push_back(target);
    }
  }
  looked_at += kMostLookedAt - left;
  return types;
}

ArgumentTypes::ArgumentTypes(const Json* tools) {
  for (const Json& tool : ElementsOf(tools)) {
    const Json* const function = tool.Find("function");
    const Json* const name = function != nullptr ? function->Find("name") : nullptr;
    const Json* const parameters = function != nullptr ? function->Find("parameters") : nullptr;
    if (name != nullptr && name->string() != nullptr && parameters != nullptr) {
      tools_.try_emplace(*name->string(), Tool{JsonPlaces(*parameters), {}});
    }
  }
}

NamedTypes ArgumentTypes::Of(std::string_view tool, const std::string& key) {
  const auto found = tools_.find(tool);
  if (found == tools_.end()) {
    return {};
  }
  JsonPlaces& parameters = found->second.parameters;
  const auto [types, is_new] = found->second.arguments.try_emplace(key);
  if (is_new) {
    const Json* const properties = parameters.Member(parameters.root(), "properties");
    const Json* const schema =
        properties != nullptr ? parameters.Member(*properties, key) : nullptr;
    std::size_t looked_at = 0;
    types->second = schema != nullptr ? TypesOf(parameters, *schema, looked_at) : NamedTypes();
  }
  return types->second;
}

bool SaysNull(std::string_view text) {
  return JsonWord(Trimmed(text)) == "null";
}

bool TagScanner::Push(char c) {
  switch (state_) {
    case State::kBeforeName:
      return tags_.name_begin.empty() ? IsCallSpace(c) || (Enter(State::kName) && Push(c))
                                      : PushTag(c, tags_.name_begin, State::kName);
    case State::kName:
      return text_.size() <= kLongestTagName && PushUntil(c, tags_.name_end, State::kBetween);
    case State::kBetween:
      return PushBetween(c);
    case State::kKey:
      return text_.size() <= kLongestTagName && PushUntil(c, tags_.key_end, State::kBeforeValue);
    case State::kBeforeValue:
      return tags_.value_begin.empty() ? Enter(State::kValue) && Push(c)
                                       : PushTag(c, tags_.value_begin, State::kValue);
    case State::kValue:
      return PushUntil(c, tags_.value_end, State::kBetween);
    case State::kDone:
      return false;
  }
  return false;
}

bool TagScanner::Enter(State state) {
  text_.clear();
  state_ = state;
  return true;
}

bool TagScanner::PushTag(char c, std::string_view tag, State then) {
  if (text_.empty() && IsCallSpace(c)) {
    return true;
  }
  text_ += c;
  return tag == text_ ? Enter(then) : tag.starts_with(text_);
}

bool TagScanner::PushBetween(char c) {
  if (text_.empty() && IsCallSpace(c)) {
    return true;
  }
  text_ += c;
  if (text_ == tags_.key_begin) {
    return Enter(State::kKey);
  }
  if (text_ == tags_.end) {
    arguments_ += keys_.empty() ? "{}" : "}";
    return Enter(State::kDone);
  }
  return tags_.key_begin.starts_with(text_) || tags_.end.starts_with(text_);
}

bool TagScanner::PushUntil(char c, std::string_view tag, State then) {
  text_ += c;
  if (!text_.ends_with(tag)) {
    return true;
  }
  text_.resize(text_.size() - tag.size());
  if (state_ == State::kName && !EndName()) {
    return false;
  }
  if (state_ == State::kKey) {
    key_ = Trimmed(text_);
  }
  if (state_ == State::kValue) {
    EndValue();
  }
  return Enter(then);
}

bool TagScanner::EndName() {
  name_ = Trimmed(text_);
  return !name_.empty() && std::ranges::all_of(name_, IsToolNameChar);
}

void TagScanner::EndValue() {
  if (keys_.contains(key_)) {
    return;
  }
  std::string_view value = text_;
  if (value.starts_with('\n')) {
    value.remove_prefix(1);
  }
  if (value.ends_with('\n')) {
    value.remove_suffix(1);
  }
  arguments_ += keys_.empty() ? "{" : ", ";
  keys_.insert(key_);
  arguments_ += WriteJson(Json(key_)) + ": " + ArgumentJson(value, types_.Of(name_, key_));
}

}  // namespace ashlar
