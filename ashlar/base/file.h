// FileSystem is the part of the operating system's files that ashlar stands on, as one small
// interface, so that tests can make the n-th write, fsync or rename fail, or lose what was not
// synced. Thread-safe. Errors are kNotFound, kExhausted (disk full), kInvalid (not a regular file
// where one is needed: a directory or a FIFO is never waited for), or kIo; each names the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar {

using Path = std::filesystem::path;

// A file being written front to back. Closed when it goes; what was not synced may be lost. After a
// failure every later call fails too.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Status Write(std::span<const std::byte> bytes) = 0;  // all of it, or an error
  virtual Status Sync() = 0;                                   // fsync
};

// Read-only memory that holds a whole file, shared with every other process that maps it. The
// bytes stay valid while the handle lives, also after the file is unlinked.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Takes the pages inside `mapped` (bytes of a MappedFile) out of this process's resident memory.
// They are read again when touched: for walking over files larger than memory should hold.
void DropResidentPages(std::span<const std::byte> mapped);

// Holds a lock on a file until it goes (also when the process dies).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class LockMode { kShared, kExclusive };

struct DirectoryEntry {
  std::string name;
  std::uint64_t size = 0;  // bytes; 0 for a directory
  bool is_directory = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // A new file that must not exist yet (kConflict when it does).
  virtual Result<std::unique_ptr<WritableFile>> Create(const Path& path) = 0;
  // An existing or new file, written at its end.
  virtual Result<std::unique_ptr<WritableFile>> Append(const Path& path) = 0;
  virtual Result<MappedFile> Map(const Path& path) = 0;
  // Lets the system forget what it keeps in memory of a part of a file, as far as nobody has it
  // mapped. Advice: reading it again is all that it can cost.
  virtual void DropCached(const Path& /*path*/, std::uint64_t /*offset*/,
                          std::uint64_t /*length*/) {}
  // Replaces `to` atomically.
  virtual Status Rename(const Path& from, const Path& to) = 0;
  // A file or an empty directory.
  virtual Status Remove(const Path& path) = 0;
  // Creates missing parents too; fine when it exists.
  virtual Status CreateDirectories(const Path& path) = 0;
  // Makes creations, renames and removals inside `path` survive power loss.
  virtual Status SyncDirectory(const Path& path) = 0;
  // Sorted by name.
  virtual Result<std::vector<DirectoryEntry>> List(const Path& path) = 0;
  // Nothing when there is no such file.
  virtual Result<std::optional<DirectoryEntry>> Stat(const Path& path) = 0;
  // Waits for the lock; the file is created when missing. `wait` false: kConflict when held.
  virtual Result<std::unique_ptr<FileLock>> Lock(const Path& path, LockMode mode, bool wait) = 0;
};

// The real one. Lives for ever, has no state.
FileSystem& RealFileSystem();

// The whole of a small file, copied. kInvalid when it is larger than `max_bytes`.
Result<std::string> ReadTextFile(const Path& path, std::uint64_t max_bytes = 256u << 20);

}  // namespace ashlar
