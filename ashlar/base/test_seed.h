// The seed of a random test: new in each run, or $ASHLAR_SEED to run a failure again. Printed, so
// that the output of a failing test says which it was.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace ashlar {

inline std::uint64_t TestSeed() {
  const char* given = std::getenv("ASHLAR_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("ASHLAR_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace ashlar
