#include "ashlar/server/api/chat_messages.h"

#include <algorithm>
#include <utility>

#include "ashlar/server/api/parameters.h"

namespace ashlar {
namespace {

constexpr std::size_t kMostMessages = 1 << 16;
constexpr std::size_t kMostParts = 1 << 12;
constexpr std::size_t kMostTools = 1024;
constexpr std::size_t kMostNameBytes = 256;

struct RoleRow {
  std::string_view name;
  std::string_view said_by;  // what the template is told
  bool may_call = false;     // may hold tool_calls, and no content then
  bool answers_call = false;
};

constexpr RoleRow kRoles[] = {
    {.name = "system", .said_by = "system"},
    {.name = "developer", .said_by = "system"},
    {.name = "user", .said_by = "user"},
    {.name = "assistant", .said_by = "assistant", .may_call = true},
    {.name = "tool", .said_by = "tool", .answers_call = true},
};

// Members that are text, and go to the template as they are.
constexpr std::string_view kTextMembers[] = {"name", "reasoning_content"};
// Members that clients send back from an answer; only an empty one says nothing.
constexpr std::string_view kEmptyMembers[] = {"refusal", "audio", "function_call", "annotations"};

// Arguments come as JSON in a string; templates write them by `tojson`. What a network wrote that
// is no JSON stays text.
Json ArgumentsOf(const std::string& text) {
  Result<Json> parsed = ParseJson(text);
  return parsed.ok() && parsed->object() != nullptr ? *std::move(parsed) : Json(text);
}

Result<Json> ReadToolCalls(const JsonCursor& calls) {
  ASHLAR_TRY(const std::vector<JsonCursor> elements, calls.AsArray(kMostTools));
  Json list = Json::Array();
  for (const JsonCursor& call : elements) {
    ASHLAR_TRY(AllowMembers(call, {"id", "type", "function", "index"}));
    ASHLAR_TRY(const std::string type, call.StringOr("type", "function"));
    if (type != "function") {
      return Unsupported("{}.type: expected \"function\", found {}", call.path(),
                         QuoteForError(type));
    }
    ASHLAR_TRY(const std::string id, call.StringOr("id", ""));
    ASHLAR_TRY(const JsonCursor function, call.At("function"));
    ASHLAR_TRY(AllowMembers(function, {"name", "arguments"}));
    ASHLAR_TRY(const std::string name, function.String("name"));
    ASHLAR_TRY(const std::string arguments, function.StringOr("arguments", "{}"));
    list.Append(Json::Of(
        {{"id", id},
         {"type", "function"},
         {"function", Json::Of({{"name", name}, {"arguments", ArgumentsOf(arguments)}})}}));
  }
  return list;
}

Result<const RoleRow*> FindRole(const JsonCursor& message) {
  ASHLAR_TRY(const std::string name, message.String("role"));
  const auto found = std::ranges::find(kRoles, name, &RoleRow::name);
  if (found == std::end(kRoles)) {
    return Invalid("{}.role: expected one of {}, found {}", message.path(),
                   "system, developer, user, assistant, tool", QuoteForError(name));
  }
  return &*found;
}

bool HoldsNothing(const Json& value) {
  return (value.string() != nullptr && value.string()->empty()) ||
         (value.array() != nullptr && value.array()->empty());
}

// One of the members beside role, content and what belongs to calls.
Status ReadFurtherMember(std::string_view key, const JsonCursor& member, Json& message) {
  if (std::ranges::find(kTextMembers, key) != std::end(kTextMembers)) {
    ASHLAR_TRY(std::string text, member.AsString());
    message.Set(key, std::move(text));
    return {};
  }
  if (std::ranges::find(kEmptyMembers, key) != std::end(kEmptyMembers) &&
      HoldsNothing(member.value())) {
    return {};
  }
  return Unsupported("{}: messages have no such member here", member.path());
}

Result<Json> ReadMessage(const JsonCursor& message) {
  ASHLAR_TRY(const RoleRow* role, FindRole(message));
  Json read = Json::Of({{"role", role->said_by}});
  ASHLAR_TRY(const auto members, message.AsObject());
  for (const auto& [key, member] : members) {
    if (key == "role" || member.is_null()) {
      continue;
    }
    if (key == "content") {
      ASHLAR_TRY(std::string content, ReadContent(member));
      read.Set("content", std::move(content));
    } else if (key == "tool_calls" && role->may_call) {
      if (!HoldsNothing(member.value())) {
        ASHLAR_TRY(Json calls, ReadToolCalls(member));
        read.Set("tool_calls", std::move(calls));
      }
    } else if (key == "tool_call_id" && role->answers_call) {
      ASHLAR_TRY(std::string id, member.AsString());
      read.Set("tool_call_id", std::move(id));
    } else {
      ASHLAR_TRY(ReadFurtherMember(key, member, read));
    }
  }
  if (read.Find("content") == nullptr) {
    if (!role->may_call) {
      return message.Invalid("has no content");
    }
    read.Set("content", "");
  }
  return read;
}

}  // namespace

Result<std::string> ReadContent(const JsonCursor& content) {
  if (content.value().string() != nullptr) {
    return *content.value().string();
  }
  if (content.value().array() == nullptr) {
    return content.Invalid("expected a string or an array of parts, found {}",
                           content.value().type_name());
  }
  ASHLAR_TRY(const std::vector<JsonCursor> parts, content.AsArray(kMostParts));
  std::string text;
  for (const JsonCursor& part : parts) {
    ASHLAR_TRY(const std::string type, part.String("type"));
    if (type == "output_text") {  // as an answer has it
      ASHLAR_TRY(AllowMembers(part, {"type", "text", "annotations", "logprobs"}));
    } else if (type == "text" || type == "input_text") {
      ASHLAR_TRY(AllowMembers(part, {"type", "text"}));
    } else {
      return Unsupported("{}.type: networks here read text only, not {}", part.path(),
                         QuoteForError(type));
    }
    ASHLAR_TRY(const std::string piece, part.String("text"));
    text += piece;
  }
  return text;
}

Result<Json> ReadMessages(const JsonCursor& messages) {
  ASHLAR_TRY(const std::vector<JsonCursor> elements, messages.AsArray(kMostMessages));
  if (elements.empty()) {
    return messages.Invalid("expected at least one message");
  }
  Json list = Json::Array();
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(Json message, ReadMessage(element));
    list.Append(std::move(message));
  }
  return list;
}

