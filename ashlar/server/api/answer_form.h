// What an answer must be: whether it may or must call tools, and the form of its text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ashlar/server/api/chat_messages.h"
#include "ashlar/server/api/constraints.h"
#include "ashlar/server/api/parameters.h"
#include "ashlar/server/api/tool_syntax.h"

namespace ashlar {

struct AnswerForm {
  std::vector<Tool> tools;  // that the network is told of
  bool parallel_tool_calls = true;
  std::optional<GrammarSource> grammar;  // of the answer's text
  // The answer is a call: of the tool `forced_tool`, or of any when that is empty.
  bool must_call = false;
  std::string forced_tool;

  // Whether it is one or more calls and nothing else, or a text of the form.
  bool CallsComeFirst() const { return grammar && !tools.empty() && !must_call; }
};

// Reads tool_choice, parallel_tool_calls, the guides and `format` ({"type": "json_schema", ...}),
// which may be null.
Result<AnswerForm> ReadAnswerForm(const Parameters& parameters, std::vector<Tool> tools,
                                  const std::optional<JsonCursor>& format);

// How an answer that must be a call is brought about: it begins with `text`, which is put at the
// end of the prompt, and what the network adds is held to `grammar`.
struct ForcedCall {
  std::string text;
  GrammarSource grammar;
};
// Requires: form.must_call. kUnsupported where the syntax has arguments that no schema holds.
Result<ForcedCall> ForceCall(const AnswerForm& form, const ToolSyntax& syntax);

// What an answer that may call tools is held to: a call is one of these tools, with arguments that
// are valid under its schema, or any where it is not strict; text is free up to a call, or all of
// the answer, in its form. Nothing where none is strict and there is no form. kUnsupported as
// above, and where calls are written in a way that cannot be told from the form.
Result<std::optional<GrammarSource>> HoldCalls(const AnswerForm& form, const ToolSyntax& syntax);

}  // namespace ashlar
