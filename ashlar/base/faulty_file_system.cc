#include "ashlar/base/faulty_file_system.h"

#include <algorithm>

namespace ashlar {
namespace {

// One spelling for each path, without a trailing slash.
Path Normal(const Path& path) {
  const Path normal = std::filesystem::absolute(path).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

std::vector<std::byte> Contents(FileSystem& files, const Path& path) {
  const Result<MappedFile> file = files.Map(path);
  CHECK(file.ok());
  return {file->bytes().begin(), file->bytes().end()};
}

void WriteAnew(FileSystem& files, const Path& path, std::span<const std::byte> bytes) {
  const auto file = files.Create(path);
  CHECK(file.ok());
  CHECK((*file)->Write(bytes).ok());
}

std::optional<DirectoryEntry> Look(FileSystem& files, const Path& path) {
  const auto entry = files.Stat(path);
  CHECK(entry.ok());
  return *entry;
}

void RemoveAll(FileSystem& files, const Path& path) {
  const auto entry = Look(files, path);
  if (!entry) {
    return;
  }
  if (entry->is_directory) {
    const auto inside = files.List(path);
    CHECK(inside.ok());
    for (const DirectoryEntry& child : *inside) {
      RemoveAll(files, path / child.name);
    }
  }
  CHECK(files.Remove(path).ok());
}

}  // namespace

class FaultyFileSystem::File final : public WritableFile {
 public:
  File(FaultyFileSystem& files, Path path, std::unique_ptr<WritableFile> file,
       std::shared_ptr<Written> written)
      : files_(files),
        path_(std::move(path)),
        life_(files.life_),
        file_(std::move(file)),
        written_(std::move(written)) {}

  Status Write(std::span<const std::byte> bytes) override {
    const std::lock_guard lock(files_.mutex_);
    ASHLAR_TRY(SameLife());
    const Fault* struck = nullptr;
    const Status begun = files_.BeginLocked(fmt::format("write to {}", path_.string()), &struck);
    if (!begun.ok() && (struck == nullptr || !struck->half_written)) {
      return begun;
    }
    if (!begun.ok()) {
      bytes = bytes.first(bytes.size() / 2);
    }
    ASHLAR_TRY(file_->Write(bytes));
    written_->length += bytes.size();
    return begun;
  }

  Status Sync() override {
    const std::lock_guard lock(files_.mutex_);
    ASHLAR_TRY(SameLife());
    ASHLAR_TRY(files_.BeginLocked(fmt::format("sync {}", path_.string())));
    ASHLAR_TRY(file_->Sync());
    written_->synced_length = written_->length;
    return {};
  }

 private:
  Status SameLife() const {
    if (life_ != files_.life_) {
      return IoError("{} was opened by a process that died", path_.string());
    }
    return {};
  }

