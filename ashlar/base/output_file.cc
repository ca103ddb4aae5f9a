#include "ashlar/base/output_file.h"

#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ashlar {
namespace {

// The file that `path` stands for, links followed.
Result<Path> FindTarget(const Path& path) {
  std::error_code error;
  Path target = path;
  if (std::filesystem::is_symlink(path, error)) {
    target = std::filesystem::weakly_canonical(path, error);
    if (error) {
      return Invalid("{}: a symbolic link that cannot be followed: {}", path.string(),
                     error.message());
    }
  }
  const std::filesystem::file_status status = std::filesystem::status(target, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return Invalid("{}: expected a regular file, or none yet: what stands there would be replaced",
                   path.string());
  }
  const Path folder = target.parent_path();
  const std::filesystem::file_status there = std::filesystem::status(folder, error);
  const bool known = std::filesystem::status_known(there);  // else making the file says why not
  if (!folder.empty() && known && !std::filesystem::is_directory(there)) {
    return NotFound("{}: there is no folder {} to write it into; make it first", path.string(),
                    folder.string());
  }
  return target;
}

// An empty file that its owner alone may open, from the moment at which it is there.
Result<std::unique_ptr<WritableFile>> CreateForOwner(const Path& path) {
  constexpr mode_t kOwnerAlone = S_IRUSR | S_IWUSR;
  const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerAlone);
  if (made < 0) {
    return RealFileSystem().Create(path);  // whose error it is
  }
  ::close(made);
  return RealFileSystem().Append(path);
}

}  // namespace

Status OutputFile::CheckTarget(const Path& path) {
  ASHLAR_TRY(FindTarget(path));
  return {};
}

Result<OutputFile> OutputFile::Create(const Path& path, Readers readers) {
  ASHLAR_TRY(Path target, FindTarget(path));
  Path temporary = target.string() + fmt::format(".{}.tmp", ::getpid());
  ASHLAR_TRY(std::unique_ptr<WritableFile> file, readers == Readers::kOwner
                                                     ? CreateForOwner(temporary)
                                                     : RealFileSystem().Create(temporary));
  return OutputFile(std::move(target), std::move(temporary), std::move(file));
}

OutputFile::OutputFile(Path path, Path temporary, std::unique_ptr<WritableFile> file)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

OutputFile::~OutputFile() {
  if (file_ != nullptr) {
    file_.reset();
    (void)RealFileSystem().Remove(temporary_);  // whoever lets go of it has an error that matters
  }
}

Status OutputFile::Write(std::span<const std::byte> bytes) {
  return file_->Write(bytes);
}

Status OutputFile::Commit() {
  ASHLAR_TRY(file_->Sync());
  ASHLAR_TRY(RealFileSystem().Rename(temporary_, path_));
  file_.reset();
  return RealFileSystem().SyncDirectory(path_.has_parent_path() ? path_.parent_path() : Path("."));
}

}  // namespace ashlar
