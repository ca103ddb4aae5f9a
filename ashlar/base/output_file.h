// An OutputFile is whole or not there: it is written beside its name, and takes the name at the
// end.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "ashlar/base/file.h"

namespace ashlar {

enum class Readers { kAnyone, kOwner };

class OutputFile {
 public:
  // `path` is taken by Commit, and what stood there is replaced; a symbolic link is followed.
  // kInvalid when something stands there that is no regular file: nobody wants a device replaced.
  // kNotFound when there is no folder for it.
  // Nobody but `readers` may read it (of anyone: whom the process's umask lets), nor what it is
  // written to before.
  static Result<OutputFile> Create(const Path& path, Readers readers = Readers::kAnyone);
  // Those same two, without making anything: for whoever has much to do before the file.
  static Status CheckTarget(const Path& path);

  OutputFile(OutputFile&&) = default;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  // without Commit, nothing remains

  Status Write(std::span<const std::byte> bytes);
  Status Commit();  // the bytes survive power loss, then the name

 private:
  OutputFile(Path path, Path temporary, std::unique_ptr<WritableFile> file);

  Path path_;
  Path temporary_;
  std::unique_ptr<WritableFile> file_;  // null: committed, or moved from
};

}  // namespace ashlar
