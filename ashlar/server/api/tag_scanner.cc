#include "ashlar/server/api/tag_scanner.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

namespace ashlar {
namespace {

constexpr std::size_t kLongestTagName = 256;
constexpr std::size_t kDeepestSchema = 16;

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsCallSpace(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && IsCallSpace(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

void AddTypes(const Json& schema, std::size_t depth, std::set<std::string, std::less<>>& types) {
  if (schema.object() == nullptr || depth == kDeepestSchema) {
    return;
  }
  if (const Json* const type = schema.Find("type")) {
    if (type->string() != nullptr) {
      types.insert(*type->string());
    } else if (type->array() != nullptr) {
      for (const Json& one : *type->array()) {
        types.insert(one.string() != nullptr ? *one.string() : "");
      }
    }
  }
  for (const char* keyword : {"anyOf", "oneOf", "allOf"}) {
    const Json* const schemas = schema.Find(keyword);
    if (schemas != nullptr && schemas->array() != nullptr) {
      for (const Json& one : *schemas->array()) {
        AddTypes(one, depth + 1, types);
      }
    }
  }
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

// The JSON of an argument that is written as `text`.
std::string ArgumentJson(std::string_view text, const Json* schema) {
  const auto types = TypesOf(schema != nullptr ? *schema : Json());
  const std::string_view word = JsonWord(Trimmed(text));
  const bool is_text =
      types.empty() || (types.contains("string") && !(types.contains("null") && SaysNull(text)));
  if (!is_text && ParseJson(word).ok()) {
    return std::string(word);
  }
  return WriteJson(Json(text));
}

}  // namespace

std::set<std::string, std::less<>> TypesOf(const Json& schema) {
  std::set<std::string, std::less<>> types;
  AddTypes(schema, 0, types);
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
  arguments_ += WriteJson(Json(key_)) + ": " + ArgumentJson(value, SchemaOf(key_));
}

const Json* TagScanner::SchemaOf(std::string_view key) const {
  if (tools_ == nullptr || tools_->array() == nullptr) {
    return nullptr;
  }
  for (const Json& tool : *tools_->array()) {
    const Json* at = tool.Find("function");
    const Json* const name = at != nullptr ? at->Find("name") : nullptr;
    if (name == nullptr || *name != Json(name_)) {
      continue;
    }
    for (const std::string_view step :
         {std::string_view("parameters"), std::string_view("properties"), key}) {
      at = at != nullptr ? at->Find(step) : nullptr;
    }
    return at;
  }
  return nullptr;
}

}  // namespace ashlar
