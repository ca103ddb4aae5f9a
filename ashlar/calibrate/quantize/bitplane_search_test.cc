#include "ashlar/calibrate/quantize/bitplane_search.h"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/codec/bitplane/bitplane.h"

namespace ashlar {
namespace {

// The planes of each prefix when the last one has `planes`.
int PlanesOfPrefix(int prefix, int planes) {
  return prefix == kPrefixes - 1 ? planes : prefix + 2;
}

double CostOf(const CodeTargets& wanted, int code, int lane) {
  double cost = 0;
  for (int prefix = 0; prefix < kPrefixes; ++prefix) {
    const int planes = PlanesOfPrefix(prefix, wanted.planes);
    const double error = static_cast<double>(wanted.targets[prefix][lane]) -
                         BitplaneValue(code >> (8 - planes), planes);
    cost += wanted.weights[prefix][lane] * error * error;
  }
  return cost;
}

TEST(ChooseCodes, FindsTheLeastOfAllCodes) {
  TestFloats floats(TestSeed());
  for (const int planes : {6, 7, 8}) {
    CodeTargets wanted{.planes = planes, .targets = {}, .weights = {}};
    for (int lane = 0; lane < kLanes; ++lane) {
      const float about = floats.Next(0, 0.7f);  // some are beyond what codes reach
      for (int prefix = 0; prefix < kPrefixes; ++prefix) {
        wanted.targets[prefix][lane] = about + floats.Next(0, 0.1f);
        wanted.weights[prefix][lane] =
            static_cast<float>(1 << PlanesOfPrefix(prefix, planes)) * (1 + floats.Next(0, 0.2f));
      }
    }
    std::uint8_t codes[kLanes];
    ChooseCodes(wanted, codes);
    for (int lane = 0; lane < kLanes; ++lane) {
      double least = std::numeric_limits<double>::max();
      for (int code = 0; code < 256; code += 1 << (8 - planes)) {
        least = std::min(least, CostOf(wanted, code, lane));
      }
      EXPECT_EQ(codes[lane] % (1 << (8 - planes)), 0) << "bits beyond the last plane";
      EXPECT_NEAR(CostOf(wanted, codes[lane], lane), least, 1e-5 * (1 + least)) << lane;
    }
  }
}

// Fewer planes than five: the prefixes that there are decide.
TEST(ChooseCodes, OfFewPlanesMindsThoseOnly) {
  TestFloats floats(TestSeed() + 1);
  CodeTargets wanted{.planes = 3, .targets = {}, .weights = {}};
  for (int lane = 0; lane < kLanes; ++lane) {
    for (const int prefix : {0, 1}) {
      wanted.targets[prefix][lane] = floats.Next(0, 0.7f);
      wanted.weights[prefix][lane] = static_cast<float>(prefix + 1);
    }
  }
  std::uint8_t codes[kLanes];
  ChooseCodes(wanted, codes);
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto cost = [&](int code) {
      double sum = 0;
      for (const int prefix : {0, 1}) {
        const double error = static_cast<double>(wanted.targets[prefix][lane]) -
                             BitplaneValue(code >> (6 - prefix), prefix + 2);
        sum += wanted.weights[prefix][lane] * error * error;
      }
      return sum;
    };
    double least = std::numeric_limits<double>::max();
    for (int code = 0; code < 256; code += 32) {
      least = std::min(least, cost(code));
    }
    EXPECT_NEAR(cost(codes[lane]), least, 1e-5 * (1 + least)) << lane;
  }
}

}  // namespace
}  // namespace ashlar
