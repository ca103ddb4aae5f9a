// Reading a call of a tool whose arguments are written in tags, as it grows:
//
//   <function=f>
//   <parameter=city>
//   Paris
//   </parameter>
//   </function>
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "ashlar/base/json.h"
#include "ashlar/grammar/json_reference.h"
#include "ashlar/server/api/call_scanner.h"

namespace ashlar {

// The tags. White space may stand before each that is not empty.
struct CallTags {
  std::string_view name_begin;  // may be empty
  std::string_view name_end;
  std::string_view key_begin;
  std::string_view key_end;
  std::string_view value_begin;  // may be empty
  std::string_view value_end;
  std::string_view end;  // of the call
};

// What decides whether an argument in tags is text.
struct NamedTypes {
  bool any = false;  // some type is named
  bool text = false;
  bool null = false;
};

// The types that `schema`, which stands in `places`, names: in itself, in what it refers to or is
// any of, by its values where it lists them.
//
// Looks at a thousand schemas and values at most, which are added to `looked_at`, and says what
// those name: schemas are what clients send, and answers wait for this.
NamedTypes TypesOf(JsonPlaces& places, const Json& schema, std::size_t& looked_at);

// TypesOf the arguments of tools, each found when it is first asked for. Confined.
class ArgumentTypes {
 public:
  // `tools`: [{"function": {"name", "parameters"}}], or null. Must outlive it.
  explicit ArgumentTypes(const Json* tools);

  // None where nothing is known of the tool, or of its argument.
  NamedTypes Of(std::string_view tool, const std::string& key);

 private:
  struct Tool {
    JsonPlaces parameters;
    std::map<std::string, NamedTypes> arguments;
  };
  std::map<std::string_view, Tool> tools_;
};

// Whether an argument that is written so is null, where its type allows it.
bool SaysNull(std::string_view text);

// What a tag says is text; whether an argument is one, or a number, a list and so on, is seen from
// the tool's schema. A line end right after the tag before a value, and one right before the tag
// after it, are not part of it. An argument is given out when it is whole.
class TagScanner final : public CallScanner {
 public:
  // An argument of which no types are known is text. Both must outlive it.
  TagScanner(const CallTags& tags, ArgumentTypes& types) : tags_(tags), types_(types) {}

  bool Push(char c) override;
  bool done() const override { return state_ == State::kDone; }

 private:
  enum class State : std::uint8_t {
    kBeforeName,
    kName,
    kBetween,  // before a key or the end
    kKey,
    kBeforeValue,
    kValue,
    kDone,
  };
  bool PushTag(char c, std::string_view tag, State then);
  bool PushBetween(char c);
  bool PushUntil(char c, std::string_view tag, State then);
  bool Enter(State state);
  bool EndName();
  void EndValue();

  const CallTags& tags_;
  ArgumentTypes& types_;
  State state_ = State::kBeforeName;
  std::string text_;  // that came in this state
  std::string key_;
  std::set<std::string> keys_;  // so far; one that comes again is passed over
};

}  // namespace ashlar
