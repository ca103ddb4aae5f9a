// A Charsmap is sentencepiece's "precompiled_charsmap": pieces of text and what each becomes, such
// as NFKC with Google's additions.
//
//   0  u32 size in bytes of the tree, a multiple of 4
//   4  the tree: a double array of u32 (Yata et al. 2007, as in darts-clone)
//      texts, each ended by a zero byte; a leaf of the tree holds the offset of one
//
// In the double array a node n with the byte c below it leads to n ^ offset(n) ^ c, if the byte
// written there is c. Every index is checked when it is followed: the bytes come from a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"

namespace ashlar::internal {

// Immutable, thread-safe.
class Charsmap {
 public:
  Charsmap() = default;  // changes nothing
  // kInvalid when the sizes do not fit or the texts are not UTF-8.
  static Result<Charsmap> Parse(std::string_view bytes);

  struct Match {
    std::size_t size = 0;          // bytes of the text; 0: nothing matches
    std::string_view replacement;  // well-formed; lives as long as the map
  };
  // What the map has for the front of `text`: its shortest entry, or its longest. Requires:
  // well-formed. Entries that end within a character, and those that lead out of the file, are
  // none.
  Match Shortest(std::string_view text) const;
  Match Longest(std::string_view text) const;

 private:
  template <class Visit>
  void ForEachPrefix(std::string_view text, Visit visit) const;
  std::optional<std::string_view> TextAt(std::uint32_t offset) const;

  std::vector<std::uint32_t> tree_;
  std::string texts_;
};

// The member "precompiled_charsmap", in base64; absent, null or empty changes nothing.
Result<Charsmap> ParseCharsmap(const JsonCursor& json);

}  // namespace ashlar::internal
