// A NewDirectory is whole or not there: its files are written beside its name, and it takes the
// name at the end.
#pragma once

#include "ashlar/base/file.h"

namespace ashlar::internal {

class NewDirectory {
 public:
  // kInvalid when something stands at `path` that is no empty directory.
  static Result<NewDirectory> Create(const Path& path);
  // That same kInvalid, without making anything.
  static Status CheckTarget(const Path& path);

  NewDirectory(NewDirectory&& other) noexcept;
  NewDirectory& operator=(NewDirectory&&) = delete;
  ~NewDirectory();  // without Commit, nothing remains

  const Path& path() const { return temporary_; }  // where to write
  Status Commit();                                 // once

 private:
  NewDirectory(Path path, Path temporary)
      : path_(std::move(path)), temporary_(std::move(temporary)) {}

  Path path_;
  Path temporary_;  // empty: committed, or moved from
};

}  // namespace ashlar::internal
