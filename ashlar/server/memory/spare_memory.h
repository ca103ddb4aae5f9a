// SpareMemory is what somebody keeps only in case it is asked for again, such as what was found out
// about grammars: it is let go of when memory is short, before networks are.
#pragma once

#include <cstdint>

namespace ashlar {

// Thread-safe.
class SpareMemory {
 public:
  virtual ~SpareMemory() = default;
  // What Release would free now.
  virtual std::uint64_t bytes() const = 0;
  // Frees what nobody uses; may take some milliseconds.
  virtual void Release() = 0;
};

}  // namespace ashlar
