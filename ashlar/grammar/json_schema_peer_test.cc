// Parity with the npm package ajv, a validator that is installed outside of the sources. Without
// npm or a network the test skips.
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/json.h"
#include "ashlar/base/sanitized.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/grammar/testing_answers.h"
#include "ashlar/grammar/testing_schemas.h"

namespace ashlar {
namespace {

// Schemas of the kinds that are in use, and those whose texts a small validator does not check.
constexpr const char* kFixedSchemas[] = {
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
        "maximum":150},"email":{"type":"string","format":"email"},"tags":{"type":"array","items":
        {"type":"string","maxLength":10},"maxItems":4}},"required":["name","age"],
        "additionalProperties":false})",
    R"({"type":"object","properties":{"at":{"type":"string","format":"date-time"},"day":{"type":
        "string","format":"date"},"t":{"type":"string","format":"time"},"id":{"type":"string",
        "format":"uuid"},"v4":{"type":"string","format":"ipv4"},"v6":{"type":"string","format":
        "ipv6"},"host":{"type":"string","format":"hostname"},"for":{"type":"string","format":
        "duration"},"link":{"type":"string","format":"uri"}},"required":["at","day","t","id","v4",
        "v6","host","for","link"]})",
    R"({"type":"object","properties":{"mail":{"type":"string","format":"email","maxLength":100},
        "page":{"type":"string","format":"uri","minLength":1,"maxLength":2083},"image":{"type":
        "string","format":"uri","maxLength":255},"host":{"type":"string","format":"hostname",
        "maxLength":64}},"required":["mail","page","image","host"]})",
    R"({"type":"number","exclusiveMinimum":0.1,"exclusiveMaximum":0.3})",
    R"({"type":"integer","multipleOf":12,"minimum":-1000})",
    R"({"type":"array","minItems":60,"items":{"multipleOf":0.01,"minimum":-2,"maximum":2}})",
    R"({"type":"array","minItems":60,"items":{"multipleOf":0.1,"minimum":0,"maximum":90}})",
    R"({"type":"array","minItems":60,"items":{"type":"number","multipleOf":0.01}})",
    R"({"type":"array","minItems":60,"items":{"anyOf":[{"type":"number","multipleOf":0.05},
        {"type":"number","multipleOf":0.1,"minimum":3}]}})",
    R"({"type":"array","minItems":30,"items":{"type":"integer","format":"int32"}})",
    R"({"type":"string","pattern":"^(?:[A-Z][a-z]{1,5} ?){2,}$","maxLength":12})",
    R"({"type":"string","pattern":"\\s\\S|[^\\w]$","minLength":3})",
    R"({"type":"object","additionalProperties":{"anyOf":[{"type":"null"},{"$ref":"#"}]},
        "propertyNames":{"pattern":"^[a-z_]*$","maxLength":4}})",
};

TEST(JsonSchemaPeer, AjvFindsEveryAnswerToARandomSchemaValid) {
  const TempDirectory temp;
  const std::string root = ASHLAR_SOURCE_DIR;
  const std::string installed = temp / "installed";
  if (std::system((root + "/tests/peers/install.sh ajv >" + installed + " 2>&1").c_str()) != 0) {
    GTEST_SKIP() << "ajv is not installed: no npm, or no network";
  }
  std::mt19937_64 random(TestSeed());
  Json cases = Json::Array();
  const auto add = [&](const Json& schema, int answers) {
    const Result<Grammar> grammar = GrammarFromJsonSchema(WriteJson(schema));
    if (!grammar.ok()) {
      return;
    }
    const auto masks = JsonMasks(*grammar);
    Json texts = Json::Array();
    for (int i = 0; i < answers; ++i) {
      if (auto answer = RandomAnswer(masks, random, static_cast<int>(random() % 100))) {
        texts.Append(*std::move(answer));
      }
    }
    cases.Append(Json::Of({{"schema", schema}, {"answers", std::move(texts)}}));
  };
  for (const char* schema : kFixedSchemas) {
    ASSERT_TRUE(GrammarFromJsonSchema(schema).ok()) << schema;
    add(*ParseJson(schema), kSanitized ? 4 : 12);
  }
  for (int round = 0; round < (kSanitized ? 10 : 160); ++round) {
    add(RandomSchema(random), 4);
  }
  std::ofstream(temp / "cases.json") << WriteJson(cases);
  std::string folder = *ReadTextFile(installed);
  folder.pop_back();
  const std::string out = temp / "out";
  ASSERT_EQ(std::system(fmt::format("node {}/validate.mjs {} >{}", folder,
                                    (temp / "cases.json").string(), out)
                            .c_str()),
            0);
  std::ifstream lines(out);
  std::string line;
  int valid = 0;
  for (const Json& item : *cases.array()) {
    ASSERT_TRUE(std::getline(lines, line));
    const Json answer = *ParseJson(line);
    const Json* verdicts = answer.Find("verdicts");
    ASSERT_NE(verdicts, nullptr) << line << "\n" << WriteJson(*item.Find("schema"));
    for (std::size_t i = 0; i < verdicts->array()->size(); ++i) {
      EXPECT_EQ(*(*verdicts->array())[i].string(), "")
          << *(*item.Find("answers")->array())[i].string() << "\n"
          << WriteJson(*item.Find("schema"));
      ++valid;
    }
  }
  EXPECT_GT(valid, kSanitized ? 50 : 250);
}

}  // namespace
}  // namespace ashlar
