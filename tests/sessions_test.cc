// What one process has computed for a text, another goes on from.
#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;

class SessionsTest : public ::testing::Test {
 protected:
  SessionsTest() {
    EXPECT_EQ(ashlar_({"import", "hf", testing::DemoModel().string(), "--as", "base"}).exit_code,
              0);
  }
  Json Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"run", "base", "--ignore-eos", "--json"});
    const CommandResult result = ashlar_(words);
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
    const auto json = ParseJson(result.out);
    return json.ok() ? *json : Json();
  }
  static std::int64_t Cached(const Json& json) {
    return *json.Find("usage")->Find("cached_tokens")->integer();
  }

  TempDirectory directory_;
  Ashlar ashlar_{directory_ / "store"};
  std::string file_ = (directory_ / "talk.session").string();
};

TEST_F(SessionsTest, GoOnWhereTheOtherEnded) {
  for (const std::string format : {"f32", "q8"}) {
    const Json whole = Run({"-p", "Once upon a time", "-n", "60", "--kv", format});
    const Json first =
        Run({"-p", "Once upon a time", "-n", "40", "--kv", format, "--save-session", file_});
    const Json second = Run({"-p", "", "-n", "20", "--kv", format, "--session", file_});
    EXPECT_EQ(Cached(first), 0);
    EXPECT_GE(Cached(second), 32);
    Json::Array ids = *first.Find("token_ids")->array();
    for (const Json& id : *second.Find("token_ids")->array()) {
      ids.push_back(id);
    }
    EXPECT_EQ(Json(ids), *whole.Find("token_ids"));
  }
}

TEST_F(SessionsTest, AreRefusedWithTheReasonWhereTheyDoNotFit) {
  Run({"-p", "Once upon a time", "-n", "40", "--save-session", file_});
  EXPECT_EQ(ashlar_({"derive", "short", "--from", "base", "drop", "--layers", "3"}).exit_code, 0);
  const auto refused = [&](std::vector<std::string> words, std::string_view reason) {
    const CommandResult result = ashlar_(words);
    EXPECT_GT(result.exit_code, 0) << ::testing::PrintToString(result);
    EXPECT_NE(result.err.find(reason), std::string::npos) << ::testing::PrintToString(result);
    EXPECT_NE(result.err.find("session"), std::string::npos) << result.err;
  };
  refused({"run", "short", "-p", "", "--session", file_}, "another network");
  refused({"run", "base", "-p", "", "--session", file_, "--kv", "f16"}, "in f32");
  refused({"run", "base", "short", "-p", "", "--session", file_}, "one network");
  refused({"run", "base", "-p", "x", "--session", file_ + "s"}, "talk.sessions");
  refused({"run", "base", "-p", "x", "-n", "1", "--save-session", file_}, "no whole page");
  std::string bytes = *ReadTextFile(file_);
  bytes[bytes.size() / 2] ^= 1;
  testing::WriteText(file_, bytes);
  refused({"run", "base", "-p", "", "--session", file_}, "the digest differs");
}

}  // namespace
}  // namespace ashlar
