// The order in which neighbours of a text join has two spellings: BPE lists pairs, the first of
// which join first, and sentencepiece gives tokens scores, and joins any two neighbours whose text
// is a token, those of the greatest score first. Here the first is turned into the second where
// every text gets the same tokens.
//
// When two symbols have become neighbours, nothing around them had a part in it, so that the text
// of the two alone comes to the same two. A text has thus one last pair at most, whatever stands
// around it: what each token by itself comes of is all that an order says of it.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar {

using TokenPair = std::pair<std::string, std::string>;

// Of a token that comes of no join.
inline constexpr float kNoTokenScore = -std::numeric_limits<float>::infinity();

// Scores by id, kNoTokenScore for tokens that the merges never make. `tokens` are by id and all
// different; the merges are pairs of them whose text is a token. `in_no_text[id]`: no text holds
// this token's. kUnsupported names two tokens that the merges leave apart and scores would join.
Result<std::vector<float>> ScoresOfMerges(std::span<const std::string> tokens,
                                          std::span<const TokenPair> merges,
                                          const std::vector<bool>& in_no_text);

}  // namespace ashlar
