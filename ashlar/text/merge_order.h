// The order in which neighbours of a text join has two spellings: BPE lists pairs, the first of
// which join first, and sentencepiece gives tokens scores, and joins any two neighbours whose text
// is a token, those of the greatest score first. Here either is turned into the other where
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

// The way back: of each token that texts come to, the one pair that it is a join of, the first to
// join first. `tokens` are by id and all different, with finite scores or kNoTokenScore.
// kUnsupported names two of these tokens with equal scores, of which the leftmost pair in a text
// joins first (but runs of one character may have one score); one that a character has a part in
// which is no token; and a character without a score.
Result<std::vector<TokenPair>> MergesOfScores(std::span<const std::string> tokens,
                                              std::span<const float> scores);

}  // namespace ashlar
