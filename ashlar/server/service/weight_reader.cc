#include "ashlar/server/service/weight_reader.h"

#include <set>

namespace ashlar::internal {

Status ReadWeights(const Network& network, const BlobStore& store, bool verify) {
  std::set<Digest> digests;
  for (const auto& [digest, block] : network.blocks) {
    for (const auto& [name, tensor] : block->tensors) {
      for (const Level& level : tensor.levels) {
        digests.insert(level.blob);
      }
    }
  }
  for (const Digest& digest : digests) {
    ASHLAR_TRY(const Blob blob, store.Get(digest));
    const BlobGuard guard(digest, blob);
    if (verify) {
      ASHLAR_TRY(Verify(digest, blob));
    } else {
      constexpr std::size_t kMemoryPage = 4096;
      const std::span<const std::byte> bytes = blob.bytes();
      for (std::size_t at = 0; at < bytes.size(); at += kMemoryPage) {
        [[maybe_unused]] const volatile std::byte touched = bytes[at];
      }
    }
    ASHLAR_TRY(guard.CheckIntact());
  }
  return {};
}

}  // namespace ashlar::internal
