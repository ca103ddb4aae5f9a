// What the plan predicts is what a process takes, and what cannot fit is refused with numbers.
#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;

// The larger of 5 % and 16 MB.
double Tolerance(double predicted) {
  return std::max(0.05 * predicted, 16e6);
}

// The plan that bench printed, against what it took.
void ExpectThePlanHolds(const Ashlar& ashlar, std::vector<std::string> words) {
  words.push_back("--json");
  const CommandResult result = ashlar(words);
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const Json json = *ParseJson(result.out);
  const JsonCursor plan = *JsonCursor(json).At("plan");
  double sum = 0;
  for (const char* part : {"weight_bytes", "page_bytes", "workspace_bytes", "process_bytes"}) {
    sum += *plan.Real(part);
  }
  const double predicted = *plan.Real("predicted_bytes");
  EXPECT_EQ(predicted, sum);
  if (!kSanitized) {
    EXPECT_NEAR(*plan.Real("peak_rss_bytes"), predicted, Tolerance(predicted))
        << ::testing::PrintToString(words) << WriteJson(plan.value());
  }
}

TEST(Memory, TakenIsTheMemoryPredicted) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  ASSERT_EQ(ashlar({"encode", "demo", "--as", "q8", "--codec", "q8"}).exit_code, 0);
  for (const char* network : {"demo", "q8"}) {
    ExpectThePlanHolds(ashlar, {"bench", network, "--prompt", "32", "--gen", "4", "--rounds", "1"});
    // Some 50 MB of state pages: all eight sequences run at once before the first has finished.
    ExpectThePlanHolds(ashlar, {"bench", network, "--prompt", "700", "--gen", "32", "--rounds", "1",
                                "--batch", "8"});
  }
}

TEST(Memory, TakenByALargerNetworkIsTheMemoryPredicted) {
  ASHLAR_NEED_SHARED_FILES(shared);
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", (shared / "models/lab").string(), "--as", "lab"}).exit_code, 0);
  ExpectThePlanHolds(
      ashlar, {"bench", "lab", "--prompt", "64", "--gen", "4", "--rounds", "1", "--batch", "4"});
}

TEST(Memory, ThatIsTooLittleIsRefusedWithNumbersAndEnoughIsEnough) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  const std::vector<std::string> run = {"run", "demo", "-p", "Once", "-n", "8", "--memory"};
  const auto with = [&](const std::string& memory) {
    std::vector<std::string> words = run;
    words.push_back(memory);
    return ashlar(words);
  };
  const CommandResult refused = with("10M");
  EXPECT_EQ(refused.exit_code, 1) << ::testing::PrintToString(refused);
  EXPECT_EQ(refused.out, "");
  double needed = 0;  // megabytes
  ASSERT_EQ(std::sscanf(refused.err.c_str(), "ashlar run: %lf MB are needed (weights", &needed), 1)
      << refused.err;
  EXPECT_NE(refused.err.find("but the budget is 10.0 MB"), std::string::npos) << refused.err;

  // A little less than needed is refused too; a little more is not, and is kept to.
  EXPECT_EQ(with(fmt::format("{:.0f}K", needed * 980)).exit_code, 1);
  const CommandResult accepted = with(fmt::format("{:.0f}K", needed * 1020));
  EXPECT_EQ(accepted.exit_code, 0) << ::testing::PrintToString(accepted);
  if (!kSanitized) {
    EXPECT_NEAR(static_cast<double>(accepted.peak_bytes), needed * 1e6, Tolerance(needed * 1e6));
  }
}

}  // namespace
}  // namespace ashlar
