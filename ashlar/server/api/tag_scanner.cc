#include "ashlar/server/api/tag_scanner.h"

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/base/json_syntax.h"
#include "ashlar/grammar/json_reference.h"

namespace ashlar {
namespace {

constexpr std::size_t kLongestTagName = 256;

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsCallSpace(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && IsCallSpace(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

// Of a value, as schemas have it.
std::string_view TypeName(const Json& value) {
  return value.is_null()              ? "null"
         : value.boolean() != nullptr ? "boolean"
         : value.string() != nullptr  ? "string"
         : value.array() != nullptr   ? "array"
         : value.object() != nullptr  ? "object"
                                      : "number";
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
std::string ArgumentJson(std::string_view text, const std::set<std::string, std::less<>>& types) {
  const std::string_view word = JsonWord(Trimmed(text));
  const bool is_text =
      types.empty() || (types.contains("string") && !(types.contains("null") && SaysNull(text)));
  if (!is_text && IsJsonText(word)) {
    return std::string(word);
  }
  return WriteJson(Json(text));
}

}  // namespace

std::set<std::string, std::less<>> TypesOf(const Json& root, const Json& schema) {
  std::set<std::string, std::less<>> types;
  std::set<const Json*> seen;
  std::vector<const Json*> open = {&schema};
  while (!open.empty()) {
    const Json& next = *open.back();
    open.pop_back();
    if (next.object() == nullptr || !seen.insert(&next).second) {
      continue;
    }
    const Json* const type = next.Find("type");
    if (type != nullptr && type->string() != nullptr) {
      types.insert(*type->string());
    }
    for (const Json& one : ElementsOf(type)) {
      types.insert(one.string() != nullptr ? *one.string() : "");
    }
    if (type == nullptr) {
      for (const Json& value : ElementsOf(next.Find("enum"))) {
        types.emplace(TypeName(value));
      }
      if (const Json* const value = next.Find("const")) {
        types.emplace(TypeName(*value));
      }
    }
    for (const char* keyword : {"anyOf", "oneOf", "allOf"}) {
      for (const Json& one : ElementsOf(next.Find(keyword))) {
        open.push_back(&one);
      }
    }
    const Json* const reference = next.Find("$ref");
    if (reference != nullptr && reference->string() != nullptr) {
      if (const Json* const target = FindReferred(root, *reference->string())) {
        open.push_back(target);
      }
    }
  }
  return types;
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
  std::set<std::string, std::less<>> types;
  if (const Json* const parameters = Parameters()) {
    const Json* const properties = parameters->Find("properties");
    const Json* const schema = properties != nullptr ? properties->Find(key_) : nullptr;
    types = schema != nullptr ? TypesOf(*parameters, *schema) : types;
  }
  arguments_ += WriteJson(Json(key_)) + ": " + ArgumentJson(value, types);
}

const Json* TagScanner::Parameters() const {
  for (const Json& tool : ElementsOf(tools_)) {
    const Json* const function = tool.Find("function");
    const Json* const name = function != nullptr ? function->Find("name") : nullptr;
    if (name != nullptr && *name == Json(name_)) {
      return function->Find("parameters");
    }
  }
  return nullptr;
}

}  // namespace ashlar
