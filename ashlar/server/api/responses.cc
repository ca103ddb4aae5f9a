#include "ashlar/server/api/responses.h"

#include "ashlar/server/api/answer_form.h"
#include "ashlar/server/api/chat.h"
#include "ashlar/server/api/responses_answer.h"

namespace ashlar {
namespace {

constexpr std::size_t kMostItems = 1 << 16;

constexpr Parameter kResponsesRows[] = {
    {.name = "input",
     .types = json_type::kString | json_type::kArray,
     .required = true,
     .doc = "text that the user says, or items: messages `{role, content}`, `function_call` and "
            "`function_call_output`"},
    {.name = "instructions", .types = json_type::kString, .doc = "what the system says first"},
    {.name = "max_output_tokens",
     .types = json_type::kInteger,
     .min = 1,
     .max = 1 << 24,
     .otherwise = "what the context has room for",
     .doc = "tokens of the answer at most"},
    {.name = "tools",
     .types = json_type::kArray,
     .doc = "functions that the network may call, `{type: \"function\", name, description, "
            "parameters}`. With `strict` arguments are valid under the schema: the answer is free "
            "until the network begins a call, which from there on is one of these tools; 400 for "
            "schemas that cannot be held, and for conditions on texts where the network writes "
            "arguments in tags"},
    {.name = "tool_choice",
     .types = json_type::kString | json_type::kObject,
     .otherwise = "auto",
     .doc = "`none`: the network is told of no tools; `auto`: it may call some; `required`, or "
            "`{type: \"function\", name}`: the answer is a call, and its arguments are valid under "
            "the tool's schema"},
    {.name = "parallel_tool_calls",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "false: at most one call in an answer"},
    {.name = "text",
     .types = json_type::kObject,
     .doc = "`format`: what the answer must be: `{type: \"json_object\"}`, or `{type: "
            "\"json_schema\", name, schema}`. With `tools` the answer is that, or calls and "
            "nothing else"},
    {.name = "chat_template_kwargs",
     .types = json_type::kObject,
     .doc = "further variables for the network's chat template"},
    {.name = "add_generation_prompt",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "whether the prompt ends with the mark that an answer begins"},
    {.name = "stream",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "answer as named server-sent events, from `response.created` to `response.completed`"},
    {.name = "stream_options",
     .types = json_type::kObject,
     .doc = "with `stream` only: `include_obfuscation` is taken, and nothing is obfuscated"},
    {.name = "service_tier",
     .types = json_type::kString,
     .values = "auto|default",
     .doc = "there is one"},
    {.name = "store", .types = json_type::kBoolean, .only = "false", .doc = "nothing is kept"},
    {.name = "background", .types = json_type::kBoolean, .only = "false", .doc = "nothing is kept"},
    {.name = "truncation",
     .types = json_type::kString,
     .values = "disabled",
     .doc = "a conversation is never cut"},
    {.name = "include", .types = json_type::kArray, .only = "[]", .doc = "there is nothing more"},
    {.name = "metadata", .types = json_type::kObject, .doc = "repeated in the answer"},
};

Result<std::vector<Tool>> ReadFlatTools(const JsonCursor& tools) {
  ASHLAR_TRY(const std::vector<JsonCursor> elements, tools.AsArray(kMostItems));
  std::vector<Tool> list;
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(const std::string type, element.String("type"));
    if (type != "function") {
      return Unsupported("{}.type: expected \"function\", found {}", element.path(),
                         QuoteForError(type));
    }
    ASHLAR_TRY(AllowMembers(element, {"type", "name", "description", "parameters", "strict"}));
    ASHLAR_TRY(AddFunction(element, list));
  }
  return list;
}

// An item as a message of a chat, whose errors name the same members.
Result<Json> MessageOfItem(const JsonCursor& item) {
  ASHLAR_TRY(const std::string type, item.StringOr("type", "message"));
  if (type == "message") {
    ASHLAR_TRY(AllowMembers(item, {"type", "id", "status", "role", "content", "phase"}));
    ASHLAR_TRY(const std::string role, item.String("role"));
    ASHLAR_TRY(const JsonCursor content, item.At("content"));
    return Json::Of({{"role", role}, {"content", content.value()}});
  }
  if (type == "function_call") {
    ASHLAR_TRY(AllowMembers(item, {"type", "id", "status", "call_id", "name", "arguments"}));
    ASHLAR_TRY(const std::string id, item.String("call_id"));
    ASHLAR_TRY(const std::string name, item.String("name"));
    ASHLAR_TRY(const std::string arguments, item.String("arguments"));
    const Json call =
        Json::Of({{"id", id},
                  {"type", "function"},
                  {"function", Json::Of({{"name", name}, {"arguments", arguments}})}});
    return Json::Of({{"role", "assistant"}, {"tool_calls", Json::Array{call}}});
  }
  if (type == "function_call_output") {
    ASHLAR_TRY(AllowMembers(item, {"type", "id", "status", "call_id", "output"}));
    ASHLAR_TRY(const std::string id, item.String("call_id"));
    ASHLAR_TRY(const JsonCursor output, item.At("output"));
    ASHLAR_TRY(std::string text, ReadContent(output));
    return Json::Of({{"role", "tool"}, {"tool_call_id", id}, {"content", std::move(text)}});
  }
  return Unsupported("{}.type: expected message, function_call or function_call_output, found {}",
                     item.path(), QuoteForError(type));
}

// What a network said and the calls that it made then are one message.
void AppendMessage(Json::Array& messages, Json message) {
  const Json* const calls = message.Find("tool_calls");
  const bool joins =
      calls != nullptr && !messages.empty() && *messages.back().Find("role") == Json("assistant");
  if (!joins) {
    messages.push_back(std::move(message));
    return;
  }
  const Json* const earlier = messages.back().Find("tool_calls");
  Json all = earlier == nullptr ? Json::Array() : *earlier;
  for (const Json& call : *calls->array()) {
    all.Append(call);
  }
  messages.back().Set("tool_calls", std::move(all));
}

Result<Json> ReadInput(const Parameters& parameters) {
  const JsonCursor& input = *parameters.Find("input");
  Json::Array messages;
  if (parameters.Has("instructions")) {
    messages.push_back(
        Json::Of({{"role", "system"}, {"content", parameters.String("instructions", "")}}));
  }
  if (const std::string* text = input.value().string()) {
    messages.push_back(Json::Of({{"role", "user"}, {"content", *text}}));
    return Json(std::move(messages));
  }
  ASHLAR_TRY(const std::vector<JsonCursor> items, input.AsArray(kMostItems));
  Json list = Json::Array();
  for (const JsonCursor& item : items) {
    ASHLAR_TRY(Json message, MessageOfItem(item));
    list.Append(std::move(message));
  }
  ASHLAR_TRY(const Json read, ReadMessages(JsonCursor(list, input.path())));
  for (const Json& message : *read.array()) {
    AppendMessage(messages, message);
  }
  return Json(std::move(messages));
}

Json ValueOr(const Parameters& parameters, std::string_view name, Json otherwise) {
  const JsonCursor* const value = parameters.Find(name);
  return value == nullptr ? std::move(otherwise) : value->value();
}

// What a response repeats of its request.
Json Repeated(const Parameters& parameters) {
  const Json text = Json::Of({{"format", Json::Of({{"type", "text"}})}});
  return Json::Of({{"instructions", ValueOr(parameters, "instructions", nullptr)},
                   {"max_output_tokens", ValueOr(parameters, "max_output_tokens", nullptr)},
                   {"parallel_tool_calls", parameters.Bool("parallel_tool_calls", true)},
                   {"temperature", parameters.Number("temperature", 1)},
                   {"top_p", parameters.Number("top_p", 1)},
                   {"text", ValueOr(parameters, "text", text)},
                   {"tool_choice", ValueOr(parameters, "tool_choice", "auto")},
                   {"tools", ValueOr(parameters, "tools", Json::Array())},
                   {"truncation", "disabled"},
                   {"store", false},
                   {"metadata", ValueOr(parameters, "metadata", Json::Object())}});
}

}  // namespace

