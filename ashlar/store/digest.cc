#include "ashlar/store/digest.h"

// The functions that OpenSSL has had from the first: those that it names instead fetch a digest
// from a provider, for which it loads all that the provider has, 2 MB that stay resident.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json.h"

namespace ashlar {
namespace {

constexpr std::string_view kPrefix = "sha256:";

// The value of a lower-case hexadecimal digit, or -1.
int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return -1;
}

// "algorithm:encoded" as the OCI specification writes digests of any algorithm.
bool IsDigestOfAnotherAlgorithm(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos || colon + 1 == text.size() ||
      text.starts_with(kPrefix)) {
    return false;
  }
  const std::string_view algorithm = text.substr(0, colon);
  const std::string_view encoded = text.substr(colon + 1);
  return algorithm.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+._-") ==
             std::string_view::npos &&
         encoded.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
             "0123456789=_-") == std::string_view::npos;
}

}  // namespace

Result<Digest> Digest::Parse(std::string_view text) {
  if (IsDigestOfAnotherAlgorithm(text)) {
    return Unsupported("the digest {} is not SHA-256, the only algorithm that ashlar reads",
                       QuoteForError(text));
  }
  if (text.starts_with(kPrefix)) {
    if (Result<Digest> digest = ParseHex(text.substr(kPrefix.size())); digest.ok()) {
      return digest;
    }
  }
  return Invalid("a digest is \"sha256:\" and 64 lower-case hexadecimal digits, not {}",
                 QuoteForError(text));
}

Result<Digest> Digest::ParseHex(std::string_view hex) {
  const auto error = [&] {
    return Invalid("expected 64 lower-case hexadecimal digits, found {}", QuoteForError(hex));
  };
  if (hex.size() != 2 * kBytes) {
    return error();
  }
  Digest digest;
  for (std::size_t i = 0; i < kBytes; ++i) {
    const int high = HexValue(hex[2 * i]);
    const int low = HexValue(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return error();
    }
    digest.bytes_[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

std::string Digest::Hex() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * kBytes);
  for (const std::uint8_t byte : bytes_) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

struct Hasher::State {
  State() { CHECK_EQ(SHA256_Init(&context), 1); }

  SHA256_CTX context;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Update(std::span<const std::byte> bytes) {
  CHECK_EQ(SHA256_Update(&state_->context, bytes.data(), bytes.size()), 1);
}

Digest Hasher::Finish() {
  std::array<std::uint8_t, Digest::kBytes> bytes;
  CHECK_EQ(SHA256_Final(bytes.data(), &state_->context), 1);
  return Digest(bytes);
}

Digest Sha256(std::span<const std::byte> bytes) {
  Hasher hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

Digest Sha256(std::string_view text) {
  return Sha256(AsBytes(text));
}

}  // namespace ashlar
