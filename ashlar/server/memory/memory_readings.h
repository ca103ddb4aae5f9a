// What the system says of memory: how much this process has, how much its control groups let it
// have, how long tasks have waited because there was none.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ashlar/base/file.h"

namespace ashlar {

struct MemoryReadings {
  std::uint64_t resident = 0;  // bytes of this process (RSS)
  // Bytes that its control groups let it have: the least of their limits, each less what other
  // processes of the group hold that is no file's, in steps of 16 MiB. None: there is no limit.
  std::optional<std::uint64_t> limit;
  std::optional<std::uint64_t> group_use;  // bytes charged to its own control group
  // Microseconds, since the machine or the group began, in which at least one task waited for
  // memory ("some" of PSI); none where the kernel does not count them.
  std::optional<std::uint64_t> stalled;
};

// From the files in which Linux says so, below `root` ("/" except in tests). Version 2 of control
// groups and version 1, and both side by side. What is missing or is no number is left out: it can
// be missing for good reasons, and a limit that is not seen is enforced by the kernel all the same.
MemoryReadings ReadMemory(const Path& root = "/");

// RSS alone, which is cheap enough to ask many times a second.
std::uint64_t ResidentBytes(const Path& root = "/");

// Of the machine. (Asked of the kernel: a service that is shut in may not see /proc/meminfo, and
// would take its memory for unlimited.)
std::uint64_t MachineBytes();

namespace internal {

// The total of the line "some" of a PSI file: "some avg10=0.00 avg60=0.00 avg300=0.00 total=123".
std::optional<std::uint64_t> ParsePressure(std::string_view text);

}  // namespace internal
}  // namespace ashlar
