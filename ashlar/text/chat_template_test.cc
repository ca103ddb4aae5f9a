#include "ashlar/text/chat_template.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/text/jinja/parser.h"
#include "ashlar/text/jinja/render.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kData = ASHLAR_SOURCE_DIR "/ashlar/text/testdata";

// Thursday, the fifth of March 2026, 07:08:09: the time at which the expected texts were recorded.
constexpr std::tm kNow = {.tm_sec = 9,
                          .tm_min = 8,
                          .tm_hour = 7,
                          .tm_mday = 5,
                          .tm_mon = 2,
                          .tm_year = 126,
                          .tm_wday = 4,
                          .tm_yday = 63,
                          .tm_isdst = 0,
                          .tm_gmtoff = 0,
                          .tm_zone = nullptr};

Result<std::string> RenderText(std::string_view source, const Json& variables = Json::Of({})) {
  ASHLAR_TRY(const ChatTemplate parsed, ChatTemplate::Parse(source));
  return parsed.Render(variables, kNow);
}

std::string ErrorOf(std::string_view source, const Json& variables = Json::Of({})) {
  const Result<std::string> text = RenderText(source, variables);
  return text.ok() ? "no error, but: " + *text : text.error().message;
}

// What Python's Jinja2 3.1.6 makes of these in the setting of Hugging Face's apply_chat_template
// (tests/peers/jinja/record.py). Those without "out" are errors there.
TEST(ChatTemplate, RendersWhatJinjaRenders) {
  const Json data = *ParseJson(*ReadTextFile(kData / "jinja.json"));
  const Json& variables = *data.Find("variables");
  const Json::Array& cases = *data.Find("cases")->array();
  EXPECT_GT(cases.size(), 500u);
  Tally tally;
  for (const Json& item : cases) {
    const std::string& source = *item.Find("source")->string();
    const Result<std::string> text = RenderText(source, variables);
    if (const Json* expected = item.Find("out")) {
      ASSERT_TRUE(text.ok()) << source << "\n" << text.error().message;
      EXPECT_EQ(*text, *expected->string()) << source;
    } else {
      EXPECT_FALSE(text.ok()) << source << "\n" << *text;
    }
    const Json* const out = item.Find("out");
    tally.Count(out == nullptr ? !text.ok() : text.ok() && *text == *out->string());
  }
  Record({"Chat templates", "the language itself", "testdata/jinja.json", tally.text("snippets"),
          tally.all()});
}

// Templates in the manner of thirteen families, each over conversations with and without systems,
// tools, calls, parts and wrong orders; the expected texts are Jinja2's.
TEST(ChatTemplate, RendersTheConversationsOfEveryFamily) {
  const Json data = *ParseJson(*ReadTextFile(kData / "chat/rendered.json"));
  const Json::Array& conversations = *data.Find("variables")->array();
  const Json::Object& families = *data.Find("rendered")->object();
  EXPECT_GE(families.size(), 10u);
  for (const auto& [file, expected] : families) {
    const auto parsed = ChatTemplate::Parse(*ReadTextFile(kData / "chat" / file));
    ASSERT_TRUE(parsed.ok()) << file << ": " << parsed.error().message;
    ASSERT_EQ(expected.array()->size(), conversations.size());
    Tally tally;
    for (std::size_t i = 0; i < conversations.size(); ++i) {
      const Json& text = (*expected.array())[i];
      const Result<std::string> found = parsed->Render(conversations[i], kNow);
      if (text.is_null()) {
        EXPECT_FALSE(found.ok()) << file << ", conversation " << i;
      } else {
        ASSERT_TRUE(found.ok()) << file << ", " << i << ": " << found.error().message;
        EXPECT_EQ(*found, *text.string()) << file << ", conversation " << i;
      }
      tally.Count(text.is_null() ? !found.ok() : found.ok() && *found == *text.string());
    }
    Record({"Chat templates", file.substr(0, file.find('.')), "testdata/chat/" + file,
            tally.text("conversations"), tally.all()});
  }
}

TEST(ChatTemplate, SaysInWhichLineItWentWrongAndWhy) {
  EXPECT_EQ(ErrorOf("a\n{{ x.y }}"), "line 2: 'x' is undefined");
  EXPECT_EQ(ErrorOf("{{ 1\n + 'a' }}"), "line 2: + is not for integer and string");
  EXPECT_EQ(ErrorOf("{% if a %}\n"), "line 1: a block has no end; expected {% endif %}");
  EXPECT_EQ(ErrorOf("\n{{ a b }}"), "line 2: expected }}, found \"b\"");
  EXPECT_EQ(ErrorOf("{{ raise_exception('no system role') }}"),
            "line 1: the template refuses: no system role");
  EXPECT_EQ(ErrorOf("{% macro m(a) %}{{ a.b.c }}{% endmacro %}\n{{ m({}) }}"),
            "line 1: 'mapping' has no attribute 'b'");
  EXPECT_EQ(ErrorOf("{% extends 'base' %}"),
            "line 1: a chat template has no other templates to extends");
  EXPECT_EQ(ErrorOf("{{ a|xmlattr }}"), "line 1: there is no filter \"xmlattr\"");
  EXPECT_EQ(ErrorOf("{{ '%999999d' % 1 }}"), "line 1: a width in a format is above 1000");
  EXPECT_THAT(ErrorOf("{{ 9 ** 9 ** 9 }}"), HasSubstr("does not fit into 64 bits"));
  EXPECT_EQ(ErrorOf("\xff"), "the template is no UTF-8");
}

