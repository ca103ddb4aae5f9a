#include "ashlar/store/blob_store.h"

#include <algorithm>

namespace ashlar {

Status CheckTagName(std::string_view name) {
  constexpr std::size_t kMaxLength = 128;
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const auto is_allowed = [&](char c) {
    return is_alphanumeric(c) || std::string_view("._/:-").find(c) != std::string_view::npos;
  };
  if (name.empty() || name.size() > kMaxLength || !is_alphanumeric(name.front()) ||
      !std::ranges::all_of(name, is_allowed)) {
    return Invalid(
        "{} is not a name: 1 to {} letters, digits and ._/:- are, beginning with a letter or digit",
        QuoteForError(name), kMaxLength);
  }
  return {};
}

std::string Root::Label() const {
  return name.empty() ? fmt::format("(untagged {})", descriptor.digest.Short()) : name;
}

Status BlobGuard::CheckIntact() const {
  if (guard_.faulted()) {
    return Corrupt(
        "blob {} shrank or became unreadable while it was in use; 'ashlar fsck' tells what is "
        "damaged, and importing again mends it",
        digest_.ToString());
  }
  return {};
}

Status Verify(const Digest& digest, const Blob& blob) {
  const FaultGuard guard(blob.bytes());
  if (const Digest actual = Sha256(blob.bytes()); actual != digest) {
    return Corrupt("the blob {} is damaged: its {} bytes hash to {}", digest.ToString(),
                   blob.bytes().size(), actual.ToString());
  }
  return {};
}

}  // namespace ashlar
