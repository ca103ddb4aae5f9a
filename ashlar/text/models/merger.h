// A Merger joins neighbouring symbols until no rule is left for any two: the engine of byte-pair
// encoding (Sennrich et al. 2016, arXiv:1508.07909). Of all neighbours with a rule, those with the
// lowest rank, leftmost first, become one symbol.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ashlar/text/internal/pair_table.h"

namespace ashlar::internal {

// What two neighbouring symbols become.
struct MergeRule {
  std::uint32_t rank;
  std::int32_t id;
};
using MergeTable = PairTable<MergeRule>;  // (left id, right id) -> rule

// Its buffers are reused from text to text. Confined to one thread.
class Merger {
 public:
  void Clear() { symbols_.clear(); }
  // `id` is not negative; `begin` is where in its text the symbol begins.
  void Add(std::int32_t id, std::size_t begin) {
    const auto at = static_cast<std::int32_t>(symbols_.size());
    symbols_.push_back({id, at - 1, at + 1, static_cast<std::uint32_t>(begin)});
  }
  // Every merge removes a symbol and queues at most two candidates, so that at most 3 n are ever
  // queued: O(n log n).
  void Merge(const MergeTable& rules);

  // What the last Merge joined last; nothing when it joined none.
  struct Join {
    std::int32_t left, right;  // ids
    std::uint32_t rank;
  };
  const std::optional<Join>& last_join() const { return last_join_; }

  // `visit(id, begin)` for each symbol that is left, in order.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (const Symbol& symbol : symbols_) {
      if (symbol.id != kNone) {
        visit(symbol.id, symbol.begin);
      }
    }
  }

 private:
  static constexpr std::int32_t kNone = -1;
  struct Symbol {
    std::int32_t id;  // kNone: merged into a symbol before it
    std::int32_t previous;
    std::int32_t next;  // kNone at the ends
    std::uint32_t begin;
  };
  // A merge that was possible when it was queued: it still is if the two symbols are still there.
  struct Candidate {
    std::uint32_t rank;
    std::int32_t at;  // the left symbol
    std::int32_t left_id;
    std::int32_t right_id;
    std::int32_t merged_id;
  };
  // The front of a heap is its greatest: the lowest rank, then the leftmost.
  static bool ComesLater(const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  }
  void Queue(std::int32_t left, std::int32_t right, const MergeTable& rules);

  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
  std::optional<Join> last_join_;
};

}  // namespace ashlar::internal
