// Prompts for networks that were taught to fill in the middle of a text: between a prefix and a
// suffix. Which marks a network knows is seen from its vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ashlar/text/tokenizer.h"

namespace ashlar {

struct MiddleMarks {
  std::int32_t prefix;
  std::int32_t suffix;
  std::int32_t middle;  // the middle begins
  bool suffix_first = false;
};

// Nothing when the vocabulary has none.
std::optional<MiddleMarks> FindMiddleMarks(const Tokenizer& tokenizer);

// The marks with the two texts between them, and before them what the tokenizer begins texts with.
Result<std::vector<std::int32_t>> MiddlePrompt(const Tokenizer& tokenizer, const MiddleMarks& marks,
                                               std::string_view prefix, std::string_view suffix);

}  // namespace ashlar
