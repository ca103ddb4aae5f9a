// A Digest names bytes by their SHA-256. A value; text is parsed to 32 bytes at the boundary and
// never concatenated into a path.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

class Digest {
 public:
  static constexpr std::size_t kBytes = 32;

  Digest() = default;  // all zeros: names nothing
  explicit Digest(const std::array<std::uint8_t, kBytes>& bytes) : bytes_(bytes) {}

  // "sha256:" and 64 lower-case hexadecimal digits, exactly. kInvalid otherwise; kUnsupported for a
  // well-formed digest of another algorithm ("sha512:...").
  static Result<Digest> Parse(std::string_view text);
  // 64 lower-case hexadecimal digits, exactly.
  static Result<Digest> ParseHex(std::string_view hex);

  const std::array<std::uint8_t, kBytes>& bytes() const { return bytes_; }
  std::string Hex() const;
  std::string ToString() const { return "sha256:" + Hex(); }
  std::string Short() const { return Hex().substr(0, 12); }  // for people

  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  std::array<std::uint8_t, kBytes> bytes_ = {};
};

// Computes the digest of bytes that come in pieces. Move-only.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  void Update(std::span<const std::byte> bytes);
  // The digest of all bytes so far. Requires: the last call on this Hasher.
  Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest Sha256(std::span<const std::byte> bytes);
Digest Sha256(std::string_view text);

}  // namespace ashlar

template <>
struct std::hash<ashlar::Digest> {
  // The bytes are already uniform: the first eight will do.
  std::size_t operator()(const ashlar::Digest& digest) const noexcept {
    std::size_t value;
    std::memcpy(&value, digest.bytes().data(), sizeof(value));
    return value;
  }
};
