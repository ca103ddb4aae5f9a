#include "ashlar/kernels/peak/peak.h"

#include <gtest/gtest.h>

namespace ashlar {
namespace {

// (Machines differ by orders of magnitude and neighbours make them slower still: only what no
// machine can contradict is tested.)
TEST(Peak, IsARateForEveryInstructionSetButTheReference) {
  for (const Isa isa : AllIsas()) {
    if (!Supported(isa)) {
      continue;
    }
    if (isa == Isa::kReference) {
      EXPECT_EQ(PeakF32PerSecond(isa), 0);
      EXPECT_EQ(PeakInt8PerSecond(isa), 0);
    } else {
      EXPECT_GT(PeakF32PerSecond(isa), 1e9);
      EXPECT_GT(PeakInt8PerSecond(isa), PeakF32PerSecond(isa)) << IsaName(isa);
    }
  }
}

TEST(Peak, OfReadingIsARate) {
  EXPECT_GT(ReadBytesPerSecond(2), 1e8);
}

}  // namespace
}  // namespace ashlar
