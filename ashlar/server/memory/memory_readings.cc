#include "ashlar/server/memory/memory_readings.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include <sys/sysinfo.h>
#include <unistd.h>

#include "ashlar/base/check.h"
#include "ashlar/base/control_groups.h"

namespace ashlar {
namespace {

constexpr std::uint64_t kSmallMemoryFile = 1 << 16;
// Version 1 writes "no limit" as the largest multiple of a page: nothing this large is a limit.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

// The number at the front of `text`, up to white space or the end.
std::optional<std::uint64_t> LeadingNumber(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || (at != end && *at != '\n' && *at != ' ')) {
    return std::nullopt;
  }
  return number;
}

std::optional<std::uint64_t> NumberIn(const Path& file) {
  const Result<std::string> text = ReadTextFile(file, kSmallMemoryFile);
  return text.ok() ? LeadingNumber(*text) : std::nullopt;
}

// The number after `key` at the front of a line.
std::optional<std::uint64_t> StatIn(const Path& file, std::string_view key) {
  const Result<std::string> text = ReadTextFile(file, kSmallMemoryFile);
  std::string_view rest = text.ok() ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    if (rest.starts_with(key)) {
      return LeadingNumber(rest.substr(key.size()));
    }
    rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
  }
  return std::nullopt;
}

// What other processes hold of a group that nothing takes from them: memory that is no file's. (The
// counters lag a little behind one another, hence the steps.)
std::uint64_t HeldByOthers(const ControlGroup& group, std::uint64_t own) {
  constexpr std::uint64_t kStep = 16 << 20;
  const std::uint64_t all =
      StatIn(group.folder / "memory.stat", group.unified ? "anon " : "total_rss ").value_or(0);
  return (all - std::min(all, own)) / kStep * kStep;
}

// Of the counters of pages in /proc/self/statm, "size resident shared ...", in bytes.
std::uint64_t OwnPages(const Path& root, std::size_t index) {
  const Result<std::string> text = ReadTextFile(root / "proc/self/statm", kSmallMemoryFile);
  std::string_view rest = text.ok() ? std::string_view(*text) : std::string_view();
  for (; index > 0; --index) {
    rest.remove_prefix(std::min(rest.find(' '), rest.size()));
    rest.remove_prefix(std::min<std::size_t>(rest.size(), 1));
  }
  return LeadingNumber(rest).value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<std::uint64_t> PressureIn(const Path& file) {
  const Result<std::string> text = ReadTextFile(file, kSmallMemoryFile);
  return text.ok() ? internal::ParsePressure(*text) : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> internal::ParsePressure(std::string_view text) {
  constexpr std::string_view kTotal = "total=";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t total = line.find(kTotal);
    if (line.starts_with("some ") && total != std::string_view::npos) {
      return LeadingNumber(line.substr(total + kTotal.size()));
    }
  }
  return std::nullopt;
}

std::uint64_t ResidentBytes(const Path& root) {
  return OwnPages(root, 1);
}

std::uint64_t MachineBytes() {
  struct sysinfo machine = {};
  CHECK(::sysinfo(&machine) == 0);  // it fails on a bad address only
  return std::uint64_t{machine.totalram} * machine.mem_unit;
}

MemoryReadings ReadMemory(const Path& root) {
  MemoryReadings readings{.resident = ResidentBytes(root)};
  const std::uint64_t own = readings.resident - std::min(readings.resident, OwnPages(root, 2));
  for (const ControlGroup& group : ControlGroupsOf("memory", root)) {
    const std::vector<std::string_view> limits =
        group.unified ? std::vector<std::string_view>{"memory.max", "memory.high"}
                      : std::vector<std::string_view>{"memory.limit_in_bytes"};
    for (const std::string_view name : limits) {
      const auto limit = NumberIn(group.folder / name);
      if (limit && *limit < kNoLimit) {
        const std::uint64_t left = *limit - std::min(*limit, HeldByOthers(group, own));
        readings.limit = std::min(readings.limit.value_or(left), left);
      }
    }
    if (!readings.group_use) {  // the first group is its own
      readings.group_use =
          NumberIn(group.folder / (group.unified ? "memory.current" : "memory.usage_in_bytes"));
    }
    if (!readings.stalled && group.unified) {
      readings.stalled = PressureIn(group.folder / "memory.pressure");
    }
  }
  if (!readings.stalled) {
    readings.stalled = PressureIn(root / "proc/pressure/memory");
  }
  return readings;
}

}  // namespace ashlar
