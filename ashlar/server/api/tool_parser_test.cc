#include "ashlar/server/api/tool_parser.h"

#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/server/api/testing_networks.h"

namespace ashlar {
namespace {

const ToolSyntax& SyntaxNamed(std::string_view name) {
  for (const ToolSyntax& syntax : AllToolSyntaxes()) {
    if (syntax.name == name) {
      return syntax;
    }
  }
  CHECK(false);
  return AllToolSyntaxes().front();
}

// "text|f({..})": what came out, put together.
std::string Summary(const std::vector<ToolNews>& news) {
  std::string text;
  bool in_call = false;
  for (const ToolNews& each : news) {
    if (in_call && each.kind != ToolNews::Kind::kArguments) {
      text += ")";
      in_call = false;
    }
    if (each.kind == ToolNews::Kind::kCall) {
      text += "|" + each.text + "(";
      in_call = true;
    } else {
      text += each.text;
    }
  }
  return text + (in_call ? ")" : "");
}

void Append(std::vector<ToolNews>& all, std::vector<ToolNews> more) {
  for (ToolNews& each : more) {
    all.push_back(std::move(each));
  }
}

std::string Parsed(const ToolSyntax& syntax, std::string_view answer, std::mt19937_64* random,
                   int most = 100, CallsMayCome calls_may_come = CallsMayCome::kAnywhere) {
  ToolParser parser(syntax, most, /*tools=*/nullptr, calls_may_come);
  std::vector<ToolNews> news;
  while (!answer.empty()) {
    const std::size_t size =
        random == nullptr ? answer.size() : std::min<std::size_t>(answer.size(), (*random)() % 5);
    Append(news, parser.Push(answer.substr(0, size)));
    answer.remove_prefix(size);
  }
  Append(news, parser.Finish());
  return Summary(news);
}

struct ParserCase {
  const char* syntax;
  const char* answer;
  const char* expected;
};

constexpr ParserCase kParserCases[] = {
    // Hermes: one call, several, text before, after and between.
    {"tool_call", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>",
     "|f({\"a\": 1})"},
    {"tool_call",
     "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n"
     "<tool_call>{\"name\":\"g\",\"arguments\":{\"b\":[1,{\"c\":\"}\"}]}}</tool_call>",
     "|f({})|g({\"b\":[1,{\"c\":\"}\"}]})"},
    {"tool_call", "Let me see.\n\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>",
     "Let me see.|f({})"},
    {"tool_call", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call> and so on ",
     "|f({}) and so on"},
    // Members in another order, further ones, no arguments, arguments in a string.
    {"tool_call", "<tool_call>{\"arguments\": {\"a\": \"x\\\"y\"}, \"name\": \"f\"}</tool_call>",
     "|f({\"a\": \"x\\\"y\"})"},
    {"tool_call", "<tool_call>{\"id\": \"1\", \"type\": \"function\", \"name\": \"f\"}</tool_call>",
     "|f({})"},
    {"tool_call", "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}</tool_call>",
     "|f({\"a\": 1})"},
    // What is no call is text: other JSON, an unknown member, a mark that does not go on.
    {"tool_call", "2 <tool_ 3", "2 <tool_ 3"},
    {"tool_call", "<tool_call>{\"nome\": \"f\"}</tool_call>",
     "<tool_call>{\"nome\": \"f\"}</tool_call>"},
    {"tool_call", "<tool_call>f(1)</tool_call>", "<tool_call>f(1)</tool_call>"},
    {"tool_call", "<tool_call>{\"name\": 3, \"arguments\": {}}</tool_call>",
     "<tool_call>{\"name\": 3, \"arguments\": {}}</tool_call>"},
    {"tool_call", "  \n", "  \n"},
    // Cut off: before the name it is text, after it the arguments are what came.
    {"tool_call", "<tool_call>{\"na", "<tool_call>{\"na"},
    {"tool_call", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": [1, 2", "|f({\"a\": [1, 2)"},
    {"tool_call", "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_c", "|f({})"},
    // Mistral.
    {"tool_calls_list",
     "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": "
     "{}}]",
     "|f({\"a\": 1})|g({})"},
    {"tool_calls_list", "Yes.[TOOL_CALLS][{\"arguments\": {}, \"name\": \"f\", \"id\": \"x\"}]",
     "Yes.|f({})"},
    {"tool_calls_named", "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]9[ARGS]{}",
     "|f({\"a\": 1})|g({})"},
    {"tool_calls_named", "[TOOL_CALLS] [ARGS]{}", "[TOOL_CALLS] [ARGS]{}"},
    // Functions in tags.
    {"function_tag", "<function=f>{\"a\": 1}</function>", "|f({\"a\": 1})"},
    {"function_tag", "a < b", "a < b"},
    // Arguments in tags: texts, where nothing is known of the tool.
    {"parameter_tags",
     "I look.\n<tool_call>\n<function=f>\n<parameter=city>\nSan\n\"X\"\n</parameter>\n"
     "<parameter=n>3</parameter>\n</function>\n</tool_call>",
     "I look.|f({\"city\": \"San\\n\\\"X\\\"\", \"n\": \"3\"})"},
    {"parameter_tags",
     "<tool_call><function=f></function></tool_call>\n<tool_call><function=g>\n</function>"
     "</tool_call> so.",
     "|f({})|g({}) so."},
    {"parameter_tags",
     "<tool_call><function=f><parameter=a>1</parameter><parameter=a>2</parameter></function>",
     "|f({\"a\": \"1\"})"},
    {"parameter_tags", "<tool_call><function=f><parameter=a>1</parameter><parameter=b>2 <",
     "|f({\"a\": \"1\")"},
    {"parameter_tags", "<tool_call>{\"name\": \"f\"}</tool_call>",
     "<tool_call>{\"name\": \"f\"}</tool_call>"},
    {"parameter_tags", "<tool_call><function=no name></function>",
     "<tool_call><function=no name></function>"},
    {"argument_tags",
     "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x < y</arg_value>\n<arg_key>b</arg_key>"
     "<arg_value></arg_value>\n</tool_call>\n<tool_call>g\n</tool_call>",
     "|f({\"a\": \"x < y\", \"b\": \"\"})|g({})"},
    {"argument_tags", "<tool_call>{\"name\": 1}\n</tool_call>",
     "<tool_call>{\"name\": 1}\n</tool_call>"},
    // Llama 3: JSON, when the answer begins with it.
    {"json", "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "|f({\"a\": 1})"},
    {"json", " \n{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}", "|f({})"},
    {"json",
     "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
     "|f({})|g({})"},
    {"json", "{\"answer\": 3}", "{\"answer\": 3}"},
    {"json", "It is {\"name\": \"f\", \"parameters\": {}}",
     "It is {\"name\": \"f\", \"parameters\": {}}"},
};

TEST(ToolParser, FindsTheCallsOfEachSyntaxHoweverTheAnswerIsCut) {
  std::mt19937_64 random(TestSeed());
  for (const ParserCase& each : kParserCases) {
    const ToolSyntax& syntax = SyntaxNamed(each.syntax);
    EXPECT_EQ(Parsed(syntax, each.answer, nullptr), each.expected) << each.syntax;
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(Parsed(syntax, each.answer, &random), each.expected) << each.syntax;
    }
  }
}

TEST(ToolParser, WhereCallsComeFirstAnAnswerThatBeginsWithTextHasNone) {
  std::mt19937_64 random(TestSeed());
  constexpr std::string_view kCall = R"(<tool_call>{"name": "f", "arguments": {}}</tool_call>)";
  const std::pair<std::string, std::string> cases[] = {
      {fmt::format(R"({{"a": '{}'}} )", kCall), fmt::format(R"({{"a": '{}'}} )", kCall)},
      {fmt::format("<tool {}", kCall), fmt::format("<tool {}", kCall)},
      {fmt::format(" \n{}\n{} ", kCall, kCall), "|f({})|f({})"},
      {" <tool_", " <tool_"},
      {" ", " "},
      {"", ""},
  };
  for (const auto& [answer, expected] : cases) {
    for (int round = 0; round < 20; ++round) {
      EXPECT_EQ(Parsed(SyntaxNamed("tool_call"), answer, round == 0 ? nullptr : &random, 100,
                       CallsMayCome::kFirst),
                expected);
    }
  }
}

TEST(ToolParser, GivesOutNoMoreCallsThanItMay) {
  EXPECT_EQ(Parsed(SyntaxNamed("tool_call"),
                   "Hm.<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>"
                   "<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call> after",
                   nullptr, 1),
            "Hm.|f({\"a\":1})");
}

TEST(ToolParser, ArgumentsInTagsAreOfTheTypesThatTheToolSays) {
  const Json tools = *ParseJson(R"([{"function": {"name": "g"}}, {"type": "function", "function":
      {"name": "f", "parameters": {"type": "object", "properties": {
          "text": {"type": "string"}, "count": {"type": "integer"}, "list": {"type": "array"},
          "flag": {"type": "boolean"}, "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
          "either": {"type": ["number", "null"]}, "any": {}, "bad": 3}}}}])");
  struct ValueCase {
    const char* key;
    const char* written;
    const char* json;
  };
  constexpr ValueCase kCases[] = {
      {"text", "5", "\"5\""},        {"count", "\n5\n", "5"},
      {"count", "five", "\"five\""}, {"list", "[1, {\"a\": \"b\"}]", "[1, {\"a\": \"b\"}]"},
      {"flag", "True", "true"},      {"flag", " false ", "false"},
      {"maybe", "null", "null"},     {"maybe", "5", "\"5\""},
      {"either", "None", "null"},    {"either", "-1.5e3", "-1.5e3"},
      {"any", "5", "\"5\""},         {"bad", "5", "\"5\""},
      {"other", "{}", "\"{}\""},
  };
  for (const ValueCase& each : kCases) {
    ToolParser parser(SyntaxNamed("parameter_tags"), 100, &tools);
    std::vector<ToolNews> news = parser.Push(fmt::format(
        "<tool_call><function=f><parameter={}>{}</parameter></function>", each.key, each.written));
    EXPECT_EQ(Summary(news), fmt::format("|f({{\"{}\": {}}})", each.key, each.json));
  }
}

TEST(ToolParser, StreamsArgumentsAsTheyCome) {
  ToolParser parser(SyntaxNamed("tool_call"), 100);
  std::vector<ToolNews> news = parser.Push("<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": ");
  EXPECT_EQ(news, (std::vector<ToolNews>{{ToolNews::Kind::kCall, "f"},
                                         {ToolNews::Kind::kArguments, "{\"a\": "}}));
  EXPECT_EQ(parser.Push("12"), (std::vector<ToolNews>{{ToolNews::Kind::kArguments, "12"}}));
}

// Pieces of calls in any order: no text is lost, and cutting changes nothing.
TEST(ToolParser, CuttingChangesNothingInRandomAnswers) {
  constexpr const char* kPieces[] = {"<tool_call>",
                                     "</tool_call>",
                                     "[TOOL_CALLS]",
                                     "[ARGS]",
                                     "<function=",
                                     ">",
                                     "</function>",
                                     "<function=f>",
                                     "<parameter=a>",
                                     "</parameter>",
                                     "f\n",
                                     "<arg_key>a</arg_key>",
                                     "<arg_value>",
                                     "</arg_value>",
                                     "{",
                                     "}",
                                     "\"name\"",
                                     ":",
                                     "\"f\"",
                                     ",",
                                     "\"arguments\"",
                                     "\"parameters\"",
                                     "[",
                                     "]",
                                     " ",
                                     "\n",
                                     "f",
                                     "\\",
                                     "\"",
                                     "{\"name\": \"f\", \"arguments\": {}}",
                                     "<|python_tag|>",
                                     ";",
                                     "text"};
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 3000; ++i) {
    std::string answer;
    for (std::size_t n = random() % 12; n > 0; --n) {
      answer += kPieces[random() % std::size(kPieces)];
    }
    for (const ToolSyntax& syntax : AllToolSyntaxes()) {
      ASSERT_EQ(Parsed(syntax, answer, &random), Parsed(syntax, answer, nullptr))
          << syntax.name << ": " << answer;
    }
  }
}

TEST(ToolSyntax, IsSeenFromWhatTheTemplateWrites) {
  struct TemplateCase {
    const char* source;
    const char* expected;  // null: it has none
  };
  const TemplateCase cases[] = {
      {testing_api::kToolTemplate.data(), "tool_call"},
      {"{{ messages[0].content }}", nullptr},
      {"{% if tools %}T{% endif %}{% for m in messages %}{{ m.content }}{% if m.tool_calls %}"
       "[TOOL_CALLS]{{ m.tool_calls | tojson }}{% endif %}{% endfor %}",
       "tool_calls_list"},
      {"{% if tools %}T{% endif %}{% for m in messages %}{% for c in m.tool_calls or [] %}"
       "[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}"
       "{% endfor %}",
       "tool_calls_named"},
      {"{% if tools %}T{% endif %}{% for m in messages %}{% for c in m.tool_calls or [] %}"
       "{\"name\": \"{{ c.function.name }}\", \"parameters\": {{ c.function.arguments | tojson }}}"
       "{% endfor %}{% endfor %}",
       "json"},
      {"{% if tools %}T{% endif %}{% for m in messages %}{% for c in m.tool_calls or [] %}"
       "<tool_call><function=f><parameter=a>1</parameter></function></tool_call>"
       "{% endfor %}{% endfor %}",
       "parameter_tags"},
      {"{% if tools %}T{% endif %}{% for m in messages %}{% for c in m.tool_calls or [] %}"
       "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>"
       "{% endfor %}{% endfor %}",
       "argument_tags"},
      {"{% if tools %}T{% endif %}{% for m in messages %}{% for c in m.tool_calls or [] %}"
       "<call f/>{% endfor %}{% endfor %}",
       nullptr},
      // Refuses calls, and says in words how they are written.
      {"{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no') }}{% endif %}"
       "{% endfor %}{% if tools %}Write <tool_call>{}</tool_call>{% endif %}",
       "tool_call"},
  };
  for (const TemplateCase& each : cases) {
    const auto format = ChatFormat::FromTemplate(each.source);
    ASSERT_TRUE(format.ok()) << format.error().message;
    const ToolSyntax* const found = FindToolSyntax(*format, Json());
    ASSERT_EQ(found != nullptr, each.expected != nullptr) << each.source;
    EXPECT_TRUE(found == nullptr || found->name == each.expected) << each.source;
  }
}

}  // namespace
}  // namespace ashlar
