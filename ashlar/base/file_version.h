// What tells a file from what was there before by the same name, without reading it.
#pragma once

#include <cstdint>

#include "ashlar/base/file.h"

namespace ashlar {

// All zero when there is no file: then the next one is a change.
struct FileVersion {
  std::int64_t modified_nanos = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

// Of what `path` leads to, through links.
FileVersion VersionOf(const Path& path);

}  // namespace ashlar
