#include "ashlar/base/usable_cores.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <string_view>

#include <sched.h>

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kSmallFile = 1 << 16;

std::string_view FirstLine(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

// The part of `text` before `separator`, which is cut off it with the separator.
std::string_view CutField(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return field;
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

int GroupQuotaV2(const Path& group) {
  const Result<std::string> text = ReadTextFile(group / "cpu.max", kSmallFile);
  if (!text.ok()) {
    return std::numeric_limits<int>::max();
  }
  std::string_view line = FirstLine(*text);  // "max 100000" or "150000 100000"
  const std::string_view quota = CutField(line, ' ');
  return QuotaCores(quota, line);
}

int GroupQuotaV1(const Path& group) {
  const Result<std::string> quota = ReadTextFile(group / "cpu.cfs_quota_us", kSmallFile);
  const Result<std::string> period = ReadTextFile(group / "cpu.cfs_period_us", kSmallFile);
  if (!quota.ok() || !period.ok()) {
    return std::numeric_limits<int>::max();
  }
  return QuotaCores(FirstLine(*quota), FirstLine(*period));
}

// The tightest quota of `group` (a path like "/a/b", below `mount`) and of all groups around it.
// Inside a container the groups outside of it may be missing; its own is then the mount itself.
template <class GroupQuota>
int TightestQuota(const Path& mount, std::string_view group, const GroupQuota& group_quota) {
  Path inner = Path(group).relative_path();
  int cores = group_quota(mount);
  for (; !inner.empty(); inner = inner.parent_path()) {
    cores = std::min(cores, group_quota(mount / inner));
  }
  return cores;
}

int CgroupCores(const Path& root) {
  int cores = std::numeric_limits<int>::max();
  const Result<std::string> text = ReadTextFile(root / "proc/self/cgroup", kSmallFile);
  if (!text.ok()) {
    return cores;
  }
  const Path mounts = root / "sys/fs/cgroup";
  std::string_view rest = *text;
  while (!rest.empty()) {  // lines of hierarchy:controllers:path
    std::string_view line = CutField(rest, '\n');
    const std::string_view hierarchy = CutField(line, ':');
    std::string_view controllers = CutField(line, ':');
    if (hierarchy == "0" && controllers.empty()) {
      cores = std::min(cores, TightestQuota(mounts, line, GroupQuotaV2));
      continue;
    }
    const Path mount = mounts / controllers;  // "cpu", or "cpu,cpuacct"
    while (!controllers.empty()) {
      if (CutField(controllers, ',') == "cpu") {
        cores = std::min(cores, TightestQuota(mount, line, GroupQuotaV1));
      }
    }
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
