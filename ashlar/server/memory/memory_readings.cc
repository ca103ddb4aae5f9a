#include "ashlar/server/memory/memory_readings.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include <unistd.h>

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
  // "size resident shared ...", in pages.
  const Result<std::string> text = ReadTextFile(root / "proc/self/statm", kSmallMemoryFile);
  const std::size_t space = text.ok() ? text->find(' ') : std::string::npos;
  if (space == std::string::npos) {
    return 0;
  }
  const auto pages = LeadingNumber(std::string_view(*text).substr(space + 1));
  return pages.value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t MachineBytes(const Path& root) {
  constexpr std::string_view kTotal = "MemTotal:";
  const Result<std::string> text = ReadTextFile(root / "proc/meminfo", kSmallMemoryFile);
  std::string_view rest = text.ok() ? std::string_view(*text) : std::string_view();
  rest.remove_prefix(std::min(rest.find(kTotal), rest.size()));
  rest.remove_prefix(std::min(rest.find_first_of("0123456789"), rest.size()));
  return LeadingNumber(rest).value_or(0) * 1024;  // "MemTotal:       24682416 kB"
}

MemoryReadings ReadMemory(const Path& root) {
  MemoryReadings readings{.resident = ResidentBytes(root)};
  for (const ControlGroup& group : ControlGroupsOf("memory", root)) {
    const std::vector<std::string_view> limits =
        group.unified ? std::vector<std::string_view>{"memory.max", "memory.high"}
                      : std::vector<std::string_view>{"memory.limit_in_bytes"};
    for (const std::string_view name : limits) {
      const auto limit = NumberIn(group.folder / name);
      if (limit && *limit < kNoLimit) {
        readings.limit = std::min(readings.limit.value_or(*limit), *limit);
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
