// A TempDirectory is a new, empty directory for a test, which goes with all that is in it when the
// handle goes. It lies in $TMPDIR, or /tmp.
#pragma once

#include <string_view>

#include "ashlar/base/file.h"

namespace ashlar {

class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const Path& path() const { return path_; }
  Path operator/(std::string_view name) const { return path_ / name; }

 private:
  Path path_;
};

}  // namespace ashlar
