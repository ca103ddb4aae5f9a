#include "ashlar/base/json.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/json_syntax.h"
#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

Json Parse(std::string_view text) {
  Result<Json> value = ParseJson(text);
  EXPECT_TRUE(value.ok()) << text << ": " << value.error().message;
  return *std::move(value);
}

std::string Canonical(std::string_view text) {
  return CanonicalJson(Parse(text));
}

// The parser's message, or "accepted".
std::string ErrorOf(std::string_view text, const JsonLimits& limits = {}) {
  const Result<Json> value = ParseJson(text, limits);
  if (value.ok()) {
    return "accepted";
  }
  EXPECT_EQ(value.error().code, ErrorCode::kInvalid);
  return value.error().message;
}

void ExpectError(std::string_view text, std::string_view place, std::string_view reason) {
  const std::string error = ErrorOf(text);
  EXPECT_TRUE(error.find(place) != std::string::npos && error.find(reason) != std::string::npos)
      << "for " << text << "\n  expected: " << place << " ... " << reason << "\n  found: " << error;
}

// ---- Values

TEST(Json, KeepsItsKeysInOrderAndItsIntegersWhole) {
  const Json value = Parse(R"({"z": 9223372036854775807, "a": [-9223372036854775808, 1.5, null]})");
  EXPECT_EQ(WriteJson(value), R"({"z":9223372036854775807,"a":[-9223372036854775808,1.5,null]})");
  EXPECT_EQ(*value.Find("z")->integer(), std::numeric_limits<std::int64_t>::max());
}

TEST(Json, IntegersThatDoNotFitBecomeReals) {
  EXPECT_EQ(*Parse("9223372036854775808").real(), 9223372036854775808.0);
  EXPECT_EQ(*Parse("-9223372036854775809").real(), -9223372036854775808.0);
  EXPECT_EQ(*Parse("18446744073709551616").real(), 18446744073709551616.0);
}

TEST(Json, EachAccessorIsNullForEveryOtherType) {
  const std::pair<Json, const char*> values[] = {
      {nullptr, "null"},
      {true, "boolean"},
      {7, "integer"},
      {0.5, "real"},
      {"s", "string"},
      {Json::Array(), "array"},
      {Json::Object(), "object"},
  };
  for (const auto& [value, name] : values) {
    const std::string_view type = name;
    EXPECT_EQ(value.type_name(), type);
    EXPECT_EQ(value.is_null(), type == "null");
    EXPECT_EQ(value.boolean() != nullptr, type == "boolean");
    EXPECT_EQ(value.integer() != nullptr, type == "integer");
    EXPECT_EQ(value.real() != nullptr, type == "real");
    EXPECT_EQ(value.string() != nullptr, type == "string");
    EXPECT_EQ(value.array() != nullptr, type == "array");
    EXPECT_EQ(value.object() != nullptr, type == "object");
    EXPECT_EQ(value.Find("key"), nullptr);
  }
}

TEST(Json, SetReplacesOrAddsAndAppendAdds) {
  Json value;
  value.Set("a", 1);
  value.Set("b", "x");
  value.Set("a", Json::Of({{"c", true}}));
  Json list;
  list.Append(1);
  list.Append(nullptr);
  value.Set("list", list);
  EXPECT_EQ(WriteJson(value), R"({"a":{"c":true},"b":"x","list":[1,null]})");
  EXPECT_EQ(value, Parse(WriteJson(value)));
}

TEST(JsonDeathTest, SettingAMemberOfANumberAborts) {
  Json value = 1;
  EXPECT_DEATH(value.Set("a", 1), "CHECK failed");
  EXPECT_DEATH(value.Append(1), "CHECK failed");
  EXPECT_DEATH(Json{std::numeric_limits<std::uint64_t>::max()}, "CHECK failed");
}

// ---- Parsing: the lies

TEST(ParseJson, nothing_at_all) {
  ExpectError("", "byte 0 (the end)", "unexpected end of input");
  ExpectError(" \n", "byte 2 (the end)", "unexpected end of input");
}

TEST(ParseJson, truncated) {
  const std::string_view whole = R"({"a":[1,{"b":"\u00e9"}],"c":tru)";
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    EXPECT_NE(ErrorOf(whole.substr(0, length)), "accepted") << length;
  }
  ExpectError(R"(["abc)", "byte 5 (the end)", "missing closing quote");
}

TEST(ParseJson, garbage_after_the_end) {
  ExpectError("[1] x", "byte 4 ('x')", "syntax error");
  ExpectError("{}{}", "byte 2 ('{')", "syntax error");
  ExpectError("1 2", "byte 2 ('2')", "syntax error");
}

TEST(ParseJson, nul_hides_the_rest) {
  using namespace std::string_view_literals;
  ExpectError("{}\0{\"hidden\":1}"sv, "byte 2", "NUL");
  ExpectError("[1]\0"sv, "byte 3", "NUL");
  ExpectError("\"a\0b\""sv, "byte 2", "NUL");
}

