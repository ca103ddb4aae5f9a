#include "ashlar/graph/network_files.h"

namespace ashlar {

Result<std::optional<std::string>> ReadNetworkFile(const Network& network, const BlobStore& store,
                                                   std::string_view name) {
  const auto file = network.files.find(name);
  if (file == network.files.end()) {
    return std::optional<std::string>();
  }
  ASHLAR_TRY(const Blob blob, store.Get(file->second.blob));
  const BlobGuard guard(file->second.blob, blob);
  const std::span<const std::byte> bytes = blob.bytes();
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  ASHLAR_TRY(guard.CheckIntact());
  return std::optional(std::move(text));
}

}  // namespace ashlar
