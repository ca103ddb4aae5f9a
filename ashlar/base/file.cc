#include "ashlar/base/file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ashlar {
namespace {

constexpr mode_t kNewFileMode = 0666;  // less the umask

// "cannot `verb` `path`: reason", with the code that callers act on.
Error FromErrno(int errno_value, std::string_view verb, const Path& path) {
  const auto code = [errno_value] {
    switch (errno_value) {
      case ENOENT:
      case ENOTDIR:
        return ErrorCode::kNotFound;
      case EEXIST:
        return ErrorCode::kConflict;
      case ENOSPC:
      case EDQUOT:
      case EFBIG:
      case ENOMEM:
      case EMFILE:
      case ENFILE:
        return ErrorCode::kExhausted;
      default:
        return ErrorCode::kIo;
    }
  };
  return {code(), fmt::format("cannot {} {}: {}", verb, path.string(), ErrnoText(errno_value))};
}

// Repeats a system call that a signal interrupted.
template <class Call>
auto Retry(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) {
    result = call();
  }
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> Open(const Path& path, int flags, std::string_view verb) {
  const int fd = Retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kNewFileMode); });
  if (fd < 0) {
    return FromErrno(errno, verb, path);
  }
  return Descriptor(fd);
}

struct OpenFile {
  Descriptor descriptor;
  std::uint64_t size;
};

// Opens a regular file and nothing else: O_NONBLOCK keeps the open of a FIFO from waiting for its
// other end, and means nothing to a regular file.
Result<OpenFile> OpenRegular(const Path& path, int flags, std::string_view verb) {
  ASHLAR_TRY(Descriptor descriptor, Open(path, flags | O_NONBLOCK, verb));
  struct stat status;
  if (::fstat(descriptor.fd(), &status) != 0) {
    return FromErrno(errno, verb, path);
  }
  if (!S_ISREG(status.st_mode)) {
    return Invalid("cannot {} {}: it is not a regular file", verb, path.string());
  }
  return OpenFile{std::move(descriptor), static_cast<std::uint64_t>(status.st_size)};
}

class RealWritableFile final : public WritableFile {
 public:
  RealWritableFile(Path path, Descriptor descriptor)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}

  Status Write(std::span<const std::byte> bytes) override {
    if (failure_) {
      return *failure_;
    }
    while (!bytes.empty()) {
      const ssize_t written =
          Retry([&] { return ::write(descriptor_.fd(), bytes.data(), bytes.size()); });
      if (written < 0) {
        return Fail("write");
      }
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }

  Status Sync() override {
    if (failure_) {
      return *failure_;
    }
    if (Retry([&] { return ::fsync(descriptor_.fd()); }) != 0) {
      return Fail("sync");
    }
    return {};
  }

 private:
  // A failure stays: the kernel reports a page that it could not write back once, and the next
  // fsync would say that all is well.
  Error Fail(std::string_view verb) {
    failure_ = FromErrno(errno, verb, path_);
    return *failure_;
  }

  const Path path_;
  const Descriptor descriptor_;
  std::optional<Error> failure_;
};

class RealFileLock final : public FileLock {
 public:
  explicit RealFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  const Descriptor descriptor_;  // closing it releases the lock
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<WritableFile>> Create(const Path& path) override {
    ASHLAR_TRY(OpenFile file, OpenRegular(path, O_WRONLY | O_CREAT | O_EXCL, "create"));
    return std::make_unique<RealWritableFile>(path, std::move(file.descriptor));
  }

  Result<std::unique_ptr<WritableFile>> Append(const Path& path) override {
    ASHLAR_TRY(OpenFile file, OpenRegular(path, O_WRONLY | O_CREAT | O_APPEND, "append to"));
    return std::make_unique<RealWritableFile>(path, std::move(file.descriptor));
  }

  Result<MappedFile> Map(const Path& path) override {
    ASHLAR_TRY(const OpenFile file, OpenRegular(path, O_RDONLY, "open"));
    if (file.size == 0) {
      return MappedFile();  // mmap refuses an empty range
    }
    if (!std::in_range<std::size_t>(file.size)) {
      return FromErrno(ENOMEM, "map", path);
    }
    void* data =
        ::mmap(nullptr, file.size, PROT_READ, MAP_SHARED, file.descriptor.fd(), /*offset=*/0);
    if (data == MAP_FAILED) {
      return FromErrno(errno, "map", path);
    }
    return MappedFile(static_cast<const std::byte*>(data), file.size);
  }

