// Where the time of a run goes: seconds by phase, in the order in which phases first began.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/base/clock.h"

namespace ashlar {

class Phases {
 public:
  // What `body` returns, its time added to the phase's.
  template <class Body>
  auto Run(std::string_view phase, const Body& body) {
    const std::int64_t start = clock_.NowMicros();
    auto result = body();
    auto at = std::ranges::find(seconds, phase, &std::pair<std::string, double>::first);
    if (at == seconds.end()) {
      at = seconds.emplace(at, std::string(phase), 0);
    }
    at->second += static_cast<double>(clock_.NowMicros() - start) * 1e-6;
    return result;
  }

  std::vector<std::pair<std::string, double>> seconds;

 private:
  SteadyClock clock_;
};

}  // namespace ashlar
