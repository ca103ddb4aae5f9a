#include "ashlar/runtime/spill_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

namespace ashlar {
namespace {

class UnnamedFile final : public SpillFile {
 public:
  explicit UnnamedFile(int fd) : fd_(fd) {}
  ~UnnamedFile() override { ::close(fd_); }

  Status Write(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        return Error{ErrorCode::kIo, fmt::format("writing spilled pages: {}", strerror(errno))};
      }
      offset += static_cast<std::uint64_t>(count);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }
  Status Read(std::uint64_t offset, std::span<std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        return Error{ErrorCode::kIo, fmt::format("reading spilled pages: {}",
                                                 count < 0 ? strerror(errno) : "the file ends")};
      }
      offset += static_cast<std::uint64_t>(count);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }

 private:
  const int fd_;
};

constexpr std::string_view kPrefix = "ashlar-pages-";
constexpr std::size_t kRandomCharacters = 6;  // that mkostemp puts after it

// Names of files that are to have none. Who made one and was killed before it took the name away
// left it; who is about to do so does not miss it.
void RemoveNames(const Path& directory) {
  std::error_code ignored;
  for (std::filesystem::directory_iterator entry(directory, ignored), end; entry != end;
       entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    std::error_code unknown;
    if (name.starts_with(kPrefix) && name.size() == kPrefix.size() + kRandomCharacters &&
        entry->symlink_status(unknown).type() == std::filesystem::file_type::regular) {
      std::filesystem::remove(entry->path(), ignored);
    }
  }
}

int OpenUnnamed(const Path& directory) {
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
    return fd;
  }
  // The file system makes none without a name.
  std::string name = (directory / kPrefix).string() + "XXXXXX";
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) {
    ::unlink(name.c_str());
  }
  return named;
}

}  // namespace

Result<std::shared_ptr<SpillFile>> OpenSpillFile(const Path& directory) {
  RemoveNames(directory);
  const int fd = OpenUnnamed(directory);
  if (fd < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Error{code, fmt::format("making a file for spilled pages in {}: {}", directory.string(),
                                   strerror(errno))};
  }
  return std::shared_ptr<SpillFile>(std::make_shared<UnnamedFile>(fd));
}

}  // namespace ashlar
