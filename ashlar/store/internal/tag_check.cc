#include "ashlar/store/internal/tag_check.h"

namespace ashlar::internal {

Status CheckNewTags(const BlobStore& store, const Tags& before, const Tags& after) {
  for (const auto& [name, descriptor] : after) {
    if (const auto old = before.find(name); old != before.end() && old->second == descriptor) {
      continue;
    }
    ASHLAR_TRY(CheckTagName(name));
    ASHLAR_TRY(const std::optional<std::uint64_t> size, store.Stat(descriptor.digest));
    if (!size) {
      return NotFound("the tag {} cannot name {}: the store has no such blob", name,
                      descriptor.digest.ToString());
    }
    if (*size != descriptor.size) {
      return Invalid("the tag {} gives {} a size of {}, but the blob has {} bytes", name,
                     descriptor.digest.ToString(), descriptor.size, *size);
    }
  }
  return {};
}

}  // namespace ashlar::internal