TEST(ParseJson, duplicate_key) {
  ExpectError(R"({"a":1,"b":2,"a":3})", "byte 15", R"(duplicate key "a")");
  ExpectError(R"([{"x":{"k":1,"\u006b":2}}])", "byte 20", R"(duplicate key "k")");
  EXPECT_EQ(ErrorOf(R"([{"a":1},{"a":2}])"), "accepted");
}

TEST(IsJsonText, duplicate_keys_and_depth_are_for_readers) {
  for (const std::string& text :
       {std::string(R"({"a":1,"a":[{"b":2,"b":3}]})"), std::string(" 5 "), std::string("null"),
        std::string(500, '[') + std::string(500, ']')}) {
    EXPECT_TRUE(IsJsonText(text)) << text;
  }
  for (const std::string& text :
       {std::string(""), std::string("{\"a\":1,}"), std::string("yes"), std::string("1 2"),
        std::string("\"\xFF\""), std::string("1\0", 2), std::string("1e999"),
        std::string("[-1e999]"),
        std::string("\xEF\xBB\xBF"
                    "1"),
        std::string(500, '[')}) {
    EXPECT_FALSE(IsJsonText(text)) << text;
  }
}

TEST(ParseJson, duplicate_key_of_megabytes_makes_a_short_error) {
  const std::string key(1 << 20, 'k');
  EXPECT_LT(ErrorOf("{\"" + key + "\":1,\"" + key + "\":2}").size(), 300u);
}

TEST(ParseJson, duplicate_key_among_very_many_is_found_quickly) {
  std::string text = "{";
  for (int i = 0; i < 200000; ++i) {
    text += fmt::format("\"key{}\":{},", i, i);
  }
  ExpectError(text + "\"key77\":0}", "byte", R"(duplicate key "key77")");
}

// Overlong, a surrogate, past U+10FFFF, a lone continuation, cut short, five bytes long.
constexpr const char* kIllFormed[] = {"\xc0\x80",     "\xe0\x80\x80",        "\xf0\x80\x80\x80",
                                      "\xed\xa0\x80", "\xf4\x90\x80\x80",    "\x80",
                                      "\xe2\x82",     "\xf8\x88\x80\x80\x80"};

TEST(ParseJson, ill_formed_utf8) {
  ExpectError("[\"\xff\"]", "byte 2 (0xff)", "ill-formed UTF-8");
  for (const char* bad : kIllFormed) {
    EXPECT_NE(ErrorOf(fmt::format("\"{}\"", bad)), "accepted");
    EXPECT_NE(ErrorOf(fmt::format("{{\"{}\":1}}", bad)), "accepted");
  }
}

TEST(ParseJson, half_of_a_surrogate_pair) {
  ExpectError(R"("\ud800")", "byte", "surrogate");
  ExpectError(R"("\udc00")", "byte", "surrogate");
  ExpectError(R"("\ud800\u0041")", "byte", "surrogate");
  EXPECT_EQ(*Parse(R"("\ud83d\ude00")").string(), "\xF0\x9F\x98\x80");
}

TEST(ParseJson, nested_too_deep) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(ErrorOf(nested(128)), "accepted");
  ExpectError(nested(129), "byte 128 ('[')", "nested deeper than 128 levels");
  ExpectError(nested(10'000'000), "byte 128 ('[')", "nested deeper");
  EXPECT_EQ(ErrorOf(R"({"a":{}})", {.max_depth = 2}), "accepted");
  EXPECT_NE(ErrorOf(R"({"a":{}})", {.max_depth = 1}), "accepted");
  EXPECT_EQ(ErrorOf("1", {.max_depth = 0}), "accepted");
}

TEST(ParseJson, larger_than_the_limits) {
  EXPECT_EQ(ErrorOf("[1,2,3]", {.max_bytes = 7}), "accepted");
  EXPECT_NE(ErrorOf("[1,2,3]", {.max_bytes = 6}).find("7 bytes, more than the 6"),
            std::string::npos);
  EXPECT_EQ(ErrorOf("[1,2,3]", {.max_values = 4}), "accepted");
  EXPECT_NE(ErrorOf("[1,2,3]", {.max_values = 3}).find("more than 3 values"), std::string::npos);
  EXPECT_NE(ErrorOf("[[],[]]", {.max_values = 2}).find("more than 2 values"), std::string::npos);
}

TEST(ParseJson, number_too_large) {
  ExpectError("[1e999]", "byte 5 ('9')", "overflows a double");
  ExpectError("-1e309", "byte 5", "overflows a double");
  ExpectError(std::string(1'000'000, '9'), "byte 999999", "overflows a double");
  EXPECT_EQ(*Parse("1e-999").real(), 0.0);
}

