// Saved sessions: what is read writes the same bytes again. The input is read as it is, and with
// the digest that it would need, so that what lies behind the digest is reached.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ashlar/base/check.h"
#include "ashlar/runtime/session.h"

namespace {

void CheckSession(std::span<const std::byte> bytes) {
  const auto session = ashlar::DecodeSession(bytes);
  if (session.ok()) {
    const std::vector<std::byte> again = ashlar::EncodeSession(*session);
    CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  CheckSession(input);
  std::vector<std::byte> signed_input(input.begin(), input.end());
  const ashlar::Digest digest = ashlar::Sha256(input);
  const auto end = std::as_bytes(std::span(digest.bytes()));
  signed_input.insert(signed_input.end(), end.begin(), end.end());
  CheckSession(signed_input);
  return 0;
}
