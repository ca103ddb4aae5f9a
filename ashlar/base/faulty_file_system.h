// A FaultyFileSystem is a FileSystem for tests: it passes everything on to another one, counts the
// operations that change something, makes the one that it is told to fail, and can then pull the
// plug. A test that shows what survives is a loop over every operation of what it tests:
//
//   for (int n = 1;; ++n) {
//     FaultyFileSystem files(RealFileSystem());
//     files.FailOperation(n, {.after = FaultyFileSystem::After::kCrash});
//     ... open the store on `files`, put, tag; remember what was acknowledged ...
//     if (!files.failure()) break;                 // it takes fewer than n operations
//     files.SimulatePowerLoss();
//     ... open the store again: all that was acknowledged is there ...
//   }
//
// What power loss takes away, as the least that POSIX promises leaves it:
// - bytes of a file that no Sync() followed: the file is cut to its length at its last Sync();
// - creations, renames, removals and new directories that no SyncDirectory() of the directory that
//   holds the name followed: they are undone, newest first. A new directory that goes takes along
//   what is in it. A rename is one change, and belongs to the directory that it moves into.
// What was there before this object saw it counts as synced. Other writers of the same files, and
// the files that Lock creates, are not tracked; directories are never renamed (a CHECK).
//
// Thread-safe. Every path is compared after lexical normalisation; links are not followed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/base/file.h"

namespace ashlar {

class FaultyFileSystem final : public FileSystem {
 public:
  enum class After {
    kContinue,  // only the one operation fails
    kCrash,     // everything fails from then on, also reads, until Restart or SimulatePowerLoss
  };
  struct Fault {
    ErrorCode code = ErrorCode::kIo;  // or kExhausted: the disk is full
    After after = After::kContinue;
    bool half_written = false;  // a Write that fails has written the first half of its bytes
  };

  // `base` must outlive this object.
  explicit FaultyFileSystem(FileSystem& base) : base_(base) {}

  // Makes the `nth` changing operation from now on fail (1 is the next one), instead of what was
  // asked for before. Requires: nth >= 1, not crashed.
  void FailOperation(std::int64_t nth, const Fault& fault);
  void FailOperation(std::int64_t nth) { FailOperation(nth, Fault()); }

  // How many changing operations were begun: each Create, Append, Write, WritableFile::Sync,
  // Rename, Remove, CreateDirectories and SyncDirectory, whether it failed or not.
  std::int64_t operations() const;
  // The operation that the fault struck, in words ("rename a to b"); nothing before it strikes.
  std::optional<std::string> failure() const;

  // The process died and begins anew: the fault is gone, files that were open for writing stay
  // unusable, everything that was written is there.
  void Restart();
  // The machine died and begins anew: as Restart, and what was not synced is gone.
  void SimulatePowerLoss();

  Result<std::unique_ptr<WritableFile>> Create(const Path& path) override;
  Result<std::unique_ptr<WritableFile>> Append(const Path& path) override;
  Result<MappedFile> Map(const Path& path) override;
  Status Rename(const Path& from, const Path& to) override;
  Status Remove(const Path& path) override;
  Status CreateDirectories(const Path& path) override;
  Status SyncDirectory(const Path& path) override;
  Result<std::vector<DirectoryEntry>> List(const Path& path) override;
  Result<std::optional<DirectoryEntry>> Stat(const Path& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const Path& path, LockMode mode, bool wait) override;

 private:
  class File;

  // What is known of a file that was written through this object, whatever its name is now.
  struct Written {
    std::uint64_t length = 0;
    std::uint64_t synced_length = 0;
  };
  // A change of a directory that was not synced yet.
  struct Change {
    Path directory;
    std::function<void()> undo;
  };
  struct Armed {
    std::int64_t operation;
    Fault fault;
  };

  // Each requires mutex_.
  Status BeginLocked(const std::string& what, const Fault** struck = nullptr);
  Status AliveLocked() const;
  std::function<void()> RestorerLocked(const Path& path);
  void RestartLocked();
  void CutLocked(const Path& path, std::uint64_t length);

  Status Alive() const;
  Result<std::unique_ptr<WritableFile>> Open(const Path& path, bool append);

  FileSystem& base_;
  mutable std::mutex mutex_;
  std::int64_t operations_ = 0;
  std::optional<Armed> armed_;
  std::optional<std::string> failure_;
  bool crashed_ = false;
  std::uint64_t life_ = 0;  // of the process; handles from an earlier one are dead
  std::map<Path, std::shared_ptr<Written>> written_;
  std::vector<Change> changes_;  // oldest first
};

}  // namespace ashlar
