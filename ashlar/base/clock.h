// Time as an interface, so that tests own it.
#pragma once

#include <chrono>
#include <cstdint>

namespace ashlar {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t NowMicros() const = 0;  // monotonic
};

class SteadyClock final : public Clock {
 public:
  std::int64_t NowMicros() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace ashlar
