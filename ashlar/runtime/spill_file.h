// A SpillFile is where an engine keeps pages of state that have no room in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "ashlar/base/file.h"

namespace ashlar {

// Write is called by one thread and Read by another, never of ranges that overlap at the same time.
class SpillFile {
 public:
  virtual ~SpillFile() = default;
  virtual Status Write(std::uint64_t offset, std::span<const std::byte> bytes) = 0;  // all of it
  virtual Status Read(std::uint64_t offset, std::span<std::byte> bytes) = 0;         // all of it
};

// A file in `directory` that has no name, and so ends with the process, however that ends.
// kNotFound, kIo: with the path.
Result<std::shared_ptr<SpillFile>> OpenSpillFile(const Path& directory);

}  // namespace ashlar
