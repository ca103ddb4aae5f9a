// Reading a call of a tool whose arguments are written in tags, as it grows:
//
//   <function=f>
//   <parameter=city>
//   Paris
//   </parameter>
//   </function>
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "ashlar/base/json.h"
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

// The types that a schema, which stands in `root`, names: in itself, in what it refers to or is any
// of, by its values where it lists them. What decides whether an argument in tags is text.
std::set<std::string, std::less<>> TypesOf(const Json& root, const Json& schema);

// Whether an argument that is written so is null, where its type allows it.
bool SaysNull(std::string_view text);

// What a tag says is text; whether an argument is one, or a number, a list and so on, is seen from
// the tool's schema. A line end right after the tag before a value, and one right before the tag
// after it, are not part of it. An argument is given out when it is whole.
class TagScanner final : public CallScanner {
 public:
  // `tools`: [{"function": {"name", "parameters"}}]; null: arguments are texts. Both must outlive
  // it.
  TagScanner(const CallTags& tags, const Json* tools) : tags_(tags), tools_(tools) {}

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
  // The schema of the arguments of the tool that is called; null: nothing is known of it.
  const Json* Parameters() const;

  const CallTags& tags_;
  const Json* const tools_;
  State state_ = State::kBeforeName;
  std::string text_;  // that came in this state
  std::string key_;
  std::set<std::string> keys_;  // so far; one that comes again is passed over
};

}  // namespace ashlar
