#include "ashlar/base/usable_cores.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <string_view>

#include <sched.h>

#include "ashlar/base/control_groups.h"

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kSmallFile = 1 << 16;

std::string_view FirstLine(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

// A whole number above 0, or nothing (also for "max" and -1, which stand for no quota).
std::optional<std::int64_t> Positive(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0) {
    return std::nullopt;
  }
  return value;
}

// Whole CPUs of `quota` microseconds per `period`. Rounded down: a loop whose threads together
// exceed the quota is stopped for the rest of the period, all of them.
int QuotaCores(std::string_view quota, std::string_view period) {
  const auto quota_us = Positive(quota);
  const auto period_us = Positive(period);
  if (!quota_us || !period_us) {
    return std::numeric_limits<int>::max();
  }
  return static_cast<int>(
      std::clamp<std::int64_t>(*quota_us / *period_us, 1, std::numeric_limits<int>::max()));
}

// Of one group: "max 100000" or "150000 100000" in a file, or each number in its own.
int GroupCores(const ControlGroup& group) {
  if (group.unified) {
    const Result<std::string> text = ReadTextFile(group.folder / "cpu.max", kSmallFile);
    const std::string_view line = text.ok() ? FirstLine(*text) : std::string_view();
    const std::size_t space = std::min(line.find(' '), line.size());
    return QuotaCores(line.substr(0, space), line.substr(std::min(space + 1, line.size())));
  }
  const Result<std::string> quota = ReadTextFile(group.folder / "cpu.cfs_quota_us", kSmallFile);
  const Result<std::string> period = ReadTextFile(group.folder / "cpu.cfs_period_us", kSmallFile);
  if (!quota.ok() || !period.ok()) {
    return std::numeric_limits<int>::max();
  }
  return QuotaCores(FirstLine(*quota), FirstLine(*period));
}

// The tightest quota of this process's group and of all groups around it.
int CgroupCores(const Path& root) {
  int cores = std::numeric_limits<int>::max();
  for (const ControlGroup& group : ControlGroupsOf("cpu", root)) {
    cores = std::min(cores, GroupCores(group));
  }
  return cores;
}

}  // namespace

std::vector<int> AffinityMask() {
  std::vector<int> cpus;
  // The kernel refuses a mask smaller than its own, which may exceed the 1024 CPUs of a cpu_set_t.
  for (int size = 1024; size <= 1 << 20; size *= 2) {
    cpu_set_t* mask = CPU_ALLOC(size);
    const std::size_t bytes = CPU_ALLOC_SIZE(size);
    const bool known = ::sched_getaffinity(0, bytes, mask) == 0;
    for (int cpu = 0; known && cpu < size; ++cpu) {
      if (CPU_ISSET_S(cpu, bytes, mask)) {
        cpus.push_back(cpu);
      }
    }
    CPU_FREE(mask);
    if (known) {
      break;
    }
  }
  return cpus;
}

int CountUsableCores(const std::vector<int>& cpus, const Path& root) {
  std::set<std::string> cores;  // each named by the list of its threads
  for (const int cpu : cpus) {
    const Path file =
        root / fmt::format("sys/devices/system/cpu/cpu{}/topology", cpu) / "thread_siblings_list";
    const Result<std::string> siblings = ReadTextFile(file, kSmallFile);
    cores.insert(siblings.ok() ? *siblings : fmt::format("cpu{}", cpu));
  }
  return std::clamp(static_cast<int>(cores.size()), 1, CgroupCores(root));
}

}  // namespace ashlar::internal
