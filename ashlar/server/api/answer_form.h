// What an answer must be: whether it may or must call tools.
#pragma once

#include "ashlar/server/api/chat_messages.h"
#include "ashlar/server/api/parameters.h"

namespace ashlar {

struct AnswerForm {
  std::vector<Tool> tools;  // that the network is told of
  bool parallel_tool_calls = true;
};

// Reads tool_choice, parallel_tool_calls, and `format` ({"type": "text"}), which may be null.
Result<AnswerForm> ReadAnswerForm(const Parameters& parameters, std::vector<Tool> tools,
                                  const std::optional<JsonCursor>& format);

}  // namespace ashlar
