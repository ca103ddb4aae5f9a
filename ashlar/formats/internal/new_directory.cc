#include "ashlar/formats/internal/new_directory.h"

#include <system_error>
#include <utility>

#include <unistd.h>

namespace ashlar::internal {

namespace {

Path WithoutSlash(const Path& path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

Status NewDirectory::CheckTarget(const Path& path) {
  const Path target = WithoutSlash(path);
  std::error_code error;
  const bool there = std::filesystem::exists(std::filesystem::symlink_status(target, error));
  if (target.empty() || (there && (!std::filesystem::is_directory(target, error) ||
                                   !std::filesystem::is_empty(target, error)))) {
    return Invalid("{}: expected no directory yet, or an empty one: what stands there is kept",
                   path.string());
  }
  return {};
}

Result<NewDirectory> NewDirectory::Create(const Path& path) {
  ASHLAR_TRY(CheckTarget(path));
  const Path target = WithoutSlash(path);
  Path temporary = target.string() + fmt::format(".{}.tmp", ::getpid());
  ASHLAR_TRY(RealFileSystem().CreateDirectories(temporary));
  return NewDirectory(target, std::move(temporary));
}

NewDirectory::NewDirectory(NewDirectory&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, Path())) {}

NewDirectory::~NewDirectory() {
  if (!temporary_.empty()) {
    std::error_code error;  // whoever lets go of it has an error that matters
    std::filesystem::remove_all(temporary_, error);
  }
}

Status NewDirectory::Commit() {
  ASHLAR_TRY(RealFileSystem().SyncDirectory(temporary_));
  ASHLAR_TRY(RealFileSystem().Rename(temporary_, path_));
  temporary_.clear();
  return RealFileSystem().SyncDirectory(path_.has_parent_path() ? path_.parent_path() : Path("."));
}

}  // namespace ashlar::internal
