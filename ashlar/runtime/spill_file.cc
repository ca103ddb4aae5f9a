#include "ashlar/runtime/spill_file.h"

#include <cerrno>
#include <cstring>
#include <string>

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

}  // namespace

Result<std::shared_ptr<SpillFile>> OpenSpillFile(const Path& directory) {
  std::string name = (directory / "ashlar-pages-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Error{code, fmt::format("making a file for spilled pages in {}: {}", directory.string(),
                                   strerror(errno))};
  }
  ::unlink(name.c_str());
  return std::shared_ptr<SpillFile>(std::make_shared<UnnamedFile>(fd));
}

}  // namespace ashlar