TEST(ParseJson, what_other_parsers_let_through) {
  for (const char* text :
       {"[1,]",      "{\"a\":1,}", "[,1]",       "[1 2]",     "{\"a\" 1}", "{a:1}", "{'a':1}",
        "{1:1}",     "[01]",       "[+1]",       "[.5]",      "[1.]",      "[1e]",  "[0x10]",
        "[-]",       "[NaN]",      "[Infinity]", "nan",       "True",      "nul",   "\"tab\there\"",
        "\"\\x41\"", "\"\\u12\"",  "// c\n1",    "1 /* c */", "[1}",       "]",     "{\"a\":}",
        "{\"a\"}",   "\"a",        "'a'"}) {
    EXPECT_NE(ErrorOf(text), "accepted") << text;
  }
}

TEST(ParseJson, AcceptsEverySpacingAndEscape) {
  EXPECT_EQ(Canonical(" \t\r\n[ 1 , 2 ] \n"), "[1,2]");
  EXPECT_EQ(Canonical(R"("\"\\\/\b\f\n\r\t\u0041\u20ac")"), "\"\\\"\\\\/\\b\\f\\n\\r\\tA\u20ac\"");
  EXPECT_EQ(Canonical("[1E2,1e+2,100.0,-0,-0.0,0e5]"), "[100,100,100,0,0,0]");
}

// ---- Writing

TEST(WriteJson, PrettyIndentsByTwo) {
  EXPECT_EQ(WriteJsonPretty(Parse(R"({"b":[1,{"c":null}],"a":{},"d":[]})")),
            "{\n  \"b\": [\n    1,\n    {\n      \"c\": null\n    }\n  ],\n"
            "  \"a\": {},\n  \"d\": []\n}");
}

TEST(WriteJson, IsValidJsonWhateverItIsGiven) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Json value = Json::Array{infinity, -infinity, std::nan(""),
                                 "a\xff"
                                 "b\xe2\x82",
                                 std::string("\0", 1)};
  const std::string text = WriteJson(value);
  EXPECT_EQ(text, "[null,null,null,\"a\uFFFDb\uFFFD\uFFFD\",\"\\u0000\"]");
  EXPECT_EQ(ErrorOf(text), "accepted");
  for (const char* bad : kIllFormed) {
    EXPECT_EQ(ErrorOf(WriteJson(bad)), "accepted");
    EXPECT_EQ(ErrorOf(WriteJson(Json::Of({{bad, 1}}))), "accepted");
  }
}

TEST(QuoteForError, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(QuoteForError("a\nb"), R"("a\nb")");
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text += "\u20ac";
  }
  const std::string quoted = QuoteForError(text);
  EXPECT_EQ(quoted.size(), 78u + 2 + 3);
  EXPECT_TRUE(quoted.ends_with("\u20ac\"..."));
}

// ---- RFC 8785

// Appendix B of the RFC.
TEST(EcmaScriptNumber, AgreesWithTheVectorsOfRfc8785) {
  const std::pair<std::uint64_t, const char*> vectors[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : vectors) {
    EXPECT_EQ(EcmaScriptNumber(std::bit_cast<double>(bits)), text);
  }
}

TEST(EcmaScriptNumber, ReadsBackAsTheSameDouble) {
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 200000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) {
      continue;
    }
    const std::string text = EcmaScriptNumber(value);
    double back = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), back);
    ASSERT_TRUE(error == std::errc() && end == text.data() + text.size()) << text;
    ASSERT_EQ(back, value) << text;
    ASSERT_LE(text.size(), 25u);
  }
}

TEST(EcmaScriptNumber, ChangesItsFormAtTheStandardsBounds) {
  EXPECT_EQ(EcmaScriptNumber(123456789012345680000.0), "123456789012345680000");
  EXPECT_EQ(EcmaScriptNumber(1234567890123456800000.0), "1.2345678901234568e+21");
  EXPECT_EQ(EcmaScriptNumber(0.00000123), "0.00000123");
  EXPECT_EQ(EcmaScriptNumber(0.000000123), "1.23e-7");
  EXPECT_EQ(EcmaScriptNumber(-1.5), "-1.5");
  EXPECT_EQ(EcmaScriptNumber(100), "100");
}

TEST(EcmaScriptNumberDeathTest, NanAborts) {
  EXPECT_DEATH(EcmaScriptNumber(std::nan("")), "CHECK failed");
}

