// The messages of a conversation and the tools that it may call, as OpenAI's clients send them,
// made into what chat templates read.
#pragma once

#include <string>
#include <vector>

#include "ashlar/base/json_cursor.h"

namespace ashlar {

// [{"role", "content", ...}]: `developer` is said by the system, content parts of text are joined,
// arguments of earlier calls are values and not JSON in a string, as templates expect. Errors name
// the message and its member; parts that are no text are kUnsupported.
Result<Json> ReadMessages(const JsonCursor& messages);

// What a message says: its text, or that of its parts, joined.
Result<std::string> ReadContent(const JsonCursor& content);

// A tool that the client offers.
struct Tool {
  std::string name;
  // {"type":"function","function":{...}}, as templates read it: the members that the client sent,
  // in its order, since networks are trained on them so; but for `strict`, which is no network's
  // affair, and with a schema of no parameters where it has none.
  Json definition;
  Json parameters;  // its JSON schema; an empty object without one
  // Where the request says that arguments are held to it: "$.tools[0].function.strict"; empty: it
  // does not.
  std::string strict_at;
};
Result<std::vector<Tool>> ReadTools(const JsonCursor& tools);
// Of one tool, from the object that says what function it is ({"name","description",...}; a `type`
// is not looked at). kInvalid when one of `list` has its name.
Status AddFunction(const JsonCursor& function, std::vector<Tool>& list);

enum class ToolUse : std::uint8_t { kNone, kAuto, kRequired };
struct ToolChoice {
  ToolUse use = ToolUse::kAuto;
  std::string name;  // with kRequired: the one to call; "": any
};
// "none", "auto", "required", or {"type":"function","function":{"name"}} (or {"type","name"}).
Result<ToolChoice> ReadToolChoice(const JsonCursor& choice, const std::vector<Tool>& tools);

}  // namespace ashlar