Status AddFunction(const JsonCursor& function, std::vector<Tool>& list) {
  Tool tool;
  ASHLAR_TRY(tool.name, function.String("name"));
  if (tool.name.empty() || tool.name.size() > kMostNameBytes) {
    return Invalid("{}.name: expected 1 to {} bytes, found {}", function.path(), kMostNameBytes,
                   tool.name.size());
  }
  if (std::ranges::find(list, tool.name, &Tool::name) != list.end()) {
    return Invalid("{}.name: {} stands twice", function.path(), QuoteForError(tool.name));
  }
  ASHLAR_TRY([[maybe_unused]] const std::string description, function.StringOr("description", ""));
  ASHLAR_TRY(const bool strict, function.BoolOr("strict", false));
  if (strict) {
    tool.strict_at = function.path() + ".strict";
  }
  ASHLAR_TRY(const auto parameters, function.Find("parameters"));
  if (parameters && parameters->value().object() == nullptr) {
    return parameters->Invalid("expected a JSON schema, found {}", parameters->value().type_name());
  }
  tool.parameters = parameters ? parameters->value() : Json(Json::Object());
  Json shown = Json::Object();
  for (const auto& [key, value] : *function.value().object()) {
    if (key != "type" && key != "strict" && !value.is_null()) {
      shown.Set(key, value);
    }
  }
  if (!parameters) {
    shown.Set("parameters", Json::Of({{"type", "object"}, {"properties", Json::Object()}}));
  }
  tool.definition = Json::Of({{"type", "function"}, {"function", std::move(shown)}});
  list.push_back(std::move(tool));
  return {};
}

Result<std::vector<Tool>> ReadTools(const JsonCursor& tools) {
  ASHLAR_TRY(const std::vector<JsonCursor> elements, tools.AsArray(kMostTools));
  std::vector<Tool> list;
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(AllowMembers(element, {"type", "function"}));
    ASHLAR_TRY(const std::string type, element.String("type"));
    if (type != "function") {
      return Unsupported("{}.type: expected \"function\", found {}", element.path(),
                         QuoteForError(type));
    }
    ASHLAR_TRY(const JsonCursor function, element.At("function"));
    ASHLAR_TRY(AllowMembers(function, {"name", "description", "parameters", "strict"}));
    ASHLAR_TRY(AddFunction(function, list));
  }
  return list;
}

Result<ToolChoice> ReadToolChoice(const JsonCursor& choice, const std::vector<Tool>& tools) {
  constexpr std::pair<std::string_view, ToolUse> kWords[] = {
      {"none", ToolUse::kNone}, {"auto", ToolUse::kAuto}, {"required", ToolUse::kRequired}};
  if (const std::string* word = choice.value().string()) {
    for (const auto& [name, use] : kWords) {
      if (*word == name) {
        return ToolChoice{.use = use};
      }
    }
    return choice.Invalid("expected none, auto, required or a function, found {}",
                          QuoteForError(*word));
  }
  ASHLAR_TRY(const std::string type, choice.String("type"));
  if (type != "function") {
    return Unsupported("{}.type: expected \"function\", found {}", choice.path(),
                       QuoteForError(type));
  }
  ASHLAR_TRY(const auto function, choice.Find("function"));
  const JsonCursor& holder = function ? *function : choice;
  if (function) {
    ASHLAR_TRY(AllowMembers(choice, {"type", "function"}));
    ASHLAR_TRY(AllowMembers(*function, {"name"}));
  } else {
    ASHLAR_TRY(AllowMembers(choice, {"type", "name", "function"}));
  }
  ToolChoice named{.use = ToolUse::kRequired};
  ASHLAR_TRY(named.name, holder.String("name"));
  if (std::ranges::find(tools, named.name, &Tool::name) == tools.end()) {
    return Invalid("{}.name: none of the tools is named {}", holder.path(),
                   QuoteForError(named.name));
  }
  return named;
}

}  // namespace ashlar