// A template is a program from a file: of the ways to run for ever or to fill the memory, each ends
// in an error, soon.
TEST(ChatTemplate, BoundsWhatItTakes) {
  for (const char* source : {
           "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
           "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
           "{% for a in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
           "{{ 'a' * 999999999999 }}",
           "{{ [1] * 999999999999 }}",
           "{{ range(999999999) }}",
           "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}"
           "{% endfor %}",
           "{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = [n.l, n.l] %}"
           "{% endfor %}{{ n.l }}",
           "{% set n = namespace(l=[1]) %}{% for i in range(9999) %}{% set n.l = [n.l] %}"
           "{% endfor %}{{ n.l }}",
           "{% set n = namespace(l=['a' * 99999]) %}{{ (n.l * 99999)|join|length }}",
           "{{ ('a' * 99999)|replace('a', 'b' * 99999) }}",
           "{% set s = 'a' * 99999 %}{% for i in range(999) %}{% set j = joiner(s) %}{% endfor %}",
           "{% set n = namespace(c=1) %}{% for i in range(9999) %}{% set n.c = cycler(n.c) %}"
           "{% endfor %}",
           "{% set n = namespace(c=cycler(1)) %}{% for i in range(9999) %}"
           "{% set n.c = cycler(n.c.next) %}{% endfor %}",
           "{% set n = namespace(l=[1]) %}{% for i in range(9999) %}{% set n.l = [n.l.index] %}"
           "{% endfor %}",
           "{% set n = namespace(p=1) %}{% for i in range(9999) %}{% for x in [n.p] %}"
           "{% set n.p = loop %}{% endfor %}{% endfor %}",
           "{{ ('{0!r:.1}' * 9999).format(['a' * 99999]) }}",
           "{% set l = ['a' * 99999] %}{% for i in range(999) %}{{ '%.1r' % l }}{% endfor %}",
           "{% for c in 'a' * 999999 %}{% endfor %}",
           "{{ ('\n' * 99999)|indent('b' * 99999, blank=true) }}",
       }) {
    // (Less than a template gets, so that a sanitizer is soon done.)
    const jinja::Limits limits = {.steps = 50'000, .bytes = 4 << 20, .output_bytes = 1 << 20};
    const auto text = jinja::Render(*jinja::Parse(source), Json::Of({}), kNow, limits);
    ASSERT_FALSE(text.ok()) << source;
    EXPECT_EQ(text.error().code, ErrorCode::kExhausted) << source << "\n" << text.error().message;
  }
}

TEST(ChatTemplate, RefusesWhatIsNestedTooDeepWhenItIsParsed) {
  const auto repeat = [](std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) {
      all += text;
    }
    return all;
  };
  constexpr int kMany = 2'000;
  const auto around = [&](std::string_view open, std::string_view close) {
    return "{{ " + repeat(open, kMany) + "1" + repeat(close, kMany) + " }}";
  };
  for (const std::string& source :
       {around("(", ")"), around("[", "]"), around("{'a':", "}"), around("f(", ")"),
        around("-", ""), around("not ", ""), around("", " + 1"), around("", ".b"),
        around("", "|trim"), around("", " if b"), repeat("{% if a %}", kMany),
        "{% for " + repeat("(", kMany) + "a" + repeat(")", kMany) + " in b %}"}) {
    const Result<std::string> text = RenderText(source);
    ASSERT_FALSE(text.ok()) << source.substr(0, 20);
    EXPECT_THAT(text.error().message, testing::AnyOf(HasSubstr("deep"), HasSubstr("operators")));
  }
  EXPECT_THAT(ErrorOf(repeat("a", (1 << 20) + 1)), HasSubstr("at most 1048576"));
}

// Cycles of references: the memory of each is given back (the leak check of a sanitizer looks).
TEST(ChatTemplate, GivesBackValuesThatHoldThemselves) {
  EXPECT_EQ(*RenderText("{% set n = namespace() %}{% set n.me = [n] %}a"), "a");
  EXPECT_EQ(*RenderText("{% macro m() %}{{ m is callable }}{% endmacro %}{{ m() }}"), "True");
  EXPECT_EQ(*RenderText("{% for a in [1] %}{{ loop.changed(loop) }}{% endfor %}"), "True");
}

TEST(ChatTemplate, ReachesNothingButItsVariables) {
  EXPECT_THAT(ErrorOf("{{ ''.__class__.__mro__ }}"), HasSubstr("'string' has no attribute"));
  EXPECT_THAT(ErrorOf("{{ [].append(1) }}"), HasSubstr("'list' has no attribute 'append'"));
  EXPECT_THAT(ErrorOf("{{ self.x }}{{ cycler('a') }}"), HasSubstr("'self' is undefined"));
}

}  // namespace
}  // namespace ashlar
