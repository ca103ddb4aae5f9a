// The tokens "<0x00>" to "<0xFF>", which stand in for characters that a vocabulary lacks.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ashlar/text/internal/vocabulary.h"

namespace ashlar::internal {

class ByteTokens {
 public:
  ByteTokens() { ids_.fill(-1); }
  // Those that `vocabulary` has.
  explicit ByteTokens(const Vocabulary& vocabulary);

  // Whether each byte has its token.
  bool Have(std::string_view bytes) const;
  // Appends the token of each byte; false, and nothing, when one of them is missing.
  bool Append(std::string_view bytes, std::vector<std::int32_t>& ids) const;

 private:
  std::array<std::int32_t, 256> ids_;  // -1: there is no such token
};

}  // namespace ashlar::internal
