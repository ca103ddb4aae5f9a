// Memory groups of the system's for tests: what is charged to a process, and limits that move.
#pragma once

#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#include "ashlar/base/control_groups.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar::testing_soak {

inline bool WriteNumber(const Path& file, std::uint64_t number) {
  std::ofstream out(file);
  out << number << std::flush;
  return out.good();
}

// A group below that of this process, which can enter it, and leaves it with the group's end.
class MemoryGroup {
 public:
  MemoryGroup() {
    for (const ControlGroup& group : ControlGroupsOf("memory", "/")) {
      const Path folder = group.folder / fmt::format("ashlar-test-{}", ::getpid());
      limit_ = folder / (group.unified ? "memory.max" : "memory.limit_in_bytes");
      std::error_code failed;
      std::filesystem::create_directory(folder, failed);
      if (!failed && std::filesystem::exists(limit_)) {
        above_ = group.folder;
        folder_ = folder;
        return;
      }
      std::filesystem::remove(folder, failed);
    }
  }
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;
  ~MemoryGroup() {
    if (entered_) {
      MoveTo(above_);
    }
    if (there()) {
      ::rmdir(folder_.c_str());
    }
  }

  bool there() const { return !folder_.empty(); }  // else this process may make none
  bool Limit(std::uint64_t bytes) const { return WriteNumber(limit_, bytes); }
  bool Enter() { return entered_ = there() && MoveTo(folder_); }

 private:
  static bool MoveTo(const Path& folder) {
    return WriteNumber(folder / "cgroup.procs", static_cast<std::uint64_t>(::getpid()));
  }
  Path above_;
  Path folder_;
  Path limit_;
  bool entered_ = false;
};

// A limit on the memory of a child: the system's, or where this process may make no group one that
// is played. Then the child reads it below another root, and this process, asked often enough,
// kills a child that is above it for a second.
class ChildLimit {
 public:
  ChildLimit() {
    if (!group_.there()) {
      played_.emplace();
      std::filesystem::create_directories(*played_ / "proc/self");
      std::filesystem::create_directories(*played_ / "sys/fs/cgroup/child");
      std::ofstream(*played_ / "proc/self/cgroup") << "0::/child\n";
    }
  }
  // In the child. (What it ends is the copy of the parent's: it must leave by _exit.)
  bool Enter() { return played_ || group_.Enter(); }
  Path root() const { return played_ ? played_->path() : Path("/"); }

  bool Set(std::uint64_t bytes) {
    limit_ = bytes;
    within_at_ = std::chrono::steady_clock::now();
    return played_ ? WriteNumber(*played_ / "sys/fs/cgroup/child/memory.max", bytes)
                   : group_.Limit(bytes);
  }
  void Enforce(pid_t child) {
    std::ifstream file(fmt::format("/proc/{}/statm", child));
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    file >> size >> resident;
    const auto now = std::chrono::steady_clock::now();
    if (!played_ || resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) <= limit_) {
      within_at_ = now;
    } else if (now - within_at_ > std::chrono::seconds(1)) {
      ::kill(child, SIGKILL);
    }
  }

 private:
  MemoryGroup group_;
  std::optional<TempDirectory> played_;
  std::uint64_t limit_ = std::uint64_t{1} << 60;
  std::chrono::steady_clock::time_point within_at_ = std::chrono::steady_clock::now();
};

}  // namespace ashlar::testing_soak
