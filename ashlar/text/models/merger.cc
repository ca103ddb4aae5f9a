#include "ashlar/text/models/merger.h"

#include <algorithm>

namespace ashlar::internal {

void Merger::Queue(std::int32_t left, std::int32_t right, const MergeTable& rules) {
  if (left == kNone || right == kNone) {
    return;
  }
  const std::int32_t left_id = symbols_[left].id;
  const std::int32_t right_id = symbols_[right].id;
  const MergeRule* rule = rules.Find(left_id, right_id);
  if (rule != nullptr) {
    heap_.push_back({rule->rank, left, left_id, right_id, rule->id});
    std::push_heap(heap_.begin(), heap_.end(), ComesLater);
  }
}

void Merger::Merge(const MergeTable& rules) {
  last_join_.reset();
  if (symbols_.empty()) {
    return;
  }
  symbols_.back().next = kNone;
  heap_.clear();
  for (std::int32_t at = 0; at + 1 < static_cast<std::int32_t>(symbols_.size()); ++at) {
    Queue(at, at + 1, rules);
  }
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), ComesLater);
    const Candidate candidate = heap_.back();
    heap_.pop_back();
    Symbol& left = symbols_[candidate.at];
    if (left.id != candidate.left_id || left.next == kNone) {
      continue;
    }
    Symbol& right = symbols_[left.next];
    if (right.id != candidate.right_id) {
      continue;
    }
    last_join_ = {candidate.left_id, candidate.right_id, candidate.rank};
    left.id = candidate.merged_id;
    left.next = right.next;
    right.id = kNone;
    if (left.next != kNone) {
      symbols_[left.next].previous = candidate.at;
    }
    Queue(left.previous, candidate.at, rules);
    Queue(candidate.at, left.next, rules);
  }
}

}  // namespace ashlar::internal
