// What `ashlar bench` measures, as far as a test can tell: what it counts, and that its profile
// adds up.
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;

class BenchTest : public ::testing::Test {
 protected:
  BenchTest() {
    const CommandResult result =
        ashlar_({"import", "hf", testing::DemoModel().string(), "--as", "demo"});
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  }
  CommandResult Bench(const std::vector<std::string>& words) {
    std::vector<std::string> all = {"bench", "demo", "--rounds", "1"};
    all.insert(all.end(), words.begin(), words.end());
    return ashlar_(all);
  }

  TempDirectory directory_;
  Ashlar ashlar_{directory_ / "store"};
};

// The times of a profile, which are of some steps, are parts of each other.
void ExpectAddsUp(const Json& profile, std::int64_t steps) {
  const JsonCursor cursor(profile);
  EXPECT_EQ(*cursor.Integer("steps", 0, 1 << 20), steps);
  const double step = *cursor.Real("micros_per_step");
  double parts = 0;
  double kernels = 0;
  std::set<std::string> names;
  for (const Json& part : *profile.Find("parts")->array()) {
    names.insert(*JsonCursor(part).String("name"));
    const double micros = *JsonCursor(part).Real("micros_per_step");
    double inside = 0;
    for (const auto& [kernel, value] : *part.Find("kernel_micros_per_step")->object()) {
      inside += *JsonCursor(*part.Find("kernel_micros_per_step")).Real(kernel);
    }
    EXPECT_LE(inside, micros * 1.0001);
    parts += micros;
    kernels += inside;
  }
  for (const char* name : {"schedule", "embed", "attention", "mlp", "norm", "head", "sample"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_GT(kernels, 0);
  EXPECT_LE(parts, step * 1.0001);
  EXPECT_NEAR(*cursor.Real("overhead_share"), 1 - kernels / step, 1e-6);
}

TEST_F(BenchTest, ItsProfileAddsUp) {
  const CommandResult result = Bench(
      {"--prompt", "20", "--depth", "50", "--gen", "6", "--batch", "3", "--profile", "--json"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const Json bench = *ParseJson(result.out);
  ExpectAddsUp(*bench.Find("profile")->Find("prompt"), 1);
  // The first of the six tokens comes with the prompt.
  ExpectAddsUp(*bench.Find("profile")->Find("decode"), 5);
  EXPECT_EQ(*JsonCursor(bench).Integer("depth", 0, 100), 50);
}

TEST_F(BenchTest, ItsProfileIsATableForPeople) {
  const CommandResult result = Bench({"--prompt", "20", "--gen", "4", "--profile"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  for (const char* word : {"PROMPT", "DECODE", "attention", "LINEAR", "outside kernels"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << '\n' << result.out;
  }
}

// Decoding is measured while all sequences decode; when the first ends before the last has begun
// there is no such time.
TEST_F(BenchTest, RefusesToMeasureABatchThatNeverDecodesTogether) {
  const CommandResult result = Bench({"--prompt", "512", "--gen", "4", "--batch", "8"});
  EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(result);
  EXPECT_NE(result.err.find("--gen 4 is too few"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace ashlar
