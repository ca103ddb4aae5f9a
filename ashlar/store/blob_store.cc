#include "ashlar/store/blob_store.h"

#include <algorithm>

namespace ashlar {
namespace {

Error Shrunk(const Digest& digest) {
  return Corrupt(
      "blob {} shrank or became unreadable while it was in use; 'ashlar fsck' tells what is "
      "damaged, and importing again mends it",
      digest.ToString());
}

}  // namespace

void Blob::DropResident(std::uint64_t offset, std::uint64_t length) const {
  if (mapped_) {
    DropResidentPages(bytes_.subspan(offset, length));
  }
}

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
  return guard_.faulted() ? Status(Shrunk(digest_)) : Status();
}

Status BlobGuard::CheckWhole(const BlobStore& store) const {
  ASHLAR_TRY(CheckIntact());
  ASHLAR_TRY(const std::optional<std::uint64_t> size, store.Stat(digest_));
  return size == size_ ? Status() : Status(Shrunk(digest_));
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
