#include "ashlar/server/api/call_grammar.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/base/test_time.h"
#include "ashlar/grammar/constraint.h"
#include "ashlar/grammar/source_work.h"
#include "ashlar/grammar/testing_answers.h"
#include "ashlar/grammar/testing_schemas.h"
#include "ashlar/server/api/testing_networks.h"
#include "ashlar/server/api/tool_parser.h"

namespace ashlar {
namespace {

const ToolSyntax& SyntaxNamed(std::string_view name) {
  const auto found = std::ranges::find(AllToolSyntaxes(), name, &ToolSyntax::name);
  CHECK(found != AllToolSyntaxes().end());
  return *found;
}

// Bytes, an end, and pieces that calls are written in: within, across and around their marks.
constexpr std::int32_t kEnd = 256;
constexpr std::string_view kPieces[] = {"<tool_call>",
                                        "<tool",
                                        "_call>{\"",
                                        "_call>",
                                        "</tool_call>",
                                        "}}</tool_call>\n<tool_",
                                        "[TOOL_CALLS]",
                                        "[TOOL",
                                        "_CALLS][",
                                        "_CALLS]f[ARGS]{",
                                        "[ARGS]",
                                        "f",
                                        "g[ARGS",
                                        "]{\"x\"",
                                        "<function=",
                                        "<function=f>{\"",
                                        "=g>",
                                        "</function>",
                                        "<|python_tag|>",
                                        "tag|>{\"",
                                        ">{",
                                        "{\"name\":",
                                        "{\"",
                                        "name\": \"",
                                        "f\", \"",
                                        "g\",",
                                        "\"arguments\": {",
                                        "arguments\":{\"",
                                        "parameters\": {",
                                        "x\": ",
                                        "y\":true}}",
                                        "1}}",
                                        "22}",
                                        "\"}",
                                        "}]",
                                        "}, {\"name\":\"g\",",
                                        "; {\"",
                                        "<function=f>\n<parameter=x>\n22\n</parameter>",
                                        "<parameter=s>\n",
                                        "<parameter=t>[\"",
                                        "<parameter=e>",
                                        "\"]\n</parameter>",
                                        "</parameter>",
                                        "</param",
                                        "<function=g><parameter=y>",
                                        "true</parameter>\n</function>",
                                        "f\n<arg_key>x</arg_key>\n<arg_value>1</arg_value>",
                                        "g\n<arg_key>y</arg_key><arg_value>false",
                                        "<arg_key>t</arg_key><arg_value>[\"",
                                        "<arg_key>s</arg_key>\n<arg_value>",
                                        "</arg_value>",
                                        "\"]</arg_value>",
                                        "\n</tool_call>",
                                        "\n",
                                        " text "};

std::shared_ptr<const TokenVocabulary> Vocabulary() {
  static const auto vocabulary = [] {
    std::vector<std::string> tokens(kEnd + 1);
    for (int byte = 0; byte < kEnd; ++byte) {
      tokens[byte] = std::string(1, static_cast<char>(byte));
    }
    tokens.insert(tokens.end(), std::begin(kPieces), std::end(kPieces));
    return std::make_shared<const TokenVocabulary>(tokens);
  }();
  return vocabulary;
}

// f(x: 1 or 22, [t: texts], [s: a text], [e: one of two]) and g(y: a boolean).
std::string TwoTools(bool parallel = true) {
  return WriteCallableTools(
      {{"f", *ParseJson(R"({"type": "object", "required": ["x"], "$defs": {"texts": {"type":
            "array", "items": {"type": "string"}, "maxItems": 2}}, "properties": {
            "x": {"type": "integer", "enum": [1, 22]},
            "t": {"anyOf": [{"$ref": "#/$defs/texts"}, {"type": "null"}]},
            "s": {"type": "string", "description": "any"}, "e": {"enum": ["a", "<b\n"]}}})")},
       {"g", *ParseJson(R"({"type": "object", "properties": {"y": {"type": "boolean"}},
            "required": ["y"]})")}},
      parallel);
}

Constraint AnswerTo(const ToolSyntax& syntax, CallPlace place, bool parallel = true) {
  const Result<Grammar> grammar = GrammarOfCalls(syntax, place, TwoTools(parallel));
  if (!grammar.ok()) {
    CheckFailed(__FILE__, __LINE__, grammar.error().message);
  }
  const std::int32_t ends[] = {kEnd};
  return Constraint(std::make_shared<GrammarMasks>(*grammar, Vocabulary(), ends));
}

// Whether `text` may be a whole answer.
bool IsAnswer(Constraint answer, std::string_view text) {
  for (const char c : text) {
    if (!answer.Accept(static_cast<std::uint8_t>(c)).ok()) {
      return false;
    }
  }
  return answer.may_end();
}

struct SeenCall {
  std::string name;
  std::string arguments;
};
std::vector<SeenCall> CallsIn(const ToolSyntax& syntax, std::string_view answer) {
  static const Json tools = [] {  // as templates read them
    Json list = Json::Array();
    const Json written = *ParseJson(TwoTools());
    for (const Json& tool : *written.Find("tools")->array()) {
      list.Append(Json::Of({{"function", Json::Of({{"name", *tool.Find("name")},
                                                   {"parameters", *tool.Find("arguments")}})}}));
    }
    return list;
  }();
  ToolParser parser(syntax, 1000, &tools);
  std::vector<ToolNews> news = parser.Push(answer);
  const std::vector<ToolNews> last = parser.Finish();
  news.insert(news.end(), last.begin(), last.end());
  std::vector<SeenCall> calls;
  for (const ToolNews& each : news) {
    if (each.kind == ToolNews::Kind::kCall) {
      calls.push_back({each.text, ""});
    } else if (each.kind == ToolNews::Kind::kArguments) {
      calls.back().arguments += each.text;
    }
  }
  return calls;
}

bool IsValid(const std::string& tool, const std::string& name, const Json& value) {
  if (tool == "g") {
    return name == "y" && value.boolean() != nullptr;
  }
  const auto is_text = [](const Json& text) { return text.string() != nullptr; };
  return (name == "x" && (value == Json(1) || value == Json(22))) ||
         (name == "t" && (value.is_null() || (value.array() != nullptr &&
                                              std::ranges::all_of(*value.array(), is_text)))) ||
         (name == "s" && is_text(value)) ||
         (name == "e" && (value == Json("a") || value == Json("<b\n")));
}

bool IsValid(const SeenCall& call) {
  const Result<Json> arguments = ParseJson(call.arguments);
  return arguments.ok() && arguments->object() != nullptr &&
         arguments->Find(call.name == "f" ? "x" : "y") != nullptr &&
         std::ranges::all_of(*arguments->object(), [&](const Json::Member& member) {
           return IsValid(call.name, member.first, member.second);
         });
}

// Whatever a network writes: what the reader of answers takes for a call is one that is valid.
TEST(CallGrammar, EveryCallThatIsReadFromARandomAnswerIsValid) {
  std::mt19937_64 random(TestSeed());
  for (const ToolSyntax& syntax : AllToolSyntaxes()) {
    const Constraint begin = AnswerTo(syntax, CallPlace::kWithinText);
    std::size_t calls_seen = 0;
    for (int round = 0; round < (kSanitized ? 50 : 150); ++round) {
      Constraint answer = begin;
      std::string text;
      for (int step = 0; step < 400 && (step < 100 || !answer.may_end()); ++step) {
        const auto mask = answer.Allowed();
        ASSERT_TRUE(mask.ok()) << mask.error().message << "\n" << syntax.name << ": " << text;
        std::vector<std::int32_t> allowed;
        for (std::int32_t token = 0; token < Vocabulary()->size(); ++token) {
          // Most tokens are bytes, and of blanks there is no end.
          if (token != kEnd && IsAllowed(*mask, token) &&
              (token > kEnd || random() % 64 == 0 || !answer.may_end())) {
            allowed.push_back(token);
          }
        }
        if (allowed.empty()) {
          continue;
        }
        const std::int32_t token = allowed[random() % allowed.size()];
        ASSERT_TRUE(answer.Accept(token).ok());
        text += Vocabulary()->Bytes(token);
      }
      std::vector<SeenCall> calls = CallsIn(syntax, text);
      if (!answer.may_end() && !calls.empty()) {
        calls.pop_back();  // it was cut off
      }
      for (const SeenCall& call : calls) {
        ASSERT_TRUE(IsValid(call))
            << syntax.name << ": " << call.name << call.arguments << "\nin " << text;
        ++calls_seen;
      }
    }
    EXPECT_GT(calls_seen, kSanitized ? 30u : 100u) << syntax.name;
  }
}

struct AnswerCase {
  const char* syntax;
  const char* answer;
  bool held;  // may be
};

constexpr AnswerCase kAnswers[] = {
    {"tool_call", "", true},
    {"tool_call", "text {\"name\": 3} <tool_", true},
    {"tool_call", "\xFF", true},
    {"tool_call",
     "Hm.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 22}}\n</tool_call>\n<tool_call>"
     "{\"name\":\"g\",\"arguments\":{\"y\":true}}</tool_call> so",
     true},
    {"tool_call", "<tool_call>", false},
    {"tool_call", "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 2}}", false},
    {"tool_call", "<tool_call>{\"name\": \"f\", \"arguments\": {\"y\": true}}", false},
    {"tool_call", "<tool_call>{\"name\": \"h\", \"arguments\": {}}", false},
    {"tool_call", "<tool_call>{\"name\": \"f\"}", false},
    {"tool_call", "<tool_call>no", false},
    {"tool_calls_list",
     "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"x\": 1}}, {\"name\": \"g\", \"arguments\": "
     "{\"y\": false}}] and [",
     true},
    {"tool_calls_list", "[TOOL_CALLS] {\"name\": \"f\", \"arguments\": {\"x\": 1}}", false},
    {"tool_calls_named", "a[TOOL_CALLS]f[ARGS]{\"x\": 1}[TOOL_CALLS]g[ARGS]{\"y\": true}b", true},
    {"tool_calls_named", "[TOOL_CALLS]f[ARGS]{\"y\": true}", false},
    {"function_tag", "<function=f>{\"x\": 22}</function><function=g>{\"y\": true}</function>",
     true},
    {"function_tag", "<function=f>{\"x\": 23}</function>", false},
    {"json",
     "{\"name\": \"f\", \"parameters\": {\"x\": 1}}; {\"name\": \"g\", \"parameters\": "
     "{\"y\": true}}\n",
     true},
    {"parameter_tags",
     "Yes.\n<tool_call>\n<function=f>\n<parameter=x>\n22\n</parameter>\n<parameter=t>\n[\"a "
     "\\u003c "
     "b\"]\n</parameter>\n<parameter=s>\n<b> & "
     "\"c\"</param\n</parameter>\n</function>\n</tool_call> so",
     true},
    {"parameter_tags",
     "<tool_call><function=f><parameter=x>1</parameter><parameter=e>a</parameter></function>"
     "<tool_call><function=g><parameter=y>false</parameter></function>",
     true},
    {"parameter_tags",
     "<tool_call><function=f><parameter=x>1</parameter><parameter=e>\n<b\n\n</parameter></"
     "function>",
     true},
    {"parameter_tags", "<tool_call><function=f><parameter=x>2</parameter></function>", false},
    {"parameter_tags", "<tool_call><function=f></function>", false},
    {"parameter_tags", "<tool_call><function=g><parameter=y>yes</parameter></function>", false},
    {"parameter_tags",
     "<tool_call><function=f><parameter=x>1</parameter><parameter=e>b</parameter></function>",
     false},
    {"parameter_tags",
     "<tool_call><function=f><parameter=x>1</parameter><parameter=e><b\n</parameter></function>",
     false},
    {"parameter_tags",
     "<tool_call><function=f><parameter=x>1</parameter><parameter=t>[\"<\"]</parameter></function>",
     false},
    {"argument_tags",
     "<tool_call>f\n<arg_key>x</arg_key>\n<arg_value>1</arg_value>\n<arg_key>s</arg_key>\n"
     "<arg_value>x < y</arg_value>\n</tool_call>\n",
     true},
    {"argument_tags", "<tool_call>g\n<arg_key>x</arg_key>", false},
    {"json", "It is {\"name\": 3}", true},
    {"json", " <|python_tag|>{\"name\": \"f\", \"parameters\": {\"x\": 1}} is it; {", true},
    {"json", " \n{\"name\": 3}", false},
    {"json", "{\"name\": \"f\", \"parameters\": {\"x\": 1}} {\"name\": 3}", false},
    {"json", "{\"name\": \"f\", \"parameters\": {\"x\": 1}}; {}", false},
    {"json", "a <|python_tag|>print(1)", false},
};

TEST(CallGrammar, TextIsFreeAndCallsAreHeld) {
  for (const AnswerCase& each : kAnswers) {
    EXPECT_EQ(IsAnswer(AnswerTo(SyntaxNamed(each.syntax), CallPlace::kWithinText), each.answer),
              each.held)
        << each.syntax << ": " << each.answer;
  }
}

TEST(CallGrammar, ATokenAcrossTheOpenerIsHeldFromThereOn) {
  Constraint answer = AnswerTo(SyntaxNamed("tool_call"), CallPlace::kWithinText);
  const auto piece = [](std::string_view text) {
    return kEnd + 1 + static_cast<std::int32_t>(std::ranges::find(kPieces, text) - kPieces);
  };
  EXPECT_TRUE(IsAllowed(*answer.Allowed(), piece("_call>{\"")));
  ASSERT_TRUE(answer.Accept(piece("<tool")).ok());
  EXPECT_TRUE(IsAllowed(*answer.Allowed(), piece("_call>{\"")));
  Constraint other = AnswerTo(SyntaxNamed("function_tag"), CallPlace::kWithinText);
  EXPECT_TRUE(IsAllowed(*other.Allowed(), piece("<function=")));
  EXPECT_FALSE(IsAllowed(*other.Allowed(), piece("<function=f>{\"")) &&
               !IsAllowed(*other.Allowed(), piece("<function=")));
  ASSERT_TRUE(other.Accept(piece("<function=f>{\"")).ok());
  EXPECT_FALSE(other.Accept('y').ok());
  EXPECT_TRUE(other.Accept('x').ok());
}

TEST(CallGrammar, AWholeAnswerIsACall) {
  const auto whole = [](std::string_view syntax, std::string_view text, bool parallel = true) {
    return IsAnswer(AnswerTo(SyntaxNamed(syntax), CallPlace::kWhole, parallel), text);
  };
  EXPECT_TRUE(whole("tool_call", "{\"name\":\"f\",\"arguments\":{\"x\":1}}"));
  EXPECT_TRUE(whole("tool_call", "{ \"name\":\n\t\"g\", \"arguments\": {\"y\": true} }"));
  EXPECT_FALSE(whole("tool_call", "{\"name\":\"f\",\"arguments\":{\"x\":1}} "));
  EXPECT_FALSE(whole("tool_call", ""));
  EXPECT_TRUE(whole("parameter_tags", "\n<function=g><parameter=y>true</parameter></function>"));
  EXPECT_TRUE(whole("tool_calls_named", "g[ARGS]{\"y\": true}"));
  EXPECT_TRUE(whole("json", "{\"name\":\"f\",\"parameters\":{\"x\":1}}"));
  constexpr std::string_view kTwo =
      "[{\"name\":\"f\",\"arguments\":{\"x\":1}}, {\"name\":\"f\",\"arguments\":{\"x\":22}}]";
  EXPECT_TRUE(whole("tool_calls_list", kTwo));
  EXPECT_FALSE(whole("tool_calls_list", kTwo, /*parallel=*/false));
}

TEST(CallGrammar, CallsOrJsonInTheirPlaceAndNothingElse) {
  const Grammar json = *GrammarFromJsonSchema(R"({"required": ["a"], "properties": {
      "a": {"type": "string"}}})");
  const auto is_answer = [&](std::string_view syntax, std::string_view text, bool parallel = true) {
    const auto grammar =
        GrammarOfCalls(SyntaxNamed(syntax), CallPlace::kInstead, TwoTools(parallel), json);
    CHECK(grammar.ok());
    const std::int32_t ends[] = {kEnd};
    return IsAnswer(Constraint(std::make_shared<GrammarMasks>(*grammar, Vocabulary(), ends)), text);
  };
  const std::pair<const char*, std::string> calls[] = {
      {"parameter_tags",
       "<tool_call>\n<function=g>\n<parameter=y>\ntrue\n</parameter>\n</function>\n</tool_call>"},
      {"argument_tags",
       "<tool_call>g\n<arg_key>y</arg_key>\n<arg_value>true</arg_value>\n</tool_call>"},
      {"tool_call", "<tool_call>\n{\"name\": \"g\", \"arguments\": {\"y\": true}}\n</tool_call>"},
      {"tool_calls_named", "[TOOL_CALLS]g[ARGS]{\"y\": true}"},
      {"tool_calls_list", "[TOOL_CALLS][{\"name\": \"g\", \"arguments\": {\"y\": true}}]"},
      {"function_tag", "<function=g>{\"y\": true}</function>"},
  };
  for (const auto& [syntax, call] : calls) {
    EXPECT_TRUE(is_answer(syntax, R"({"a": "<tool_call>[TOOL_CALLS]<function=f>"})")) << syntax;
    EXPECT_TRUE(is_answer(syntax, call)) << call;
    EXPECT_TRUE(is_answer(syntax, "\n" + call + "\n" + call)) << call;
    EXPECT_TRUE(is_answer(syntax, call, /*parallel=*/false)) << call;
    EXPECT_FALSE(is_answer(syntax, call + call, /*parallel=*/false)) << call;
    EXPECT_FALSE(is_answer(syntax, "So: " + call)) << call;
    EXPECT_FALSE(is_answer(syntax, call + R"({"a": "b"})")) << call;
    EXPECT_FALSE(is_answer(syntax, R"({"a": "b"})" + call)) << call;
    EXPECT_FALSE(is_answer(syntax, R"({"b": "b"})")) << syntax;
    EXPECT_FALSE(is_answer(syntax, "")) << syntax;
    EXPECT_EQ(CallsIn(SyntaxNamed(syntax), call).size(), 1u) << call;
  }
  EXPECT_TRUE(std::ranges::all_of(AllToolSyntaxes(), [](const ToolSyntax& syntax) {
    return CallsAreNoJson(syntax) == (syntax.name != "json");
  }));
}