// Section 3.2.2 of the RFC.
TEST(CanonicalJson, AgreesWithTheExampleOfRfc8785) {
  EXPECT_EQ(Canonical(R"({
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  })"),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\u20ac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

// Section 3.2.3 of the RFC: the emoji, a surrogate pair, stands before U+FB33.
TEST(CanonicalJson, SortsKeysByUtf16CodeUnits) {
  const Json sorted = Parse(Canonical(R"({
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis"
  })"));
  std::vector<std::string> names;
  for (const auto& [key, value] : *sorted.object()) {
    names.push_back(*value.string());
  }
  const std::vector<std::string> expected = {"Carriage Return",
                                             "One",
                                             "Control",
                                             "Latin Small Letter O With Diaeresis",
                                             "Euro Sign",
                                             "Emoji: Grinning Face",
                                             "Hebrew Letter Dalet With Dagesh"};
  EXPECT_EQ(names, expected);
}

void AppendUtf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

void AppendUtf16(char32_t c, std::u16string& out) {
  if (c >= 0x10000) {
    out += static_cast<char16_t>(0xD800 + ((c - 0x10000) >> 10));
    out += static_cast<char16_t>(0xDC00 + ((c - 0x10000) & 0x3FF));
  } else {
    out += static_cast<char16_t>(c);
  }
}

// Characters from around every boundary of UTF-8 and UTF-16.
char32_t RandomCharacter(std::mt19937_64& random) {
  constexpr char32_t kBounds[] = {0x00,    0x1F,    0x22,     0x5C,   0x7F,   0x80,
                                  0x7FF,   0x800,   0xD7FF,   0xE000, 0xFFFD, 0xFFFF,
                                  0x10000, 0x1F600, 0x10FFFF, 'a',    'b'};
  return kBounds[random() % std::size(kBounds)];
}

std::string RandomText(std::mt19937_64& random) {
  std::string text;
  for (std::uint64_t left = random() % 4; left > 0; --left) {
    AppendUtf8(RandomCharacter(random), text);
  }
  return text;
}

TEST(CanonicalJson, SortsAnyKeysAsUtf16StringsCompare) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 500; ++round) {
    std::map<std::u16string, std::string> model;
    for (int i = 0; i < 20; ++i) {
      std::u16string utf16;
      std::string utf8;
      for (std::uint64_t left = random() % 4; left > 0; --left) {
        const char32_t c = RandomCharacter(random);
        AppendUtf16(c, utf16);
        AppendUtf8(c, utf8);
      }
      model[utf16] = utf8;
    }
    Json::Object object;
    for (const auto& [utf16, utf8] : model) {
      object.insert(object.begin() + random() % (object.size() + 1), {utf8, 0});
    }
    const Json sorted = Parse(CanonicalJson(object));
    auto expected = model.begin();
    for (const auto& [key, value] : *sorted.object()) {
      ASSERT_EQ(key, (expected++)->second);
    }
  }
}

Json RandomJson(std::mt19937_64& random, int depth) {
  switch (random() % (depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random() >> (random() % 64));
    case 3: {
      const auto value = std::bit_cast<double>(random());
      return std::isfinite(value) && value != std::trunc(value) ? value : 0.5;
    }
    case 4:
      return RandomText(random);
    case 5: {
      Json array = Json::Array();
      for (std::uint64_t left = random() % 5; left > 0; --left) {
        array.Append(RandomJson(random, depth - 1));
      }
      return array;
    }
    default: {
      Json object = Json::Object();
      for (std::uint64_t left = random() % 5; left > 0; --left) {
        object.Set(RandomText(random), RandomJson(random, depth - 1));
      }
      return object;
    }
  }
}

TEST(Json, AnyValueSurvivesWritingAndParsing) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 3000; ++round) {
    const Json value = RandomJson(random, 5);
    EXPECT_EQ(Parse(WriteJson(value)), value);
    EXPECT_EQ(Parse(WriteJsonPretty(value)), value);
  }
}

TEST(CanonicalJson, DoesNotDependOnOrderOrSpellingAndIsAFixpoint) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 3000; ++round) {
    Json value = RandomJson(random, 5);
    const std::string canonical = CanonicalJson(value);
    EXPECT_EQ(Canonical(canonical), canonical);
    EXPECT_EQ(Canonical(WriteJsonPretty(value)), canonical);
    if (Json::Object* members = value.object()) {
      std::shuffle(members->begin(), members->end(), random);
      EXPECT_EQ(CanonicalJson(value), canonical);
    }
  }
}

TEST(CanonicalJson, WritesNumbersAsDoubles) {
  EXPECT_EQ(CanonicalJson(Json::Array{1, 1.0, -0.0, 1e21, 9007199254740991}),
            "[1,1,0,1e+21,9007199254740991]");
  EXPECT_EQ(CanonicalJson(9007199254740993), "9007199254740992");
}

TEST(CanonicalJsonDeathTest, WhatHasNoCanonicalFormAborts) {
  EXPECT_DEATH(CanonicalJson(std::nan("")), "CHECK failed");
  EXPECT_DEATH(CanonicalJson("\xff"), "CHECK failed");
}

}  // namespace
}  // namespace ashlar
