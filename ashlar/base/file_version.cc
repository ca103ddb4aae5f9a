#include "ashlar/base/file_version.h"

#include <sys/stat.h>

namespace ashlar {

FileVersion VersionOf(const Path& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) {
    return {};
  }
  return {.modified_nanos = found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec,
          .inode = found.st_ino,
          .bytes = static_cast<std::uint64_t>(found.st_size)};
}

}  // namespace ashlar
