#include "ashlar/server/api/chat.h"

#include <algorithm>

#include "ashlar/server/api/answer_form.h"
#include "ashlar/server/api/call_grammar.h"
#include "ashlar/server/api/chat_answer.h"

namespace ashlar {
namespace {

constexpr Parameter kTemplateRows[] = {
    {.name = "messages",
     .types = json_type::kArray,
     .required = true,
     .doc =
         "the conversation: `{role, content}` with the roles system, developer (the same), user, "
         "assistant (with `tool_calls` it has made) and tool (with `tool_call_id`); content is "
         "text, or parts of type text. `name` and `reasoning_content` are text that the chat "
         "template sees, and writes where it knows of them"},
    {.name = "tools",
     .types = json_type::kArray,
     .doc =
         "functions that the network may call, `{type: \"function\", function: {name, "
         "description, parameters}}`, where its chat template knows tools; 400 where it does not, "
         "or writes calls in a way that is not known. With `strict` arguments are valid under "
         "the schema: the answer is free until the network begins a call, which from there on "
         "is one of these tools; 400 for schemas that cannot be held, and for conditions on texts "
         "where the network writes arguments in tags"},
    {.name = "chat_template_kwargs",
     .types = json_type::kObject,
     .doc = "further variables for the network's chat template"},
    {.name = "add_generation_prompt",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "whether the prompt ends with the mark that an answer begins"},
};

constexpr Parameter kChatRows[] = {
    {.name = "max_completion_tokens",
     .types = json_type::kInteger,
     .min = 1,
     .max = 1 << 24,
     .otherwise = "what the context has room for",
     .doc = "tokens of an answer at most"},
    {.name = "max_tokens",
     .types = json_type::kInteger,
     .min = 1,
     .max = 1 << 24,
     .doc = "the older name of `max_completion_tokens`"},
    {.name = "logprobs",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "log-probabilities of the answer's tokens"},
    {.name = "top_logprobs",
     .types = json_type::kInteger,
     .min = 0,
     .max = kMostTopLogprobs,
     .otherwise = "0",
     .doc = "with `logprobs`: those of so many likeliest tokens too"},
    {.name = "tool_choice",
     .types = json_type::kString | json_type::kObject,
     .otherwise = "auto",
     .doc = "`none`: the network is told of no tools; `auto`: it may call some; `required`, or "
            "`{type: \"function\", function: {name}}`: the answer is a call, and its arguments are "
            "valid under the tool's schema"},
    {.name = "parallel_tool_calls",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "false: at most one call in an answer"},
    {.name = "response_format",
     .types = json_type::kObject,
     .otherwise = "{\"type\": \"text\"}",
     .doc = "`json_object`: the answer is a JSON object; with `{schema}`, or `json_schema` with "
            "`{json_schema: {name, schema}}`: one that is valid under the schema. What cannot be "
            "enforced is refused by name. With `tools` the answer is that, or calls and nothing "
            "else; 400 where the network writes calls as bare JSON objects"},
    {.name = "modalities", .types = json_type::kArray, .only = "[\"text\"]", .doc = "text only"},
    {.name = "store", .types = json_type::kBoolean, .only = "false", .doc = "nothing is kept"},
    {.name = "service_tier",
     .types = json_type::kString,
     .values = "auto|default",
     .doc = "there is one"},
    {.name = "metadata", .types = json_type::kObject, .doc = "taken, and not used"},
};

// The template's own names; others are the caller's.
constexpr std::string_view kOwnVariables[] = {"messages", "tools", "add_generation_prompt"};

Result<std::optional<std::int64_t>> AskedTokens(const Parameters& parameters) {
  constexpr const char* kNames[] = {"max_completion_tokens", "max_tokens"};
  std::optional<std::int64_t> asked;
  for (const char* name : kNames) {
    if (const JsonCursor* value = parameters.Find(name)) {
      const std::int64_t tokens = *value->value().integer();
      if (asked.value_or(tokens) != tokens) {
        return value->Invalid("is {}, and {} is {}: give one of them", tokens, kNames[0], *asked);
      }
      asked = tokens;
    }
  }
  return asked;
}

Result<bool> ReadLogprobs(const Parameters& parameters, Generation& generation) {
  const bool logprobs = parameters.Bool("logprobs", false);
  if (const JsonCursor* top = parameters.Find("top_logprobs"); top != nullptr && !logprobs) {
    return top->Invalid("goes with \"logprobs\": true only");
  }
  if (logprobs) {
    generation.sampling.top_logprobs = static_cast<int>(parameters.Integer("top_logprobs", 0));
  }
  return logprobs;
}

}  // namespace

constinit const ParameterPart kChatParameters = kChatRows;
constinit const ParameterPart kTemplateParameters = kTemplateRows;

std::tm LocalTime(const RequestSetting& setting) {
  const std::time_t time = setting.created;
  std::tm local = {};
  ::localtime_r(&time, &local);
  return local;
}

Result<const ChatStyle*> RequireChat(const NetworkCard& network) {
  const Result<const Tokenizer*> tokenizer = network.RequireTokenizer();
  if (!tokenizer.ok()) {
    return tokenizer.error().In("$.model");
  }
  if (!network.chat) {
    return Unsupported("$.model: {}", network.chat_error ? network.chat_error->message
                                                         : "the network has no chat template");
  }
  return &*network.chat;
}

Result<ChatPrompt> MakeChatPrompt(const NetworkCard& network, Json messages,
                                  const std::vector<Tool>& tools, std::string_view path) {
  ASHLAR_TRY(const ChatStyle* style, RequireChat(network));
  ChatPrompt prompt{
      .variables = Json::Of({{"messages", std::move(messages)}, {"add_generation_prompt", true}})};
  if (!tools.empty()) {
    Json::Array definitions;
    for (const Tool& tool : tools) {
      definitions.push_back(tool.definition);
    }
    prompt.variables.Set("tools", std::move(definitions));
  }
  if (!tools.empty()) {
    prompt.tools = FindToolSyntax(style->format, *prompt.variables.Find("tools"));
    if (prompt.tools == nullptr) {
      return Unsupported(
          "{}: the chat template of \"{}\" ({}) has no tools, or writes calls in a way that this "
          "version does not read",
          path, network.name, style->name);
    }
  }
  return prompt;
}

Status AddTemplateOptions(const Parameters& parameters, Json& variables) {
  variables.Set("add_generation_prompt", parameters.Bool("add_generation_prompt", true));
  if (const JsonCursor* further = parameters.Find("chat_template_kwargs")) {
    ASHLAR_TRY(const auto members, further->AsObject());
    for (const auto& [name, member] : members) {
      if (std::ranges::find(kOwnVariables, name) != std::end(kOwnVariables)) {
        return member.Invalid("is set by the request itself");
      }
      variables.Set(name, member.value());
    }
  }
  return {};
}

Status WriteChatPrompt(const RequestSetting& setting, const ChatPrompt& prompt,
                       std::string_view path, Generation& generation) {
  const NetworkCard& network = *setting.network;
  ASHLAR_TRY(const ChatStyle* style, RequireChat(network));
  Result<std::vector<std::int32_t>> ids =
      style->format.Encode(*network.tokenizer, prompt.variables, LocalTime(setting));
  if (!ids.ok()) {
    return ids.error().In(fmt::format("{}: the network's chat template", path));
  }
  if (ids->empty()) {
    return Invalid("{}: the network's chat template makes no prompt of them", path);
  }
  generation.prompt = *std::move(ids);
  generation.stop_tokens.insert(generation.stop_tokens.end(), style->stop_tokens.begin(),
                                style->stop_tokens.end());
  generation.stop.insert(generation.stop.end(), style->stop_strings.begin(),
                         style->stop_strings.end());
  if (prompt.tools != nullptr) {
    // Its marks may be special tokens, which text leaves out.
    generation.keep_special_tokens |=
        !MarksOfCalls(*prompt.tools, CallPlace::kWithinText, *network.tokenizer).empty();
  }
  return {};
}

Status Hold(const RequestSetting& setting, const GrammarSource& source, Generation& generation) {
  if (setting.constraints == nullptr) {
    return Unsupported("{}: this server holds no answer to a form", source.path);
  }
  if (generation.min_tokens > 0) {
    return Invalid("$.min_tokens: goes without {}, which says where the answer may end",
                   source.path.substr(2));
  }
  if (generation.ignore_eos) {
    return Invalid("$.ignore_eos: goes without {}, which says where the answer ends",
                   source.path.substr(2));
  }
  return setting.constraints->Limit(source, generation);
}

Result<std::string> HoldToForm(const RequestSetting& setting, const AnswerForm& form,
                               const ToolSyntax* tools, Generation& generation) {
  if (!form.must_call) {
    std::optional<GrammarSource> grammar = form.grammar;
    if (tools != nullptr) {
      ASHLAR_TRY(grammar, HoldCalls(form, *tools));
    }
    if (grammar) {
      ASHLAR_TRY(Hold(setting, *grammar, generation));
    }
    return std::string();
  }
  ASHLAR_TRY(ForcedCall forced, ForceCall(form, *tools));
  ASHLAR_TRY(const std::vector<std::int32_t> ids,
             setting.network->tokenizer->Encode(forced.text, {.add_special_tokens = false}));
  generation.prompt.insert(generation.prompt.end(), ids.begin(), ids.end());
  ASHLAR_TRY(Hold(setting, forced.grammar, generation));
  return std::move(forced.text);
}

Result<Work> ReadChat(const Parameters& parameters, const RequestSetting& setting) {
  ASHLAR_TRY(Generation generation, ReadGeneration(parameters, setting));
  generation.continuations = static_cast<int>(parameters.Integer("n", 1));
  ASHLAR_TRY(const StreamOptions stream, ReadStreamOptions(parameters));
  ASHLAR_TRY(const bool logprobs, ReadLogprobs(parameters, generation));
  ASHLAR_TRY(const std::optional<std::int64_t> asked, AskedTokens(parameters));
  ASHLAR_TRY(Json messages, ReadMessages(*parameters.Find("messages")));
  std::vector<Tool> tools;
  if (const JsonCursor* value = parameters.Find("tools")) {
    ASHLAR_TRY(tools, ReadTools(*value));
  }
  std::optional<JsonCursor> format;
  if (const JsonCursor* value = parameters.Find("response_format")) {
    format = *value;
  }
  ASHLAR_TRY(const AnswerForm form, ReadAnswerForm(parameters, std::move(tools), format));
  ASHLAR_TRY(ChatPrompt prompt,
             MakeChatPrompt(*setting.network, std::move(messages), form.tools, "$.tools"));
  ASHLAR_TRY(AddTemplateOptions(parameters, prompt.variables));
  ASHLAR_TRY(WriteChatPrompt(setting, prompt, "$.messages", generation));
  ASHLAR_TRY(std::string forced, HoldToForm(setting, form, prompt.tools, generation));
  ASHLAR_TRY(FitContext(generation, setting, asked, std::nullopt, "messages",
                        parameters.Has("max_tokens") ? "max_tokens" : "max_completion_tokens"));

  const int choices = generation.continuations;
  Work work{.stream = stream.stream};
  work.answer = std::make_unique<ChatAnswer>(
      ChatAnswerOptions{
          .head = HeadOf(setting, "chatcmpl-"),
          .network = setting.network,
          .stream = stream.stream,
          .include_usage = stream.include_usage,
          .logprobs = logprobs,
          .tools = prompt.tools,
          .offered = prompt.Offered(),
          .parallel_tool_calls = form.parallel_tool_calls,
          .calls_may_come = form.CallsComeFirst() ? CallsMayCome::kFirst : CallsMayCome::kAnywhere,
          .forced = std::move(forced),
          .seed = setting.seed},
      choices);
  work.generations.push_back(std::move(generation));
  return work;
}

}  // namespace ashlar
