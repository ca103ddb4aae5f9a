#include <array>

#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

struct BehaviorName {
  std::string_view name;
  SplitBehavior behavior;
};

constexpr std::array<BehaviorName, 5> kBehaviors = {{
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous},
}};

struct Part {
  TextRange range;
  bool is_match;
};

// The matches in a piece and what lies between them, in order; together the whole piece.
void PartsOf(TextRange piece, const std::vector<TextRange>& matches, bool invert,
             std::vector<Part>& parts) {
  parts.clear();
  std::uint32_t at = piece.begin;
  for (const TextRange match : matches) {
    const std::uint32_t begin = piece.begin + match.begin;
    const std::uint32_t end = piece.begin + match.end;
    if (at != begin) {
      parts.push_back({{at, begin}, invert});
    }
    parts.push_back({{begin, end}, !invert});
    at = end;
  }
  if (at != piece.end) {
    parts.push_back({{at, piece.end}, invert});
  }
}

// Joins parts that belong together, in place, from left to right.
template <class Joins>
void JoinParts(std::vector<Part>& parts, Joins joins) {
  std::size_t kept = 0;
  bool previous_is_match = false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part part = parts[i];
    if (kept > 0 && joins(previous_is_match, part.is_match)) {
      parts[kept - 1].range.end = part.range.end;
    } else {
      parts[kept++] = part;
    }
    previous_is_match = part.is_match;
  }
  parts.resize(kept);
}

void Arrange(SplitBehavior behavior, std::vector<Part>& parts) {
  switch (behavior) {
    case SplitBehavior::kIsolated:
      return;
    case SplitBehavior::kRemoved:
      std::erase_if(parts, [](const Part& part) { return part.is_match; });
      return;
    case SplitBehavior::kMergedWithPrevious:
      return JoinParts(parts, [](bool previous, bool current) { return current && !previous; });
    case SplitBehavior::kContiguous:
      return JoinParts(parts, [](bool previous, bool current) { return current == previous; });
    case SplitBehavior::kMergedWithNext:
      // Of matches that touch only the last has a next piece to begin.
      return JoinParts(parts, [](bool previous, bool current) { return previous && !current; });
  }
}

// `find(piece, matches)` puts the matches in a piece in place of what `matches` held.
template <class Find>
Status SplitAtMatches(Find find, SplitBehavior behavior, bool invert, Pieces& pieces) {
  std::vector<TextRange> cut;
  cut.reserve(pieces.ranges.size());
  std::vector<TextRange> matches;
  std::vector<Part> parts;
  for (const TextRange piece : pieces.ranges) {
    ASHLAR_TRY(find(pieces.View(piece), matches));
    PartsOf(piece, matches, invert, parts);
    Arrange(behavior, parts);
    for (const Part& part : parts) {
      if (part.range.begin != part.range.end) {
        cut.push_back(part.range);
      }
    }
  }
  pieces.ranges = std::move(cut);
  return {};
}

}  // namespace

Result<SplitBehavior> ParseSplitBehavior(const JsonCursor& json) {
  ASHLAR_TRY(const std::string name, json.String("behavior"));
  for (const BehaviorName& behavior : kBehaviors) {
    if (behavior.name == name) {
      return behavior.behavior;
    }
  }
  return Unsupported("{}.behavior: {} is not supported", json.path(), QuoteForError(name));
}

Status SplitPieces(const Pattern& pattern, SplitBehavior behavior, bool invert, Pieces& pieces) {
  PatternSearch search(pattern, pieces.text.size());
  return SplitAtMatches(
      [&](std::string_view piece, std::vector<TextRange>& matches) {
        return search.FindAll(piece, matches);
      },
      behavior, invert, pieces);
}

void SplitPieces(bool (*matches)(char32_t code), SplitBehavior behavior, Pieces& pieces) {
  const Status split = SplitAtMatches(
      [&](std::string_view piece, std::vector<TextRange>& found) {
        found.clear();
        for (std::size_t at = 0; at < piece.size();) {
          const Utf8Char c = FirstChar(piece.substr(at));
          if (matches(c.code)) {
            found.push_back(
                {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + c.size)});
          }
          at += c.size;
        }
        return Status();
      },
      behavior, /*invert=*/false, pieces);
  CHECK(split.ok());
}

}  // namespace ashlar::internal