constinit const ParameterPart kResponsesParameters = kResponsesRows;

Result<Work> ReadResponses(const Parameters& parameters, const RequestSetting& setting) {
  ASHLAR_TRY(Generation generation, ReadGeneration(parameters, setting));
  ASHLAR_TRY(Json messages, ReadInput(parameters));
  std::vector<Tool> tools;
  if (const JsonCursor* value = parameters.Find("tools")) {
    ASHLAR_TRY(tools, ReadFlatTools(*value));
  }
  std::optional<JsonCursor> format;
  if (const JsonCursor* text = parameters.Find("text")) {
    ASHLAR_TRY(AllowMembers(*text, {"format"}));
    ASHLAR_TRY(format, text->Find("format"));
  }
  ASHLAR_TRY(const AnswerForm form, ReadAnswerForm(parameters, std::move(tools), format));
  ASHLAR_TRY(ChatPrompt prompt,
             MakeChatPrompt(*setting.network, std::move(messages), form.tools, "$.tools"));
  ASHLAR_TRY(AddTemplateOptions(parameters, prompt.variables));
  ASHLAR_TRY(WriteChatPrompt(setting, prompt, "$.input", generation));
  ASHLAR_TRY(std::string forced, HoldToForm(setting, form, prompt.tools, generation));
  const std::optional<std::int64_t> asked =
      parameters.Has("max_output_tokens")
          ? std::optional(parameters.Integer("max_output_tokens", 0))
          : std::nullopt;
  ASHLAR_TRY(FitContext(generation, setting, asked, std::nullopt, "input", "max_output_tokens"));
  Work work{.stream = parameters.Bool("stream", false)};
  if (const JsonCursor* value = parameters.Find("stream_options")) {
    if (!work.stream) {
      return value->Invalid("goes with \"stream\": true only");
    }
    ASHLAR_TRY(AllowMembers(*value, {"include_obfuscation"}));
    ASHLAR_TRY([[maybe_unused]] const bool taken, value->BoolOr("include_obfuscation", false));
  }
  work.answer = std::make_unique<ResponsesAnswer>(ResponsesAnswerOptions{
      .head = HeadOf(setting, "resp_"),
      .stream = work.stream,
      .tools = prompt.tools,
      .offered = prompt.Offered(),
      .parallel_tool_calls = form.parallel_tool_calls,
      .calls_may_come = form.CallsComeFirst() ? CallsMayCome::kFirst : CallsMayCome::kAnywhere,
      .forced = std::move(forced),
      .seed = setting.seed,
      .request = Repeated(parameters)});
  work.generations.push_back(std::move(generation));
  return work;
}

}  // namespace ashlar
