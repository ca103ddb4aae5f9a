// /v1/chat/completions: messages in, a message out.
#pragma once

#include <ctime>

#include "ashlar/server/api/answer_form.h"
#include "ashlar/server/api/chat_messages.h"
#include "ashlar/server/api/generation_parameters.h"
#include "ashlar/server/api/tool_syntax.h"

namespace ashlar {

extern const ParameterPart kChatParameters;
extern const ParameterPart kTemplateParameters;  // messages, and what else a template reads

Result<Work> ReadChat(const Parameters& parameters, const RequestSetting& setting);

// A conversation as a prompt, and how calls are written in the answer.
struct ChatPrompt {
  Json variables;                     // of the template
  const ToolSyntax* tools = nullptr;  // null: no tools were offered
  Json Offered() const {              // the tools, as templates read them
    const Json* const offered = variables.Find("tools");
    return offered != nullptr ? *offered : Json();
  }
};

// `messages` and `tools` as chat_messages.h makes them. kUnsupported, naming `path`, where the
// network's template passes over tools.
Result<ChatPrompt> MakeChatPrompt(const NetworkCard& network, Json messages,
                                  const std::vector<Tool>& tools, std::string_view path);
// Adds chat_template_kwargs and add_generation_prompt.
Status AddTemplateOptions(const Parameters& parameters, Json& variables);
// The tokens of the prompt, and what ends an answer to it. Errors blame `path`: a template may
// refuse a conversation.
Status WriteChatPrompt(const RequestSetting& setting, const ChatPrompt& prompt,
                       std::string_view path, Generation& generation);
// What templates that write a date are told.
std::tm LocalTime(const RequestSetting& setting);
// Holds the answer to its form, after WriteChatPrompt. Returns how it begins: the mark of a call,
// where it must be one, is at the prompt's end from then on.
Result<std::string> HoldToForm(const RequestSetting& setting, const AnswerForm& form,
                               const ToolSyntax* tools, Generation& generation);
// Sets the limit. kUnsupported where the server has none.
Status Hold(const RequestSetting& setting, const GrammarSource& source, Generation& generation);
// kInvalid, naming the model, for a network that cannot chat.
Result<const ChatStyle*> RequireChat(const NetworkCard& network);

}  // namespace ashlar
