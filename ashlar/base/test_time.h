// The time that a test of speed may judge: the processor's for this process, which is the same
// however busy the machine is.
#pragma once

#include <ctime>

namespace ashlar {

inline double CpuSeconds() {
  std::timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace ashlar
