// What `make bench-peers` and `make bench-serving` say of their measurements: bench/peers and
// bench/load have tests of their own, in JavaScript.
#include <regex>

#include <gtest/gtest.h>

#include "tests/support/command.h"

namespace ashlar {
namespace {

using testing::Command;
using testing::CommandResult;

class BenchScripts : public ::testing::TestWithParam<const char*> {};

TEST_P(BenchScripts, CombineAndRenderWhatWasMeasured) {
  const auto shell = [](const std::string& script) {
    return Command({"/bin/bash", "-c", script}).Wait();
  };
  if (shell("command -v node").exit_code != 0) {
    GTEST_SKIP() << GetParam() << " is not tested: no node";
  }
  const CommandResult tests =
      shell(std::string("node --test " ASHLAR_SOURCE_DIR "/bench/") + GetParam() + "/*.test.mjs");
  EXPECT_EQ(tests.exit_code, 0) << ::testing::PrintToString(tests);
  EXPECT_TRUE(std::regex_search(tests.out, std::regex("pass [1-9]"))) << "no test was found";
}

INSTANTIATE_TEST_SUITE_P(Of, BenchScripts, ::testing::Values("peers", "load"),
                         [](const auto& folder) { return std::string(folder.param); });

}  // namespace
}  // namespace ashlar
