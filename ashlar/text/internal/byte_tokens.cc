#include "ashlar/text/internal/byte_tokens.h"

#include <algorithm>

namespace ashlar::internal {

ByteTokens::ByteTokens(const Vocabulary& vocabulary) {
  for (std::size_t byte = 0; byte < ids_.size(); ++byte) {
    ids_[byte] = vocabulary.Id(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
}

bool ByteTokens::Have(std::string_view bytes) const {
  return std::all_of(bytes.begin(), bytes.end(),
                     [&](char byte) { return ids_[static_cast<std::uint8_t>(byte)] >= 0; });
}

bool ByteTokens::Append(std::string_view bytes, std::vector<std::int32_t>& ids) const {
  if (!Have(bytes)) {
    return false;
  }
  for (const char byte : bytes) {
    ids.push_back(ids_[static_cast<std::uint8_t>(byte)]);
  }
  return true;
}

}  // namespace ashlar::internal