  void DropCached(const Path& path, std::uint64_t offset, std::uint64_t length) override {
    const Result<OpenFile> file = OpenRegular(path, O_RDONLY, "open");
    if (file.ok() && std::in_range<off_t>(offset) && std::in_range<off_t>(length)) {
      (void)::posix_fadvise(file->descriptor.fd(), static_cast<off_t>(offset),
                            static_cast<off_t>(length), POSIX_FADV_DONTNEED);
    }
  }

  Status Rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return FromErrno(errno, fmt::format("rename {} to", from.string()), to);
    }
    return {};
  }

  Status Remove(const Path& path) override {
    if (::remove(path.c_str()) != 0) {
      return FromErrno(errno, "remove", path);
    }
    return {};
  }

  Status CreateDirectories(const Path& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) {
      return FromErrno(error.value(), "create the directory", path);
    }
    return {};
  }

  Status SyncDirectory(const Path& path) override {
    ASHLAR_TRY(const Descriptor directory, Open(path, O_RDONLY | O_DIRECTORY, "open"));
    if (Retry([&] { return ::fsync(directory.fd()); }) != 0) {
      return FromErrno(errno, "sync the directory", path);
    }
    return {};
  }

  Result<std::vector<DirectoryEntry>> List(const Path& path) override {
    std::vector<DirectoryEntry> entries;
    std::error_code error;
    std::filesystem::directory_iterator at(path, error);
    for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
      // What somebody removes while we look is not an error: it is not there.
      ASHLAR_TRY(std::optional<DirectoryEntry> entry, Stat(at->path()));
      if (entry) {
        entries.push_back(*std::move(entry));
      }
    }
    if (error) {
      return FromErrno(error.value(), "list", path);
    }
    std::ranges::sort(entries, {}, &DirectoryEntry::name);
    return entries;
  }

  Result<std::optional<DirectoryEntry>> Stat(const Path& path) override {
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) {
        return std::optional<DirectoryEntry>();
      }
      return FromErrno(errno, "look at", path);
    }
    const bool is_directory = S_ISDIR(status.st_mode);
    return std::optional<DirectoryEntry>(DirectoryEntry{
        .name = path.filename().string(),
        .size = is_directory ? 0 : static_cast<std::uint64_t>(status.st_size),
        .is_directory = is_directory,
    });
  }

  Result<std::unique_ptr<FileLock>> Lock(const Path& path, LockMode mode, bool wait) override {
    // A shared lock needs no right to write, so that it can be had in a read-only store.
    const int access = mode == LockMode::kShared ? O_RDONLY : O_RDWR;
    ASHLAR_TRY(OpenFile file, OpenRegular(path, access | O_CREAT, "lock"));
    const int operation = (mode == LockMode::kShared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB);
    if (Retry([&] { return ::flock(file.descriptor.fd(), operation); }) != 0) {
      if (errno == EWOULDBLOCK) {
        return Conflict("cannot lock {}: another process holds it", path.string());
      }
      return FromErrno(errno, "lock", path);
    }
    return std::make_unique<RealFileLock>(std::move(file.descriptor));
  }
};

}  // namespace

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    ::munmap(const_cast<std::byte*>(data_), size_);
  }
}

void DropResidentPages(std::span<const std::byte> mapped) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(mapped.data()) + page - 1) & ~(page - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(mapped.data() + mapped.size()) & ~(page - 1);
  if (begin < end) {
    // Advice only: when the kernel declines, the pages stay, and nothing is wrong.
    (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

FileSystem& RealFileSystem() {
  static PosixFileSystem file_system;
  return file_system;
}

Result<std::string> ReadTextFile(const Path& path, std::uint64_t max_bytes) {
  ASHLAR_TRY(const OpenFile file, OpenRegular(path, O_RDONLY, "open"));
  // To the end rather than for `size` bytes: a file of /proc claims to be empty. One byte more than
  // claimed, so that the end shows without growing.
  std::string text(std::min(file.size, max_bytes) + 1, '\0');
  std::size_t length = 0;
  for (;;) {
    const ssize_t got = Retry(
        [&] { return ::read(file.descriptor.fd(), text.data() + length, text.size() - length); });
    if (got < 0) {
      return FromErrno(errno, "read", path);
    }
    length += static_cast<std::size_t>(got);
    if (length > max_bytes) {
      return Invalid("{} is larger than the {} bytes allowed", path.string(), max_bytes);
    }
    if (got == 0) {
      text.resize(length);
      return text;
    }
    if (length == text.size()) {
      text.resize(2 * length);
    }
  }
}

}  // namespace ashlar
