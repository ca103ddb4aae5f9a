// Parity with another implementation, the npm package @huggingface/jinja, which is installed
// outside of the sources. Without npm or a network the test skips.
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/text/chat_template.h"

namespace ashlar {
namespace {

const std::filesystem::path kChatData = ASHLAR_SOURCE_DIR "/ashlar/text/testdata/chat";

// What the peer does in its own way: `selectattr` by a list, "a" * 2, and macros that print line
// ends. (In the recorded texts of Jinja2 itself they are looked at.)
constexpr std::string_view kNotForThePeer[] = {"channels.jinja", "macro_tools.jinja"};

TEST(ChatTemplatePeer, HuggingFaceJinjaRendersTheSameText) {
  const TempDirectory temp;
  const std::string root = ASHLAR_SOURCE_DIR;
  const std::string installed = temp / "installed";
  if (std::system((root + "/tests/peers/install.sh jinja >" + installed + " 2>&1").c_str()) != 0) {
    GTEST_SKIP() << "@huggingface/jinja is not installed: no npm, or no network";
  }
  const Json data = *ParseJson(*ReadTextFile(kChatData / "rendered.json"));
  Json cases = Json::Array();
  for (const auto& [file, texts] : *data.Find("rendered")->object()) {
    if (std::ranges::find(kNotForThePeer, file) == std::end(kNotForThePeer)) {
      for (const Json& variables : *data.Find("variables")->array()) {
        cases.Append(
            Json::Of({{"source", *ReadTextFile(kChatData / file)}, {"variables", variables}}));
      }
    }
  }
  std::ofstream(temp / "cases.json") << WriteJson(cases);
  std::string folder = *ReadTextFile(installed);
  folder.pop_back();
  const std::string out = temp / "out";
  ASSERT_EQ(std::system(fmt::format("node {}/render.mjs {} >{}", folder,
                                    (temp / "cases.json").string(), out)
                            .c_str()),
            0);
  const std::time_t seconds = std::time(nullptr);
  std::tm now = {};
  ::localtime_r(&seconds, &now);
  std::ifstream lines(out);
  std::string line;
  int compared = 0;
  for (const Json& item : *cases.array()) {
    ASSERT_TRUE(std::getline(lines, line));
    const Json answer = *ParseJson(line);
    const auto parsed = ChatTemplate::Parse(*item.Find("source")->string());
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    const Result<std::string> text = parsed->Render(*item.Find("variables"), now);
    // (Where only one of them refuses, Jinja2's recorded verdict is what counts.)
    if (text.ok() && answer.Find("out") != nullptr) {
      EXPECT_EQ(*text, *answer.Find("out")->string());
      ++compared;
    }
  }
  EXPECT_GT(compared, 200);
}

}  // namespace
}  // namespace ashlar
