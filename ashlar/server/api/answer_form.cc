#include "ashlar/server/api/answer_form.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace ashlar {
namespace {

// {"type": "text"}, {"type": "json_object"}, which may have a schema too, or a JSON schema: in a
// member of its own (chat) or beside the type (responses).
Result<std::optional<GrammarSource>> ReadFormat(const JsonCursor& format) {
  ASHLAR_TRY(const std::string type, format.String("type"));
  if (type == "text") {
    ASHLAR_TRY(AllowMembers(format, {"type"}));
    return std::optional<GrammarSource>();
  }
  std::optional<JsonCursor> schema;
  if (type == "json_object") {
    ASHLAR_TRY(AllowMembers(format, {"type", "schema"}));
    ASHLAR_TRY(schema, format.Find("schema"));
    if (!schema) {
      return std::optional(
          GrammarSource{.kind = GrammarKind::kJsonObject, .path = format.path() + ".type"});
    }
  } else if (type == "json_schema") {
    ASHLAR_TRY(const auto nested, format.Find("json_schema"));
    if (nested) {
      ASHLAR_TRY(AllowMembers(format, {"type", "json_schema"}));
      ASHLAR_TRY(AllowMembers(*nested, {"name", "description", "schema", "strict"}));
    } else {
      ASHLAR_TRY(AllowMembers(format, {"type", "name", "description", "schema", "strict"}));
    }
    ASHLAR_TRY(schema, (nested ? *nested : format).At("schema"));
  } else {
    return Unsupported("{}.type: expected text, json_object or json_schema, found {}",
                       format.path(), QuoteForError(type));
  }
  return std::optional(GrammarSource{.kind = GrammarKind::kJsonSchema,
                                     .text = WriteJson(schema->value()),
                                     .path = schema->path()});
}

// Null where it says nothing.
Json ArgumentsSchema(const Tool& tool) {
  return tool.parameters.object()->empty() ? Json() : tool.parameters;
}

}  // namespace

Result<AnswerForm> ReadAnswerForm(const Parameters& parameters, std::vector<Tool> tools,
                                  const std::optional<JsonCursor>& format) {
  AnswerForm form{.parallel_tool_calls = parameters.Bool("parallel_tool_calls", true)};
  ToolChoice choice;
  if (const JsonCursor* value = parameters.Find("tool_choice")) {
    ASHLAR_TRY(choice, ReadToolChoice(*value, tools));
    if (choice.use == ToolUse::kRequired && tools.empty()) {
      return value->Invalid("asks for a call, and there are no tools");
    }
  }
  form.must_call = choice.use == ToolUse::kRequired;
  form.forced_tool = choice.name;
  ASHLAR_TRY(form.grammar, ReadGuide(parameters));
  if (format) {
    ASHLAR_TRY(std::optional<GrammarSource> source, ReadFormat(*format));
    if (source && form.grammar) {
      return Invalid("{}: goes without {}: give one of them", source->path,
                     form.grammar->path.substr(2));
    }
    if (source) {
      form.grammar = std::move(source);
    }
  }
  if (choice.use != ToolUse::kNone) {
    form.tools = std::move(tools);
  }
  if (form.CallsComeFirst() && form.grammar->kind != GrammarKind::kJsonObject &&
      form.grammar->kind != GrammarKind::kJsonSchema) {
    return Unsupported(
        "{}: an answer that may be a call of a tool is held to JSON and to no other form: give "
        "one of them, or \"tool_choice\": \"none\"",
        form.grammar->path);
  }
  return form;
}

Result<ForcedCall> ForceCall(const AnswerForm& form, const ToolSyntax& syntax) {
  std::vector<CallableTool> tools;
  for (const Tool& tool : form.tools) {
    if (form.forced_tool.empty() || tool.name == form.forced_tool) {
      tools.push_back({tool.name, ArgumentsSchema(tool)});
    }
  }
  ForcedCall forced{.text = std::string(syntax.bare ? "" : syntax.opener),
                    .grammar = {.kind = GrammarKind::kCalls, .path = "$.tools", .calls = &syntax}};
  if (syntax.body == ToolBody::kNamed && tools.size() == 1) {  // its name is no choice
    forced.text += tools.front().name + std::string(syntax.argument_mark);
    forced.grammar = {
        .kind = GrammarKind::kJsonSchema, .text = SchemaTextOf(tools.front()), .path = "$.tools"};
    return forced;
  }
  forced.grammar.text = WriteCallableTools(tools, form.parallel_tool_calls);
  return forced;
}

Result<std::optional<GrammarSource>> HoldCalls(const AnswerForm& form, const ToolSyntax& syntax) {
  const auto strict =
      std::ranges::find_if(form.tools, [](const Tool& tool) { return !tool.strict_at.empty(); });
  if (form.grammar && !CallsAreNoJson(syntax)) {
    return Unsupported(
        "{}: the network writes calls of tools as JSON objects, which cannot be told from an "
        "answer that is JSON: give one of them, or \"tool_choice\": \"none\"",
        form.grammar->path);
  }
  if (strict == form.tools.end() && !form.grammar) {
    return std::optional<GrammarSource>();
  }
  std::vector<CallableTool> tools;
  for (const Tool& tool : form.tools) {
    tools.push_back({tool.name, tool.strict_at.empty() ? Json() : ArgumentsSchema(tool)});
  }
  return std::optional(GrammarSource{
      .kind = GrammarKind::kCalls,
      .text = WriteCallableTools(tools, form.parallel_tool_calls),
      .path = strict != form.tools.end() ? strict->strict_at : "$.tools",
      .calls = &syntax,
      .place = form.grammar ? CallPlace::kInstead : CallPlace::kWithinText,
      .instead = form.grammar ? std::make_shared<const GrammarSource>(*form.grammar) : nullptr});
}

}  // namespace ashlar
