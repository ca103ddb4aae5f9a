// A PreTokenizer cuts the text into pieces; the model never makes a token across a cut.
// Immutable, thread-safe. A new one is a file in this folder and a line in all_pre_tokenizers.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ashlar/text/internal/pattern.h"
#include "ashlar/text/internal/stage.h"

namespace ashlar::internal {

// Pieces of a text: ranges of it in ascending order, none empty, none overlapping. What lies
// between them has been removed.
struct Pieces {
  std::string text;
  std::vector<TextRange> ranges;
  std::size_t max_bytes;  // that the text may grow to

  std::string_view View(TextRange range) const {
    return std::string_view(text).substr(range.begin, range.end - range.begin);
  }
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Requires: the text is well-formed UTF-8 and cut between characters; so it stays. kExhausted
  // when it outgrows its limit or a pattern backtracks beyond its bound.
  virtual Status Apply(Pieces& pieces) const = 0;
};

// What happens to a match when a piece is split at it.
enum class SplitBehavior {
  kRemoved,             // it goes
  kIsolated,            // it is a piece of its own
  kMergedWithPrevious,  // it ends the piece before it
  kMergedWithNext,      // it begins the piece after it
  kContiguous,          // matches that touch are one piece
};

// Splits every piece at the matches of `pattern`, or with `invert` at all that is no match.
Status SplitPieces(const Pattern& pattern, SplitBehavior behavior, bool invert, Pieces& pieces);

Result<StageList<PreTokenizer>> ParsePreTokenizers(const JsonCursor& json);

using PreTokenizerResult = Result<std::unique_ptr<const PreTokenizer>>;
PreTokenizerResult ParseByteLevelPreTokenizer(const JsonCursor& json);
PreTokenizerResult ParseDigits(const JsonCursor& json);
PreTokenizerResult ParseSplit(const JsonCursor& json);

}  // namespace ashlar::internal