struct TagRefusal {
  const char* schema;
  const char* message;
  ErrorCode code = ErrorCode::kUnsupported;
};

TEST(CallGrammar, WhatTagsCannotHoldIsRefusedByName) {
  constexpr TagRefusal kRefusals[] = {
      {R"({"properties": {"a": {"type": "string", "minLength": 2}}})", "\"a\""},
      {R"({"properties": {"a": {"type": "string", "minLength": 2}}})",
       "in tags a text can be any, or one of those that enum or const list: what \"minLength\" "
       "says of it cannot be held"},
      {R"({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string",
           "pattern": "x"}}})",
       "the property \"a\": in tags a text can be any, or one of those that enum or const list: "
       "what \"pattern\""},
      {R"({"properties": {"a": {"$ref": "#/$defs/b"}}})", "what \"$ref\" says"},
      {R"({"properties": {"a": {"oneOf": [{"const": "x"}, {"enum": ["y", "x"]}]}}})",
       "what \"oneOf\" says"},
      {R"({"properties": {"a": {"nullable": true, "const": "x"}}})", "what \"nullable\" says"},
      {R"({"properties": {"a": {"type": "string", "$id": "b"}}})", "what \"$id\" says"},
      {R"({"properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/b"}}}})",
       "schema at #/properties/a/items/$ref: $ref \"#/$defs/b\": there is no such place",
       ErrorCode::kInvalid},
      {R"({"properties": {"a": {"type": ["string", "null"], "enum": ["None"]}}})",
       "the property \"a\": in tags none of the values that it lists can be written"},
      {R"({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null", "not": {}}]}}})",
       "what \"not\" says"},
      {R"({"properties": {"a": {"type": "integer", "minimum": 3, "maximum": 2}}})",
       "schema at #/properties/a: there is no value that is valid under it", ErrorCode::kInvalid},
      {R"({"$ref": "#/$defs/b", "$defs": {"b": {}}})",
       "the keyword \"$ref\" cannot be held in tags, where arguments are those that"},
      {R"({"properties": {"a": {"type": "integer", "not": {}}}})", "\"not\""},
      {R"({"properties": {"a>": {}}})", "cannot be written in tags"},
      {R"({"properties": {"a": {}}, "required": ["b"]})", "\"b\" is required"},
      {R"({"patternProperties": {}})", "patternProperties"},
  };
  const ToolSyntax& syntax = SyntaxNamed("parameter_tags");
  const auto grammar_of = [&](std::string_view schema) {
    return GrammarOfCalls(syntax, CallPlace::kWhole,
                          WriteCallableTools({{"look", *ParseJson(schema)}}, true));
  };
  for (const TagRefusal& each : kRefusals) {
    const auto grammar = grammar_of(each.schema);
    ASSERT_FALSE(grammar.ok()) << each.schema;
    EXPECT_EQ(grammar.error().code, each.code) << each.schema;
    EXPECT_NE(grammar.error().message.find(each.message), std::string::npos)
        << grammar.error().message;
  }
  for (const std::string_view schema :
       {R"({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "A"}}})",
        R"({"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {}},
            "additionalProperties": false})",
        R"({"properties": {"a": {}}, "required": ["a", "a"]})", "null"}) {
    EXPECT_TRUE(grammar_of(schema).ok()) << schema;
  }
}

