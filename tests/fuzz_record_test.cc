// The record of fuzzing says for how long the code as it is now was fuzzed: runs add up, and what
// was fuzzed before a change counts apart.
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kScript = std::string(ASHLAR_SOURCE_DIR) + "/scripts/fuzz-record.sh";

class FuzzRecord : public ::testing::Test {
 protected:
  // What the script prints; nothing when it fails.
  std::string Run(const std::string& arguments) const {
    const Path out = directory_ / "out";
    const std::string command =
        kScript + " " + arguments + " " + record().string() + " 2>&1 >" + out.string();
    return std::system(command.c_str()) == 0 ? *ReadTextFile(out) : "";  // NOLINT
  }
  bool Add(const std::string& fuzzer, const std::string& run) const {
    return !Run("add " + fuzzer + " $(" + kScript + " code " + fuzzer + ") " + run).empty();
  }
  Path record() const { return directory_ / "record.tsv"; }
  std::string Text() const { return *ReadTextFile(record()); }
  // As if the code had been otherwise.
  void Change() const {
    const std::string changed =
        std::regex_replace(Text(), std::regex("\t[0-9a-f]{12}\t"), "\t000000000000\t");
    std::ofstream(record()) << changed;
  }
  // The columns of a fuzzer's line between the digest and the day.
  std::vector<std::string> Of(const std::string& fuzzer) const {
    std::smatch found;
    const std::string text = Text();
    const std::regex line(fuzzer + "\t[0-9a-f]{12}\t([0-9]+)\t([0-9]+)\t([0-9]+)\t([0-9]+)\t20");
    if (!std::regex_search(text, found, line)) {
      return {};
    }
    return {found.begin() + 1, found.end()};
  }

  TempDirectory directory_;
};

TEST_F(FuzzRecord, AddsWhatRanOnTheSameCode) {
  ASSERT_TRUE(Add("text_tokenizer_fuzz", "100 5000 70"));
  ASSERT_TRUE(Add("tests_config_import_fuzz", "7 40 30"));
  ASSERT_TRUE(Add("text_tokenizer_fuzz", "20 1000 71"));
  EXPECT_THAT(Of("text_tokenizer_fuzz"), ElementsAre("120", "6000", "71", "0"));
  EXPECT_THAT(Of("tests_config_import_fuzz"), ElementsAre("7", "40", "30", "0"));
  EXPECT_THAT(Text(), HasSubstr("fuzzer\tcode\tseconds\truns\tedges\tolder seconds\tlast\ntests_"));
}

TEST_F(FuzzRecord, CountsApartWhatRanOnOtherCode) {
  ASSERT_TRUE(Add("formats_gguf_read_fuzz", "100 5000 70"));
  Change();
  ASSERT_TRUE(Add("formats_gguf_read_fuzz", "20 1000 71"));
  EXPECT_THAT(Of("formats_gguf_read_fuzz"), ElementsAre("20", "1000", "71", "100"));
  Change();
  ASSERT_TRUE(Add("formats_gguf_read_fuzz", "3 10 72"));
  EXPECT_THAT(Of("formats_gguf_read_fuzz"), ElementsAre("3", "10", "72", "120"));
}

TEST_F(FuzzRecord, ShowsWhatTheCodeAsItIsWasFuzzedFor) {
  const auto line = [&](const std::string& now, const std::string& older) {
    return HasSubstr(fmt::format("text_tokenizer_fuzz {:>31} {:>12}\n", now, older));
  };
  ASSERT_TRUE(Add("text_tokenizer_fuzz", "100 5000 70"));
  EXPECT_THAT(Run("show"), line("100", "0"));
  Change();
  EXPECT_THAT(Run("show"), line("0", "100"));
  EXPECT_THAT(Run("show"), HasSubstr("server_requests_fuzz"));
}

TEST_F(FuzzRecord, IsOfFuzzersThatExist) {
  EXPECT_FALSE(Add("text_no_such_fuzz", "1 1 1"));
}

// A committed line is of a fuzzer that there is still.
TEST_F(FuzzRecord, AsCommittedNamesFuzzersThatExist) {
  std::istringstream lines(*ReadTextFile(Path(ASHLAR_SOURCE_DIR) / "tests/corpus/record.tsv"));
  std::string line;
  std::getline(lines, line);
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    EXPECT_TRUE(Add(line.substr(0, line.find('\t')), "1 1 1")) << line;
  }
  EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace ashlar
