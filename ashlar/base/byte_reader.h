// A ByteReader walks over bytes from outside, front to back, and checks every step.
//
// It is the one reader that all binary parsers share: no parser does pointer arithmetic of its
// own on what it read. Little-endian. It views the bytes and owns nothing; an error names the
// offset, what was wanted and what was left, and leaves the reader where it was.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "ashlar/base/checked.h"
#include "ashlar/base/result.h"

namespace ashlar {

static_assert(std::endian::native == std::endian::little, "ashlar's formats are little-endian");

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t remaining() const { return bytes_.size() - offset_; }

  // The next integer or float. `what` names the field for the error.
  template <class T>
  requires std::is_arithmetic_v<T> Result<T> Read(std::string_view what) {
    ASHLAR_TRY(const std::span<const std::byte> bytes, ReadBytes(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  // The next `length` bytes, as a view into the input.
  Result<std::span<const std::byte>> ReadBytes(std::uint64_t length, std::string_view what) {
    if (length > remaining()) {
      return Corrupt("{} needs {} bytes at offset {}, but only {} are left", what, length, offset_,
                     remaining());
    }
    const auto bytes = bytes_.subspan(offset_, length);
    offset_ += length;
    return bytes;
  }

  Result<std::string_view> ReadText(std::uint64_t length, std::string_view what) {
    ASHLAR_TRY(const std::span<const std::byte> bytes, ReadBytes(length, what));
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t offset_ = 0;
};

// A range of `bytes`, after checking that it lies inside. `what` names it for the error.
inline Result<std::span<const std::byte>> CheckedRange(std::span<const std::byte> bytes,
                                                       std::uint64_t offset, std::uint64_t length,
                                                       std::string_view what) {
  if (!RangeFits(offset, length, bytes.size())) {
    return Corrupt("{} claims {} bytes at offset {}, past the end of its {} bytes", what, length,
                   offset, bytes.size());
  }
  return bytes.subspan(offset, length);
}

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace ashlar
