// An Arena hands out pieces of one buffer, sized by walking the same code twice.
//
// A counting arena (no buffer) returns null pointers and adds up what was asked for; a carving one
// hands the pieces out. So a plan's workspace is measured by a dry run of the code that will use
// it, and steady-state work allocates nothing. Confined to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ashlar/base/check.h"

namespace ashlar {

class Arena {
 public:
  static constexpr std::size_t kAlignment = 64;  // a cache line, and an AVX-512 register

  Arena() = default;  // counting
  // Carving from `buffer`, which must be aligned to kAlignment and outlive the pieces.
  explicit Arena(std::span<std::byte> buffer) : data_(buffer.data()), capacity_(buffer.size()) {}

  bool counting() const { return data_ == nullptr; }
  std::size_t used() const { return used_; }
  std::size_t peak() const { return peak_; }

  // Uninitialised room for `count` T, aligned to kAlignment; null when counting. A carving arena
  // that was sized by the same calls cannot run out: running out is a CHECK.
  template <class T>
  T* Take(std::int64_t count) {
    const std::size_t at = used_;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + kAlignment - 1) & ~(kAlignment - 1);
    peak_ = used_ > peak_ ? used_ : peak_;
    if (counting()) {
      return nullptr;
    }
    CHECK_LE(used_, capacity_);
    return reinterpret_cast<T*>(data_ + at);
  }

  // Gives back all that was taken after used() was `mark`.
  void Rewind(std::size_t mark) {
    CHECK_LE(mark, used_);
    used_ = mark;
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace ashlar
