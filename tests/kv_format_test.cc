// Keys and values in fewer bits: less memory, and next to no loss.
#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;

class KvFormatTest : public ::testing::Test {
 protected:
  void Import(const Path& model) {
    const CommandResult result = ashlar_({"import", "hf", model.string(), "--as", "model"});
    ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  }
  Json Run(std::vector<std::string> words, const std::string& kv_format) {
    words.insert(words.end(), {"--kv", kv_format, "--json"});
    const CommandResult result = ashlar_(words);
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
    return *ParseJson(result.out);
  }
  void ExpectNearlyTheSamePerplexity(const Path& text) {
    const std::vector<std::string> words = {"eval",        "ppl",       "model", "--text",
                                            text.string(), "--windows", "1"};
    const double in_f32 = *JsonCursor(Run(words, "f32")).Real("perplexity");
    const double in_f16 = *JsonCursor(Run(words, "f16")).Real("perplexity");
    EXPECT_NE(in_f16, in_f32);
    EXPECT_NEAR(in_f16 / in_f32, 1, 0.0005);
    const double in_q8 = *JsonCursor(Run(words, "q8")).Real("perplexity");
    EXPECT_NE(in_q8, in_f16);
    EXPECT_NEAR(in_q8 / in_f32, 1, 0.003);
  }

  TempDirectory directory_;
  Ashlar ashlar_{directory_ / "store"};
};

TEST_F(KvFormatTest, FewerBitsCostNoQuality) {
  Import(testing::DemoModel());
  ExpectNearlyTheSamePerplexity(Path(ASHLAR_SOURCE_DIR) / "README.md");
}

TEST_F(KvFormatTest, FewerBitsCostALargerNetworkNoQuality) {
  ASHLAR_NEED_SHARED_FILES(shared);
  Import(shared / "models/lab");
  ExpectNearlyTheSamePerplexity(shared / "eval/cpp.txt");  // (Code: numbers and names far back.)
}

TEST_F(KvFormatTest, HalvesTakeHalfThePagesThatFloatsTake) {
  Import(testing::DemoModel());
  const std::vector<std::string> words = {"bench", "model", "--prompt", "40",
                                          "--gen", "2",     "--rounds", "1"};
  const Json in_f32 = Run(words, "f32");
  const Json in_f16 = Run(words, "f16");
  const auto page_bytes = [](const Json& bench) {
    return *JsonCursor(*bench.Find("plan")).Integer("page_bytes", 1, 1 << 30);
  };
  EXPECT_EQ(page_bytes(in_f16), page_bytes(in_f32) / 2);
}

TEST_F(KvFormatTest, AnUnknownOneIsRefusedWithTheKnownOnes) {
  Import(testing::DemoModel());
  const CommandResult result = ashlar_({"run", "model", "-p", "x", "--kv", "q4"});
  EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(result);
  EXPECT_NE(result.err.find("--kv"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("f32, f16 and q8"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace ashlar