  FaultyFileSystem& files_;
  const Path path_;
  const std::uint64_t life_;
  const std::unique_ptr<WritableFile> file_;
  const std::shared_ptr<Written> written_;
};

void FaultyFileSystem::FailOperation(std::int64_t nth, const Fault& fault) {
  CHECK_GE(nth, 1);
  const std::lock_guard lock(mutex_);
  CHECK(!crashed_);
  failure_.reset();
  armed_ = Armed{operations_ + nth, fault};
}

std::int64_t FaultyFileSystem::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::optional<std::string> FaultyFileSystem::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void FaultyFileSystem::Restart() {
  const std::lock_guard lock(mutex_);
  RestartLocked();
}

void FaultyFileSystem::SimulatePowerLoss() {
  const std::lock_guard lock(mutex_);
  RestartLocked();
  std::for_each(changes_.rbegin(), changes_.rend(), [](const Change& change) { change.undo(); });
  changes_.clear();
  for (const auto& [path, written] : written_) {
    if (written->synced_length < written->length) {
      CutLocked(path, written->synced_length);
    }
  }
  written_.clear();  // what is left is on the disk
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::Create(const Path& path) {
  return Open(path, /*append=*/false);
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::Append(const Path& path) {
  return Open(path, /*append=*/true);
}

Result<std::unique_ptr<WritableFile>> FaultyFileSystem::Open(const Path& given, bool append) {
  const std::lock_guard lock(mutex_);
  const Path path = Normal(given);
  ASHLAR_TRY(BeginLocked(fmt::format("{} {}", append ? "append to" : "create", path.string())));
  ASHLAR_TRY(const auto before, base_.Stat(path));
  ASHLAR_TRY(auto file, append ? base_.Append(path) : base_.Create(path));
  std::shared_ptr<Written>& written = written_[path];
  if (!before) {
    written = std::make_shared<Written>();
    changes_.push_back({path.parent_path(), [this, path] {
                          RemoveAll(base_, path);
                          written_.erase(path);
                        }});
  } else if (written == nullptr) {
    written = std::make_shared<Written>(Written{before->size, before->size});
  }
  return std::make_unique<File>(*this, path, std::move(file), written);
}

Status FaultyFileSystem::Rename(const Path& given_from, const Path& given_to) {
  const std::lock_guard lock(mutex_);
  const Path from = Normal(given_from);
  const Path to = Normal(given_to);
  ASHLAR_TRY(BeginLocked(fmt::format("rename {} to {}", from.string(), to.string())));
  const auto moved = Look(base_, from);
  CHECK(!moved || !moved->is_directory);
  const std::function<void()> restore_replaced = RestorerLocked(to);
  ASHLAR_TRY(base_.Rename(from, to));
  if (from == to) {
    return {};
  }
  const auto move_written = [this](const Path& source, const Path& target) {
    auto node = written_.extract(source);
    written_.erase(target);
    if (!node.empty()) {
      node.key() = target;
      written_.insert(std::move(node));
    }
  };
  move_written(from, to);
  changes_.push_back({to.parent_path(), [this, from, to, move_written, restore_replaced] {
                        CHECK(base_.Rename(to, from).ok());
                        move_written(to, from);
                        restore_replaced();
                      }});
  return {};
}

Status FaultyFileSystem::Remove(const Path& given) {
  const std::lock_guard lock(mutex_);
  const Path path = Normal(given);
  ASHLAR_TRY(BeginLocked(fmt::format("remove {}", path.string())));
  std::function<void()> restore = RestorerLocked(path);
  ASHLAR_TRY(base_.Remove(path));
  written_.erase(path);
  changes_.push_back({path.parent_path(), std::move(restore)});
  return {};
}

Status FaultyFileSystem::CreateDirectories(const Path& given) {
  const std::lock_guard lock(mutex_);
  const Path path = Normal(given);
  ASHLAR_TRY(BeginLocked(fmt::format("create the directory {}", path.string())));
  std::vector<Path> missing;  // innermost first
  for (Path at = path; !Look(base_, at); at = at.parent_path()) {
    missing.push_back(at);
  }
  ASHLAR_TRY(base_.CreateDirectories(path));
  std::for_each(missing.rbegin(), missing.rend(), [this](const Path& made) {
    changes_.push_back({made.parent_path(), [this, made] { RemoveAll(base_, made); }});
  });
  return {};
}

Status FaultyFileSystem::SyncDirectory(const Path& given) {
  const std::lock_guard lock(mutex_);
  const Path path = Normal(given);
  ASHLAR_TRY(BeginLocked(fmt::format("sync the directory {}", path.string())));
  ASHLAR_TRY(base_.SyncDirectory(path));
  std::erase_if(changes_, [&path](const Change& change) { return change.directory == path; });
  return {};
}

Result<MappedFile> FaultyFileSystem::Map(const Path& path) {
  ASHLAR_TRY(Alive());
  return base_.Map(path);
}

Result<std::vector<DirectoryEntry>> FaultyFileSystem::List(const Path& path) {
  ASHLAR_TRY(Alive());
  return base_.List(path);
}

Result<std::optional<DirectoryEntry>> FaultyFileSystem::Stat(const Path& path) {
  ASHLAR_TRY(Alive());
  return base_.Stat(path);
}

Result<std::unique_ptr<FileLock>> FaultyFileSystem::Lock(const Path& path, LockMode mode,
                                                         bool wait) {
  ASHLAR_TRY(Alive());
  return base_.Lock(path, mode, wait);
}

// Counts an operation, and fails when it is the one to fail; `struck` is then its fault.
Status FaultyFileSystem::BeginLocked(const std::string& what, const Fault** struck) {
  ASHLAR_TRY(AliveLocked());
  ++operations_;
  if (!armed_ || operations_ != armed_->operation) {
    return {};
  }
  failure_ = what;
  crashed_ = armed_->fault.after == After::kCrash;
  if (struck != nullptr) {
    *struck = &armed_->fault;
  }
  return Error{armed_->fault.code, fmt::format("cannot {}: injected fault", what)};
}

Status FaultyFileSystem::AliveLocked() const {
  if (crashed_) {
    return IoError("the process died: {}", *failure_);
  }
  return {};
}

Status FaultyFileSystem::Alive() const {
  const std::lock_guard lock(mutex_);
  return AliveLocked();
}

// How to bring back what is at `path` now, after it was removed or replaced.
std::function<void()> FaultyFileSystem::RestorerLocked(const Path& path) {
  const auto entry = Look(base_, path);
  if (!entry) {
    return [] {};
  }
  if (entry->is_directory) {
    return [this, path] { CHECK(base_.CreateDirectories(path).ok()); };
  }
  const auto known = written_.find(path);
  return [this, path, contents = Contents(base_, path),
          written = known == written_.end() ? nullptr : known->second] {
    WriteAnew(base_, path, contents);
    if (written != nullptr) {
      written_[path] = written;
    }
  };
}

void FaultyFileSystem::RestartLocked() {
  armed_.reset();
  crashed_ = false;
  ++life_;
}

// Writes the file anew instead of shortening it, since somebody may have it mapped.
void FaultyFileSystem::CutLocked(const Path& path, std::uint64_t length) {
  if (!Look(base_, path)) {
    return;  // it was in a directory that is gone
  }
  std::vector<std::byte> contents = Contents(base_, path);
  CHECK_LE(length, contents.size());
  contents.resize(length);
  CHECK(base_.Remove(path).ok());
  WriteAnew(base_, path, contents);
}

}  // namespace ashlar
