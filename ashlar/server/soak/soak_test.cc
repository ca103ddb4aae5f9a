// A server under random load and random faults: no answer is lost, late or wrong, and at rest it
// has what it had before. $ASHLAR_SOAK_SECONDS says for how long (`make soak`: ten minutes).
#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/server/soak/testing_server_soak.h"

namespace ashlar {
namespace {

TEST(Soak, EveryAnswerIsTheOneGivenAloneAndNothingIsKept) {
  const double seconds = testing_soak::SoakSeconds();
  testing_soak::ServerSoak server({.seconds = seconds,
                                   .rounds = std::max(4, static_cast<int>(seconds / 20)),
                                   .seed = TestSeed()});
  server.Run();
  const testing_soak::Soak& soak = server.soak();
  EXPECT_EQ(soak.failures(), std::vector<std::string>());
  EXPECT_GT(soak.count("status 200"), 50);
  // A sanitizer slows whoever asks until queues seldom fill, and keeps what was freed.
  if (!kSanitized) {
    EXPECT_GT(soak.count("status 429"), 0);
    // (The first round fills caches of all kinds.)
    constexpr std::uint64_t kNoise = 12 << 20;
    EXPECT_LT(soak.resident_at_rest().back(), soak.resident_at_rest().front() + kNoise);
  }
}

}  // namespace
}  // namespace ashlar
