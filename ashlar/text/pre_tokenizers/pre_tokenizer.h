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
  // Whether the first byte here comes from the first byte that Encode was given: with added tokens
  // there are several texts.
  bool begins_input = false;

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
// The member "behavior".
Result<SplitBehavior> ParseSplitBehavior(const JsonCursor& json);

// Splits every piece at the matches of `pattern`, or with `invert` at all that is no match.
Status SplitPieces(const Pattern& pattern, SplitBehavior behavior, bool invert, Pieces& pieces);
// The same, where each character that `matches` is a match.
void SplitPieces(bool (*matches)(char32_t code), SplitBehavior behavior, Pieces& pieces);

// Replaces each piece by what `append(piece, begins_input, out)` appends for it.
template <class Append>
Status RewritePieces(Pieces& pieces, Append append) {
  pieces.begins_input =
      pieces.begins_input && !pieces.ranges.empty() && pieces.ranges.front().begin == 0;
  bool begins_input = pieces.begins_input;
  std::string text;
  text.reserve(pieces.text.size() + pieces.ranges.size());
  for (TextRange& range : pieces.ranges) {
    const auto begin = static_cast<std::uint32_t>(text.size());
    append(pieces.View(range), begins_input, text);
    ASHLAR_TRY(CheckStageSize(text.size(), pieces.max_bytes));
    range = {begin, static_cast<std::uint32_t>(text.size())};
    begins_input = false;
  }
  pieces.text = std::move(text);
  return {};
}

Result<StageList<PreTokenizer>> ParsePreTokenizers(const JsonCursor& json);

using PreTokenizerResult = Result<std::unique_ptr<const PreTokenizer>>;
PreTokenizerResult ParseBertPreTokenizer(const JsonCursor& json);
PreTokenizerResult ParseByteLevelPreTokenizer(const JsonCursor& json);
PreTokenizerResult ParseCharDelimiterSplit(const JsonCursor& json);
PreTokenizerResult ParseDigits(const JsonCursor& json);
PreTokenizerResult ParseFixedLength(const JsonCursor& json);
PreTokenizerResult ParseMetaspacePreTokenizer(const JsonCursor& json);
PreTokenizerResult ParsePunctuation(const JsonCursor& json);
PreTokenizerResult ParseSplit(const JsonCursor& json);
PreTokenizerResult ParseUnicodeScripts(const JsonCursor& json);
PreTokenizerResult ParseWhitespace(const JsonCursor& json);
PreTokenizerResult ParseWhitespaceSplit(const JsonCursor& json);

}  // namespace ashlar::internal
