#include "ashlar/server/api/call_scanner.h"

#include <algorithm>
#include <utility>

#include "ashlar/base/json.h"

namespace ashlar {
namespace {

constexpr std::size_t kDeepest = 128;
constexpr std::size_t kLongestName = 256;
constexpr std::size_t kLongestKey = 64;

constexpr std::string_view kNameKey = "name";
constexpr std::string_view kArgumentKeys[] = {"arguments", "parameters"};
constexpr std::string_view kOtherKeys[] = {"id", "type"};

bool IsArgumentKey(std::string_view key) {
  return std::ranges::find(kArgumentKeys, key) != std::end(kArgumentKeys);
}

}  // namespace

JsonExtent::At JsonExtent::Push(char c) {
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      return open_.empty() ? At::kLast : At::kInside;
    }
    return At::kInside;
  }
  if (open_.empty() && begun_ && (IsCallSpace(c) || c == ',' || c == '}' || c == ']')) {
    return At::kPast;
  }
  if (IsCallSpace(c)) {
    return At::kInside;
  }
  begun_ = true;
  if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    open_ += c;
    return open_.size() <= kDeepest ? At::kInside : At::kBad;
  } else if (c == '}' || c == ']') {
    const char wanted = c == '}' ? '{' : '[';
    if (open_.empty() || open_.back() != wanted) {
      return At::kBad;
    }
    open_.pop_back();
    return open_.empty() ? At::kLast : At::kInside;
  } else if (c == ',' && open_.empty()) {
    return At::kBad;
  }
  return At::kInside;
}

std::string CallScanner::TakeArguments() {
  return std::exchange(arguments_, {});
}

bool JsonCallScanner::Push(char c) {
  switch (state_) {
    case State::kBegin:
      state_ = State::kKey;
      return c == '{';
    case State::kKey:
      if (c == '"') {
        key_ = c;
        state_ = State::kInKey;
        return true;
      }
      return IsCallSpace(c);
    case State::kInKey:
      key_ += c;
      if (c == '"') {
        state_ = State::kColon;
      }
      return key_.size() <= kLongestKey && c != '\\';
    case State::kColon:
      return c == ':' ? BeginValue() : IsCallSpace(c);
    case State::kValue:
      return PushValue(c);
    case State::kAfterValue:
      return PushAfterValue(c);
    case State::kDone:
      return false;
  }
  return false;
}

bool JsonCallScanner::BeginValue() {
  key_ = key_.substr(1, key_.size() - 2);
  value_.clear();
  first_ = '\0';
  extent_ = JsonExtent();
  state_ = State::kValue;
  if (key_ == kNameKey) {
    return name_.empty();
  }
  if (IsArgumentKey(key_)) {
    return !std::exchange(has_arguments_, true);
  }
  return std::ranges::find(kOtherKeys, key_) != std::end(kOtherKeys);
}

bool JsonCallScanner::PushValue(char c) {
  const JsonExtent::At at = extent_.Push(c);
  if (at == JsonExtent::At::kBad) {
    return false;
  }
  if (at == JsonExtent::At::kPast) {
    return EndValue() && PushAfterValue(c);
  }
  if (first_ == '\0' && !IsCallSpace(c)) {
    first_ = c;
  }
  // Arguments in a string are read whole: they are JSON once the string is undone.
  if (first_ != '\0') {
    (IsArgumentKey(key_) && first_ != '"' ? arguments_ : value_) += c;
  }
  if (key_ == kNameKey && value_.size() > kLongestName) {
    return false;
  }
  return at != JsonExtent::At::kLast || EndValue();
}

bool JsonCallScanner::EndValue() {
  state_ = State::kAfterValue;
  if (key_ == kNameKey || (IsArgumentKey(key_) && !value_.empty())) {
    const Result<Json> text = ParseJson(value_);
    if (!text.ok() || text->string() == nullptr) {
      return false;
    }
    (key_ == kNameKey ? name_ : arguments_) += *text->string();
    return key_ != kNameKey || named();
  }
  return true;
}

bool JsonCallScanner::PushAfterValue(char c) {
  if (c == ',') {
    state_ = State::kKey;
    return true;
  }
  if (c == '}') {
    state_ = State::kDone;
    if (!has_arguments_) {
      arguments_ = "{}";
    }
    return named();
  }
  return IsCallSpace(c);
}

}  // namespace ashlar
