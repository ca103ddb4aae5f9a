// Reading JSON that comes in pieces: where a value ends, and a call of a tool as it grows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ashlar/base/ascii.h"

namespace ashlar {

// White space around what a call is made of.
constexpr bool IsCallSpace(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
// Of the names of tools.
constexpr bool IsToolNameChar(char c) {
  return IsAsciiLetterOrDigit(c) || c == '_' || c == '-' || c == '.';
}

// Finds the end of one JSON value, character by character. It looks at strings and brackets only:
// what a network writes between them is its own affair.
class JsonExtent {
 public:
  enum class At : std::uint8_t {
    kInside,
    kLast,  // the value ends with this character
    kPast,  // it ended before this one (numbers and words have no end of their own)
    kBad,   // no JSON value
  };
  At Push(char c);

 private:
  std::string open_;  // the brackets that wait to be closed
  bool begun_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
};

// Reads one call, character by character, and gives out the arguments, as JSON, as they come.
class CallScanner {
 public:
  virtual ~CallScanner() = default;
  // Takes the next character. False: this is no call of a tool. Requires: not done().
  virtual bool Push(char c) = 0;
  virtual bool done() const = 0;

  bool named() const { return !name_.empty(); }
  const std::string& name() const { return name_; }
  // The text of the arguments that came since the last call.
  std::string TakeArguments();

 protected:
  std::string name_;
  std::string arguments_;
};

// Reads {"name": "f", "arguments": {...}}, in any order of members.
class JsonCallScanner final : public CallScanner {
 public:
  bool Push(char c) override;
  bool done() const override { return state_ == State::kDone; }

 private:
  enum class State : std::uint8_t { kBegin, kKey, kInKey, kColon, kValue, kAfterValue, kDone };
  bool BeginValue();
  bool PushValue(char c);
  bool EndValue();
  bool PushAfterValue(char c);

  State state_ = State::kBegin;
  JsonExtent extent_;
  std::string key_;    // with its quotes, while it is read
  std::string value_;  // what is read whole: the name, arguments in a string
  char first_ = '\0';  // of the value; none so far
  bool has_arguments_ = false;
};

}  // namespace ashlar
