#include "ashlar/server/api/tool_syntax.h"

#include <algorithm>
#include <ctime>
#include <string>

namespace ashlar {
namespace {

constexpr ToolSyntax kToolSyntaxes[] = {
    // Qwen 3 Coder.
    {.name = "parameter_tags",
     .mark = "<parameter=",
     .opener = "<tool_call>",
     .closer = "</tool_call>",
     .body = ToolBody::kTags,
     .tags = {.name_begin = "<function=",
              .name_end = ">",
              .key_begin = "<parameter=",
              .key_end = ">",
              .value_begin = "",
              .value_end = "</parameter>",
              .end = "</function>"}},
    // GLM 4.5.
    {.name = "argument_tags",
     .mark = "<arg_key>",
     .opener = "<tool_call>",
     .closer = "",
     .body = ToolBody::kTags,
     .tags = {.name_begin = "",
              .name_end = "\n",
              .key_begin = "<arg_key>",
              .key_end = "</arg_key>",
              .value_begin = "<arg_value>",
              .value_end = "</arg_value>",
              .end = "</tool_call>"}},
    // Hermes 2 Pro, Qwen 2.5 and 3.
    {.name = "tool_call", .mark = "<tool_call>", .opener = "<tool_call>", .closer = "</tool_call>"},
    // Mistral, tokenizers of version 11 and later.
    {.name = "tool_calls_named",
     .mark = "[ARGS]",
     .opener = "[TOOL_CALLS]",
     .closer = "",
     .body = ToolBody::kNamed,
     .argument_mark = "[ARGS]"},
    // Mistral before that.
    {.name = "tool_calls_list",
     .mark = "[TOOL_CALLS]",
     .opener = "[TOOL_CALLS]",
     .closer = "",
     .body = ToolBody::kList},
    // Functionary; Llama 3.1's custom form.
    {.name = "function_tag",
     .mark = "<function=",
     .opener = "<function=",
     .closer = "</function>",
     .body = ToolBody::kNamed,
     .argument_mark = ">"},
    // Llama 3.
    {.name = "json",
     .mark = "\"name\"",
     .opener = "<|python_tag|>",
     .closer = "",
     .arguments_key = "parameters",
     .bare = true},
};

constexpr std::string_view kProbeTool = "probe_of_calls";

Json ProbeTool() {
  return Json::Of(
      {{"type", "function"},
       {"function", Json::Of({{"name", kProbeTool},
                              {"description", "probe"},
                              {"parameters",
                               Json::Of({{"type", "object"}, {"properties", Json::Object()}})}})}});
}

Result<std::string> RenderProbe(const ChatFormat& format, Json messages, const Json& tools) {
  Json variables = Json::Of({{"messages", std::move(messages)}, {"add_generation_prompt", true}});
  if (!tools.is_null()) {
    variables.Set("tools", tools);
  }
  const std::tm now{.tm_mday = 1, .tm_year = 100};
  return format.Render(variables, now);
}

Json Message(std::string_view role, std::string_view content) {
  return Json::Of({{"role", role}, {"content", content}});
}

// What the template writes of a call and its answer; of the tools alone, where it refuses those.
std::string WrittenCall(const ChatFormat& format, const Json& tools, const std::string& plain) {
  Json call = Message("assistant", "");
  // Some templates insist on ids of nine letters.
  call.Set(
      "tool_calls",
      Json::Array{Json::Of(
          {{"id", "probe0000"},
           {"type", "function"},
           {"function", Json::Of({{"name", kProbeTool}, {"arguments", Json::Of({{"a", 1}})}})}})});
  Json answer = Message("tool", "probe");
  answer.Set("tool_call_id", "probe0000");
  const Result<std::string> written =
      RenderProbe(format, Json::Array{Message("user", "probe"), call, answer}, tools);
  return written.ok() ? *written : plain;
}

}  // namespace

std::span<const ToolSyntax> AllToolSyntaxes() {
  return kToolSyntaxes;
}

const ToolSyntax* FindToolSyntax(const ChatFormat& format, const Json& tools) {
  const Json messages = Json::Array{Message("user", "probe")};
  const Json offered = tools.is_null() ? Json(Json::Array{ProbeTool()}) : tools;
  const Result<std::string> without = RenderProbe(format, messages, Json());
  const Result<std::string> with = RenderProbe(format, messages, offered);
  if (!with.ok() || (without.ok() && *with == *without)) {
    return nullptr;
  }
  const std::string written = WrittenCall(format, offered, *with);
  const auto found = std::ranges::find_if(kToolSyntaxes, [&](const ToolSyntax& syntax) {
    return written.find(syntax.mark) != std::string::npos;
  });
  return found == std::end(kToolSyntaxes) ? nullptr : &*found;
}

}  // namespace ashlar
