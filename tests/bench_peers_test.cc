// What `make bench-peers` says of its measurements: bench/peers has tests of its own, in JavaScript.
#include <gtest/gtest.h>

#include "tests/support/command.h"

namespace ashlar {
namespace {

using testing::Command;
using testing::CommandResult;

TEST(BenchPeers, CombinesAndRendersWhatItMeasured) {
  const auto shell = [](const char* script) {
    return Command({"/bin/bash", "-c", script}).Wait();
  };
  if (shell("command -v node").exit_code != 0) {
    GTEST_SKIP() << "bench/peers is not tested: no node";
  }
  const CommandResult tests = shell("node --test " ASHLAR_SOURCE_DIR "/bench/peers/*.test.mjs");
  EXPECT_EQ(tests.exit_code, 0) << ::testing::PrintToString(tests);
  EXPECT_NE(tests.out.find("pass 1"), std::string::npos) << "no test was found";
}

}  // namespace
}  // namespace ashlar
