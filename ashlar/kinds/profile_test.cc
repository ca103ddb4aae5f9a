#include "ashlar/kinds/profile.h"

#include <gtest/gtest.h>

namespace ashlar {
namespace {

void Wait(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

std::int64_t NanosOf(const Profile::Part& part, Kernel kernel) {
  return part.kernel_nanos[static_cast<std::size_t>(kernel)];
}

TEST(Profile, GivesEachKernelItsTimeInsideItsPart) {
  Profile profile;
  for (int step = 0; step < 3; ++step) {
    const StepTimer step_timer(&profile);
    Wait(std::chrono::microseconds(50));
    for (const char* name : {"attention", "mlp"}) {
      const PartTimer part(&profile, name);
      KernelTimer timer(&profile, 0);
      Wait(std::chrono::microseconds(100));
      timer.Lap(Kernel::kNorm);
      Wait(std::chrono::microseconds(200));
      timer.Lap(Kernel::kLinear);
      Wait(std::chrono::microseconds(50));
    }
  }
  EXPECT_EQ(profile.steps(), 3);
  ASSERT_EQ(profile.parts().size(), 2u);
  for (const Profile::Part& part : profile.parts()) {
    EXPECT_EQ(part.calls, 3);
    EXPECT_GE(NanosOf(part, Kernel::kNorm), 3 * 100'000);
    EXPECT_GE(NanosOf(part, Kernel::kLinear), 3 * 200'000);
    EXPECT_EQ(NanosOf(part, Kernel::kAttention), 0);
    EXPECT_GE(part.nanos,
              NanosOf(part, Kernel::kNorm) + NanosOf(part, Kernel::kLinear) + 3 * 50'000);
  }
  EXPECT_EQ(profile.parts()[0].name, "attention");
  EXPECT_GE(profile.kernel_nanos(), 2 * 3 * 300'000);
  EXPECT_GE(profile.nanos(), profile.parts()[0].nanos + profile.parts()[1].nanos + 3 * 50'000);
}

TEST(Profile, OtherThreadsOfALoopAreNotCounted) {
  Profile profile;
  const PartTimer part(&profile, "mlp");
  KernelTimer timer(&profile, 1);
  Wait(std::chrono::microseconds(10));
  timer.Lap(Kernel::kLinear);
  EXPECT_EQ(profile.kernel_nanos(), 0);
}

TEST(Profile, NoneIsTimedWithoutIt) {
  const StepTimer step(nullptr);
  const PartTimer part(nullptr, "mlp");
  KernelTimer timer(nullptr, 0);
  timer.Lap(Kernel::kLinear);
}

TEST(Kernels, HaveNamesOfTheirOwn) {
  for (std::size_t i = 0; i < kKernelCount; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NE(KernelName(static_cast<Kernel>(i)), KernelName(static_cast<Kernel>(j)));
    }
  }
}

}  // namespace
}  // namespace ashlar
