#include "ashlar/server/api/answer_form.h"

#include <algorithm>

namespace ashlar {

Result<AnswerForm> ReadAnswerForm(const Parameters& parameters, std::vector<Tool> tools,
                                  const std::optional<JsonCursor>& format) {
  AnswerForm form{.parallel_tool_calls = parameters.Bool("parallel_tool_calls", true)};
  ToolChoice choice;
  if (const JsonCursor* value = parameters.Find("tool_choice")) {
    ASHLAR_TRY(choice, ReadToolChoice(*value, tools));
    if (choice.use == ToolUse::kRequired) {
      return Unsupported("{}: this server takes \"none\" and \"auto\" only", value->path());
    }
  }
  if (std::ranges::any_of(tools, &Tool::strict)) {
    return Unsupported("{}: this server does not hold calls to their schema: leave out \"strict\"",
                       parameters.Find("tools")->path());
  }
  if (format) {
    ASHLAR_TRY(const std::string type, format->String("type"));
    if (type != "text") {
      return Unsupported("{}.type: this server takes \"text\" only", format->path());
    }
  }
  if (choice.use != ToolUse::kNone) {
    form.tools = std::move(tools);
  }
  return form;
}

}  // namespace ashlar
