// What this process has in memory, for tests of how much that grows.
#pragma once

#include <cstdint>
#include <fstream>

#include <unistd.h>

namespace ashlar {

// In bytes. Signed, since differences are what is of interest, and memory of before may have gone.
inline std::int64_t ResidentBytesNow() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace ashlar