struct TaggedArgument {
  const char* schema;  // of the argument
  const char* written;
  const char* read;  // null: it may not be written so
};

// As clients write them that make schemas of their types: enums and objects in $defs.
TEST(CallGrammar, ArgumentsInTagsAreWhatTheirSchemasReferTo) {
  constexpr TaggedArgument kArguments[] = {
      {R"({"$ref": "#/$defs/Color"})", "red", R"("red")"},
      {R"({"$ref": "#/$defs/Color", "description": "d"})", "blue", nullptr},
      {R"({"anyOf": [{"$ref": "#/$defs/Color"}, {"type": "null"}]})", "green", R"("green")"},
      {R"({"anyOf": [{"$ref": "#/$defs/Color"}, {"type": "null"}]})", "null", "null"},
      {R"({"anyOf": [{"$ref": "#/$defs/Color"}, {"type": "null"}]})", "blue", nullptr},
      {R"({"allOf": [{"$ref": "#/$defs/Color"}], "default": "red"})", "red", R"("red")"},
      {R"({"allOf": [{"$ref": "#/$defs/Color"}], "default": "red"})", "blue", nullptr},
      {R"({"$ref": "#/$defs/Text"})", "any <b>", R"("any <b>")"},
      {R"({"$ref": "#/$defs/Point"})", R"({"x": 1})", R"({"x": 1})"},
      {R"({"$ref": "#/$defs/Point"})", R"({"x": "1"})", nullptr},
      {R"({"$ref": "#/$defs/Tree"})", R"([[], [[]]])", R"([[], [[]]])"},
      {R"({"type": "array", "items": {"$ref": "#/properties/other"}})", "[7]", "[7]"},
      {R"({"type": "array", "items": {"$ref": "#/properties/other"}})", "[8]", nullptr},
      {R"({"type": "array", "items": {"$ref": "#"}})", R"([{"other": 7}])", R"([{"other": 7}])"},
      {R"({"type": "array", "items": {"$ref": "#"}})", "[[]]", nullptr},
      {R"({"type": "object"})", R"({"k": 1, "k": [2]})",
       R"({"k": 1, "k": [2]})"},  // names are free
      {R"({"enum": [1, 2.5]})", "2.5", "2.5"},
      {R"({"const": 3})", "4", nullptr},
      {R"({"$ref": "#/properties/a"})", "1", nullptr},
      {R"({"anyOf": [{"$ref": "#/properties/a"}, {"type": "string"}]})", "1", R"("1")"},
      {R"({"type": "string", "nullable": true})", "null", "null"},
      {R"({"type": "string", "nullable": true})", "nul", R"("nul")"},
      {R"({"type": "string", "nullable": false})", "null", R"("null")"},
      {R"({"type": "string", "nullable": true, "enum": ["x", null]})", "null", "null"},
      {R"({"type": "string", "nullable": true, "enum": ["x"]})", "null", nullptr},
      {R"({"oneOf": [{"const": "x", "title": "X"}, {"enum": ["y", null]}]})", "x", R"("x")"},
      {R"({"oneOf": [{"const": "x", "title": "X"}, {"enum": ["y", null]}]})", "null", "null"},
      {R"({"oneOf": [{"const": "x"}, {"enum": ["y"]}]})", "z", nullptr},
      {R"({"oneOf": [{"type": "string"}, {"type": "null"}]})", "z", R"("z")"},
      {R"({"anyOf": [{"const": "x"}, {"oneOf": [{"const": "x"}, {"const": "y"}]}]})", "x",
       R"("x")"},
      {R"({"oneOf": [{"type": "string"}, {"const": "x"}]})", "z", nullptr},
      {R"({"oneOf": [{"const": "x"}, {"type": "string"}]})", "z", nullptr},
      {R"({"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 1}]})", "zz", nullptr},
      {R"({"oneOf": [{"enum": ["x", "y"]}, {"const": "x"}]})", "y", nullptr},
      {R"({"oneOf": [{"type": ["string", "null"]}, {"type": "null"}]})", "z", nullptr},
      {R"({"oneOf": [{"$ref": "#/$defs/Text"}, {"$ref": "#/$defs/Text"}]})", "z", nullptr},
      {R"({"type": "string", "contentEncoding": "base64", "example": "x", "contentMediaType":
           "image/png"})",
       "QQ==", R"("QQ==")"},
      {R"({"anyOf": [{"const": "x"}, {"const": "y"}], "discriminator": {"propertyName": "p"}})",
       "y", R"("y")"},
  };
  for (const std::string_view name : {"parameter_tags", "argument_tags"}) {
    const ToolSyntax& syntax = SyntaxNamed(name);
    for (const TaggedArgument& each : kArguments) {
      const Json schema = *ParseJson(fmt::format(
          R"({{"$id": "https://a.test/f", "type": "object", "example": {{}},
              "properties": {{"a": {}, "other": {{"const": 7}}}}, "$defs": {{
              "Color": {{"enum": ["red", "green"], "type": "string"}}, "Text": {{"type": "string"}},
              "Point": {{"type": "object", "properties": {{"x": {{"type": "integer"}}}}}},
              "Tree": {{"type": "array", "items": {{"$ref": "#/$defs/Tree"}}}}}}}})",
          each.schema));
      const auto grammar =
          GrammarOfCalls(syntax, CallPlace::kWhole, WriteCallableTools({{"f", schema}}, true));
      if (!grammar.ok()) {  // it refers to itself, or is of texts that may be under two of oneOf
        EXPECT_EQ(each.read, nullptr) << grammar.error().message;
        continue;
      }
      const std::int32_t ends[] = {kEnd};
      const CallTags& tags = syntax.tags;
      const std::string call =
          fmt::format("{}f{}\n{}a{}{}{}{}{}", tags.name_begin, tags.name_end, tags.key_begin,
                      tags.key_end, tags.value_begin, each.written, tags.value_end, tags.end);
      EXPECT_EQ(
          IsAnswer(Constraint(std::make_shared<GrammarMasks>(*grammar, Vocabulary(), ends)), call),
          each.read != nullptr)
          << call << "\n"
          << each.schema;
      const Json offered =
          Json::Array{Json::Of({{"function", Json::Of({{"name", "f"}, {"parameters", schema}})}})};
      ToolParser parser(syntax, 1, &offered);
      std::string arguments;
      for (const ToolNews& news : parser.Push(std::string(syntax.opener) + call)) {
        arguments += news.kind == ToolNews::Kind::kArguments ? news.text : "";
      }
      if (each.read != nullptr) {
        EXPECT_EQ(arguments, fmt::format(R"({{"a": {}}})", each.read)) << each.schema;
      }
    }
  }
}

// What is written in tags, too, where the reader goes by the types of schemas, and the grammar by
// all that they say: both must see the same in them.
TEST(CallGrammar, ArgumentsAreValidUnderRandomSchemas) {
  std::mt19937_64 random(TestSeed());
  int calls = 0;
  for (int round = 0; round < (kSanitized ? 30 : 300); ++round) {
    Json schema = RandomSchema(random);  // for its $defs
    const Json* const definitions = schema.Find("$defs");
    if (definitions == nullptr) {
      continue;
    }
    Json properties = Json::Object();
    for (const char* name : {"a", "b"}) {
      properties.Set(name, SchemaDraw(random, /*older=*/false).Part(random() % 2 == 0 ? 1 : 3));
    }
    schema = Json::Of({{"type", "object"},
                       {"properties", std::move(properties)},
                       {"required", Json::Array{"a"}},
                       {"$defs", *definitions}});
    const Json offered =
        Json::Array{Json::Of({{"function", Json::Of({{"name", "f"}, {"parameters", schema}})}})};
    const ToolSyntax& syntax =
        AllToolSyntaxes()[static_cast<std::size_t>(round) % AllToolSyntaxes().size()];
    const auto grammar =
        GrammarOfCalls(syntax, CallPlace::kWhole, WriteCallableTools({{"f", schema}}, true));
    if (!grammar.ok()) {
      continue;  // conditions on texts, mostly
    }
    const auto masks = JsonMasks(*grammar);
    for (int i = 0; i < 3; ++i) {
      const auto answer = RandomAnswer(masks, random, static_cast<int>(random() % 60));
      if (!answer) {
        ASSERT_FALSE(HasFailure()) << WriteJson(schema);
        continue;
      }
      ToolParser parser(syntax, 1, &offered);
      std::string arguments;
      for (const ToolNews& news : parser.Push(std::string(syntax.opener) + *answer)) {
        arguments += news.kind == ToolNews::Kind::kArguments ? news.text : "";
      }
      const Result<Json> read = ParseJson(arguments);
      if (!read.ok() && read.error().message.find("duplicate key") != std::string::npos) {
        continue;  // a name that is free came twice
      }
      ASSERT_TRUE(read.ok()) << read.error().message << "\n" << *answer << "\n" << arguments;
      ASSERT_EQ(Invalidity(schema, schema, *read), "") << *answer << "\n"
                                                       << arguments << "\n"
                                                       << WriteJson(schema);
      ++calls;
    }
  }
  EXPECT_GT(calls, kSanitized ? 10 : 100);
}

// What they all refer to is there once, in the grammar and while it is made.
TEST(CallGrammar, WhatManyArgumentsReferToIsSharedByThem) {
  const auto states_of = [](int arguments) {
    Json properties = Json::Object();
    for (int i = 0; i < arguments; ++i) {
      properties.Set(fmt::format("a{}", i), *ParseJson(R"({"$ref": "#/$defs/large"})"));
    }
    Json schema = Json::Of({{"type", "object"}, {"properties", std::move(properties)}});
    schema.Set("$defs", *ParseJson(R"({"large": {"type": "array", "items": {"type": "string",
        "maxLength": 2000}}})"));
    const auto grammar = GrammarOfCalls(SyntaxNamed("argument_tags"), CallPlace::kWhole,
                                        WriteCallableTools({{"f", schema}}, true));
    if (!grammar.ok()) {
      CheckFailed(__FILE__, __LINE__, grammar.error().message);
    }
    return grammar->states();
  };
  const std::size_t one = states_of(1);
  EXPECT_GT(one, 2000u);
  EXPECT_LT(states_of(200), one + 200 * 100);
}

TEST(CallGrammar, ASchemaThatIsNotEnforcedIsRefusedWithItsTool) {
  const std::string tools =
      WriteCallableTools({{"look", *ParseJson(R"({"type": "object", "not": {}})")}}, true);
  const auto grammar = GrammarOfCalls(SyntaxNamed("tool_call"), CallPlace::kWithinText, tools);
  ASSERT_FALSE(grammar.ok());
  EXPECT_EQ(grammar.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(grammar.error().message.find("the parameters of \"look\""), std::string::npos)
      << grammar.error().message;
}

TEST(CallGrammar, SchemasThatAreTooLargeTogetherAreRefusedBeforeAllAreRead) {
  const Json schema = *ParseJson(
      R"({"type": "object", "properties": {"a": {"type": "string", "maxLength": 20000}}})");
  std::vector<CallableTool> tools;
  for (int i = 0; i < 1000; ++i) {
    tools.push_back({fmt::format("f{}", i), schema});
  }
  const auto grammar = GrammarOfCalls(SyntaxNamed("tool_call"), CallPlace::kWithinText,
                                      WriteCallableTools(tools, true));
  ASSERT_FALSE(grammar.ok());
  EXPECT_EQ(grammar.error().code, ErrorCode::kExhausted);
  EXPECT_NE(grammar.error().message.find("what calls may be takes more than"), std::string::npos)
      << grammar.error().message;
}

TEST(CallGrammar, AToolThatIsTooLargeIsNamedWithTheLimitAndAWayOut) {
  Json values = Json::Array();
  for (int i = 0; i < 5000; ++i) {
    values.Append(fmt::format("{} {:->52}", i, ' '));
  }
  Json schema = Json::Of({{"type", "object"}});
  schema.Set("properties", Json::Of({{"a", Json::Of({{"enum", std::move(values)}})}}));
  const std::string tools = WriteCallableTools({{"small", Json()}, {"large", schema}}, true);
  const auto syntaxes = AllToolSyntaxes();  // those in tags come first
  for (const ToolSyntax& syntax : kSanitized ? syntaxes.subspan(1, 2) : syntaxes) {
    const auto grammar = GrammarOfCalls(syntax, CallPlace::kWithinText, tools);
    ASSERT_FALSE(grammar.ok()) << syntax.name;
    EXPECT_EQ(grammar.error().code, ErrorCode::kExhausted) << syntax.name;
    const std::string& message = grammar.error().message;
    EXPECT_EQ(message.find("GBNF"), std::string::npos) << message;
    for (const std::string_view part :
         {"the parameters of \"large\"", "more than 262144 states", "enum"}) {
      EXPECT_NE(message.find(part), std::string::npos) << syntax.name << ": " << message;
    }
  }
}

// The error of one tool, whose parameters this is, in tags.
Error ErrorInTags(const Json& schema, SourceWork work = {}) {
  const auto grammar = GrammarOfCallsWith(SyntaxNamed("parameter_tags"), CallPlace::kWhole,
                                          WriteCallableTools({{"large", schema}}, true), work);
  CHECK(!grammar.ok());
  return grammar.error();
}

// A tool whose arguments a0, a1, ... are each `argument`.
Json ManyArguments(int arguments, std::string_view argument, Json definitions) {
  Json properties = Json::Object();
  auto& members = *properties.object();
  for (int i = 0; i < arguments; ++i) {
    members.emplace_back(fmt::format("a{}", i), *ParseJson(argument));
  }
  return Json::Of({{"properties", std::move(properties)}, {"$defs", std::move(definitions)}});
}

// l0 refers to l1, which refers to l2, and so on; the last is `end`.
Json Chain(int links, std::string_view end) {
  Json chain = Json::Object();
  for (int i = 0; i < links; ++i) {
    chain.object()->emplace_back(fmt::format("l{}", i),
                                 Json::Of({{"$ref", fmt::format("#/$defs/l{}", i + 1)}}));
  }
  chain.object()->emplace_back(fmt::format("l{}", links), *ParseJson(end));
  return chain;
}

constexpr double kMostSeconds = 12;

TEST(CallGrammar, AListThatVeryManyArgumentsReferToIsNotReadForEach) {
  Json values = Json::Array();
  Json branches = Json::Array();
  for (int i = 0; i < 8000; ++i) {
    values.Append(fmt::format("value number {} of all", i));
    branches.Append(Json::Of({{"const", "the same"}}));
  }
  const Json definitions = Json::Of({{"e", Json::Of({{"enum", std::move(values)}})},
                                     {"f", Json::Of({{"anyOf", std::move(branches)}})}});
  for (const std::string_view argument : {R"({"$ref": "#/$defs/e"})", R"({"$ref": "#/$defs/f"})"}) {
    const double before = CpuSeconds();
    const Error error = ErrorInTags(ManyArguments(5000, argument, definitions));
    EXPECT_LT(CpuSeconds() - before, kMostSeconds) << argument;
    EXPECT_EQ(error.code, ErrorCode::kExhausted) << error.message;
    EXPECT_NE(error.message.find("the parameters of \"large\""), std::string::npos)
        << error.message;
  }
}

// (Each took a copy of all that was seen before it.)
TEST(CallGrammar, ChoicesWithinAChoiceTakeTimeInProportionToTheirNumber) {
  const auto seconds = [](int choices) {
    Json outer = Json::Array();
    for (int i = 0; i < choices; ++i) {
      Json inner = Json::Array();
      inner.Append(Json::Of({{"const", fmt::format("{}", i)}}));
      outer.Append(Json::Of({{"oneOf", std::move(inner)}}));
    }
    const Json definitions = Json::Of({{"e", Json::Of({{"anyOf", std::move(outer)}})}});
    const Json schema = ManyArguments(1, R"({"$ref": "#/$defs/e"})", definitions);
    SourceWork work;
    const double begin = CpuSeconds();
    (void)GrammarOfCallsWith(SyntaxNamed("parameter_tags"), CallPlace::kWhole,
                             WriteCallableTools({{"large", schema}}, true), work);
    return CpuSeconds() - begin;
  };
  const double few = seconds(2'500);
  EXPECT_LT(seconds(20'000), 12 * few) << few;
}

TEST(CallGrammar, ReferencesThatVeryManyArgumentsComeByAreReadOnce) {
  const std::string far(300'000, 'n');
  Json many = Chain(1000, R"({"type": "integer"})");
  Json large = Chain(300, R"({"type": "integer"})");
  for (Json::Member& link : *large.object()) {
    for (int i = 0; i < 40; ++i) {
      link.second.Set(fmt::format("{}", i), true);
    }
  }
  const std::pair<const char*, Json> cases[] = {
      {"one that is long", Json::Of({{"l0", Json::Of({{"$ref", "#/$defs/" + far}})},
                                     {far, Json::Of({{"type", "integer"}})}})},
      {"very many", std::move(many)},
      {"large ones", std::move(large)},
  };
  for (const auto& [name, definitions] : cases) {
    const double before = CpuSeconds();
    const Error error = ErrorInTags(ManyArguments(10'000, R"({"$ref": "#/$defs/l0"})", definitions),
                                    {.left = SourceWork::kMost / 64});
    EXPECT_LT(CpuSeconds() - before, kMostSeconds) << name;
    EXPECT_EQ(error.code, ErrorCode::kExhausted) << name << ": " << error.message;
  }
}

TEST(CallGrammar, WhatIsTooLargeInTagsIsSaidWithItsLimit) {
  const std::string long_name(300'000, 'n');
  Json::Array escaped;
  Json::Array shared;
  for (int i = 0; i < 6; ++i) {
    escaped.emplace_back(std::string(50'000, '"') + std::to_string(i));
    shared.emplace_back(fmt::format("{}{}", i, std::string(30'000, 'v')));
  }
  const std::pair<Json, std::string_view> cases[] = {
      {Json::Of({{"description", std::string(Grammar::kMaxSourceBytes, 'd')}}),
       "it takes 1048594 bytes, and a schema has at most 1048576: say less in it"},
      {Json::Of({{"properties", Json::Of({{long_name, true}})}}),
       "the names of its properties take a grammar of 300012 states or more, and one has at most "
       "262144: list fewer, or shorten their names"},
      {ManyArguments(7, R"({"$ref": "#/$defs/e"})",
                     Json::Of({{"e", Json::Of({{"enum", shared}})}})),
       "the property \"a5\": with this, the values and choices that arguments list, each for "
       "itself, take more than 1048576 bytes: list fewer or shorter values"},
      {Json::Of({{"properties", Json::Of({{"a", Json::Of({{"enum", escaped}})}})}}),
       "what a call may be takes 1200"},
      {ManyArguments(1, R"({"$ref": "#/$defs/e"})",
                     Json::Of({{"e", Json::Of({{"enum", shared}})}})),
       "what a call may be takes a grammar of more than 262144 states or 1048576 edges: list fewer "
       "or shorter values (enum, const), or bound less"},
  };
  for (const auto& [schema, message] : cases) {
    const Error error = ErrorInTags(schema);
    EXPECT_EQ(error.code, ErrorCode::kExhausted) << error.message;
    EXPECT_NE(error.message.find(message), std::string::npos) << message << "\n" << error.message;
  }
}

TEST(CallGrammar, ToolsTakeNoMoreWorkTogetherThanOneMay) {
  const Json costly = *ParseJson(R"({"properties":{"a":{"type":["integer","string"],"allOf":[
      {"pattern":"^(a|b)*a(a|b){7}$"},{"pattern":"^(a|b)*b(a|b){6}$"},{"maxLength":9}]}}})");
  Json::Array values;
  for (int i = 0; i < 2000; ++i) {
    values.push_back(Json::Of({{"const", fmt::format("</parameter>{}", i)}}));
  }
  values.emplace_back(Json::Of({{"const", "x"}}));
  const Json unwritten = ManyArguments(10, R"({"$ref": "#/$defs/all"})",
                                       Json::Of({{"all", Json::Of({{"anyOf", values}})}}));
  const std::pair<const char*, Json> cases[] = {{"json", costly}, {"parameter_tags", unwritten}};
  const auto grammar_of = [](std::string_view syntax, const std::vector<CallableTool>& tools) {
    SourceWork work = {.left = SourceWork::kMost / 16};
    return GrammarOfCallsWith(SyntaxNamed(syntax), CallPlace::kWhole,
                              WriteCallableTools(tools, true), work);
  };
  for (const auto& [syntax, schema] : cases) {
    std::vector<CallableTool> tools;
    for (int i = 0; i < 50; ++i) {
      tools.push_back({fmt::format("f{}", i), schema});
    }
    const auto grammar = grammar_of(syntax, tools);
    ASSERT_FALSE(grammar.ok()) << syntax;
    EXPECT_EQ(grammar.error().code, ErrorCode::kExhausted) << syntax;
    EXPECT_NE(grammar.error().message.find("too much work together"), std::string::npos)
        << grammar.error().message;
    tools.resize(2);
    const auto two = grammar_of(syntax, tools);
    EXPECT_TRUE(two.ok()) << two.error().message;
  }
}

TEST(CallGrammar, ReferencesOneBehindAnotherAreFollowedSoFarInTags) {
  constexpr std::string_view kArgument = R"({"$ref": "#/$defs/l0"})";
  constexpr std::string_view kEnd = R"({"enum": ["x", "y"]})";
  const auto near = GrammarOfCalls(
      SyntaxNamed("parameter_tags"), CallPlace::kWhole,
      WriteCallableTools({{"f", ManyArguments(1, kArgument, Chain(20, kEnd))}}, true));
  EXPECT_TRUE(near.ok()) << near.error().message;
  for (const int links : {100, 20000}) {
    const Error error = ErrorInTags(ManyArguments(1, kArgument, Chain(links, kEnd)));
    EXPECT_EQ(error.code, ErrorCode::kUnsupported) << links;
    EXPECT_NE(error.message.find("what \"$ref\" says"), std::string::npos) << error.message;
  }
}

TEST(CallGrammar, TypesOfArgumentsAreReadQuicklyHoweverLongTheirReferences) {
  const auto read = [](int links) {
    const Json schema =
        ManyArguments(300, R"({"$ref": "#/$defs/l0"})", Chain(links, R"({"type": "integer"})"));
    const Json offered =
        Json::Array{Json::Of({{"function", Json::Of({{"name", "f"}, {"parameters", schema}})}})};
    ToolParser parser(SyntaxNamed("parameter_tags"), 1, &offered);
    std::string call = "<tool_call><function=f>";
    for (int i = 0; i < 300; ++i) {
      call += fmt::format("<parameter=a{}>5</parameter>", i);
    }
    std::string arguments;
    for (const ToolNews& news : parser.Push(call + "</function>")) {
      arguments += news.kind == ToolNews::Kind::kArguments ? news.text : "";
    }
    return ParseJson(arguments);
  };
  const auto near = read(20);
  ASSERT_TRUE(near.ok());
  EXPECT_EQ(*near->Find("a299"), Json(5));
  const double before = CpuSeconds();
  const auto far = read(10000);
  EXPECT_LT(CpuSeconds() - before, kMostSeconds);
  ASSERT_TRUE(far.ok());
  EXPECT_EQ(*far->Find("a299"), Json("5"));
}

TEST(CallGrammar, MarksThatAreSpecialTokensAreWrittenAndOthersStandApart) {
  const Tokenizer tokenizer = testing_api::ByteTokenizer({"<|python_tag|>", "<|x|>", "[ARGS]"});
  EXPECT_EQ(MarksOfCalls(SyntaxNamed("json"), CallPlace::kWithinText, tokenizer),
            std::vector<std::int32_t>{256});
  EXPECT_TRUE(MarksOfCalls(SyntaxNamed("json"), CallPlace::kWhole, tokenizer).empty());
  EXPECT_TRUE(
      MarksOfCalls(SyntaxNamed("tool_calls_named"), CallPlace::kWithinText, tokenizer).empty());
  const ToolSyntax& syntax = SyntaxNamed("tool_call");
  for (const std::string_view content :
       {"<tool_call>", "x<tool_call>", "tool", "x<", "<tool", ">", "call>x"}) {
    EXPECT_TRUE(MayMakeAnOpener(syntax, content)) << content;
  }
  for (const std::string_view content : {"", "<|im_start|>", "<think>", "</s>", "tools"}) {
    EXPECT_FALSE(MayMakeAnOpener(syntax, content)) << content;
  }
}

}  // namespace
}  // namespace ashlar
