// Time in tests: what a test of speed may judge, which is the processor's for this process, the
// same however busy the machine is; and waiting, which on a busy machine takes what it takes.
#pragma once

#include <chrono>
#include <ctime>
#include <thread>

namespace ashlar {

inline double CpuSeconds() {
  std::timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Waits for what another thread brings about. False after a minute: it hangs.
template <class Condition>
bool Eventually(const Condition& condition) {
  for (int i = 0; i < 12'000; ++i) {
    if (condition()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace ashlar
