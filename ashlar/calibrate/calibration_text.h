// What a network is calibrated with: sequences of tokens such as it meets when it works.
//
// No data set is needed: a network writes such text itself, drawn at temperature 1 from what it
// learnt (Liu et al. 2023, "LLM-QAT", section 2.1).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ashlar/graph/network.h"
#include "ashlar/kernels/isa.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

struct CalibrationText {
  std::vector<std::int32_t> tokens;   // of all sequences, one after the other
  std::vector<std::int64_t> lengths;  // of each
};

// How long the sequences of a calibration are: no longer than the network's context.
inline constexpr std::int64_t kCalibrationLength = 512;
// Fewer tokens than these say too little about a network.
inline constexpr std::int64_t kLeastCalibrationTokens = 128;

// `tokens` cut into sequences of `length`; the last one may be shorter.
CalibrationText CutIntoSequences(std::vector<std::int32_t> tokens, std::int64_t length);

// At most `count` of a text's tokens: all, or sequences of `length` at even distances, so that each
// part of the text has its share. kInvalid when it has fewer than kLeastCalibrationTokens.
Result<CalibrationText> TakeEvenly(std::span<const std::int32_t> text, std::int64_t count,
                                   std::int64_t length);

// What levels are fitted to, and what they are judged by: else they would seem better than they
// are.
struct FittingAndJudging {
  CalibrationText fitting;
  CalibrationText judging;
};
inline constexpr std::int64_t kTokensPerJudge = 8;  // at least

// Takes `rows` tokens out of a text to judge by: ends of sequences, half of one at most, from all
// over it. Requires: 0 < rows <= tokens / kTokensPerJudge.
FittingAndJudging SplitText(const CalibrationText& text, std::int64_t rows);

// The token that a document begins with: the beginning-of-text token; without one, the first
// end-of-text token, which stands between documents. Nothing when the network has neither.
std::optional<std::int64_t> DocumentToken(const Metadata& facts);

struct OwnTextOptions {
  std::int64_t tokens = 8192;
  std::int64_t length = kCalibrationLength;
  std::uint64_t seed = 0;
  int threads = 1;
  Isa isa = Isa::kReference;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = nullptr;
};
// Text that the network writes: each sequence begins with its DocumentToken, or a random one. What
// follows an end of text within a sequence is another document. The same text for the same seed and
// instruction set, whatever the threads.
Result<CalibrationText> WriteOwnText(const BlobStore& store, const Network& network,
                                     const OwnTextOptions& options);

}  // namespace ashlar
