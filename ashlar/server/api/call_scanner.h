// Reading JSON that comes in pieces: where a value ends, and a call of a tool as it grows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ashlar {

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

// Reads {"name": "f", "arguments": {...}}, in any order of members, and gives out the arguments as
// they come.
class CallScanner {
 public:
  // Takes the next character. False: this is no call of a tool. Requires: not done().
  bool Push(char c);

  bool done() const { return state_ == State::kDone; }
  bool named() const { return !name_.empty(); }
  const std::string& name() const { return name_; }
  // The text of the arguments that came since the last call.
  std::string TakeArguments();

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
  std::string name_;
  std::string arguments_;
  bool has_arguments_ = false;
};

}  // namespace ashlar
