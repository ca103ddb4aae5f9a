#include "ashlar/grammar/internal/token_slices.h"

#include <algorithm>

namespace ashlar::grammar {

const CharSet& PlainText() {
  static const CharSet plain = CharSet{{' ', '~'}, {0xA0, CharSet::kLargest}} -
                               CharSet{{'"', '"'}, {'\\', '\\'}, {0x2028, 0x2029}};
  return plain;
}

void TokenTree::Walk(ParseStates& states, ParseStates::Id state, std::vector<ParseStates::Id>& path,
                     std::span<std::uint64_t> mask) const {
  path.resize(std::max(path.size(), deepest_ + 1));
  path[0] = state;
  const auto end = static_cast<std::uint32_t>(nodes_.size() - 1);
  for (std::uint32_t i = 0; i < end;) {
    const Node& node = nodes_[i];
    const ParseStates::Id next = states.Next(path[node.depth - 1], node.byte);
    if (next == ParseStates::kDead) {
      i = node.after;
      continue;
    }
    path[node.depth] = next;
    for (std::uint32_t token = node.tokens; token < nodes_[i + 1].tokens; ++token) {
      const auto id = static_cast<std::uint32_t>(tokens_[token]);
      mask[id / 64] |= std::uint64_t{1} << (id % 64);
    }
    ++i;
  }
}

int PlainTextAllowed(ParseStates& states, ParseStates::Id state) {
  static const std::vector<ByteSequence> sequences = Utf8Sequences(PlainText());
  // All states that one more character, whichever it is, may lead to.
  std::vector<ParseStates::Id> now = {state};
  std::vector<ParseStates::Id> next;
  std::vector<ParseStates::Id> within;
  std::vector<ParseStates::Id> further;
  const auto unique = [](std::vector<ParseStates::Id>& ids) {
    std::ranges::sort(ids);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  };
  constexpr std::size_t kTooMany = 64;  // a grammar that tells characters apart is walked
  for (int chars = 0; chars < kLongestPlain; ++chars) {
    next.clear();
    for (const ByteSequence& sequence : sequences) {
      within = now;
      for (int i = 0; i < sequence.size; ++i) {
        further.clear();
        for (const ParseStates::Id from : within) {
          for (const std::uint8_t byte : states.OneOfEachClass(sequence.ranges[i])) {
            const ParseStates::Id to = states.Next(from, byte);
            if (to == ParseStates::kDead) {
              return chars;
            }
            further.push_back(to);
          }
        }
        unique(further);
        within.swap(further);
      }
      next.insert(next.end(), within.begin(), within.end());
    }
    unique(next);
    if (next == now) {
      return kLongestPlain;
    }
    if (next.size() > kTooMany) {
      return chars + 1;
    }
    now.swap(next);
  }
  return kLongestPlain;
}

}  // namespace ashlar::grammar
