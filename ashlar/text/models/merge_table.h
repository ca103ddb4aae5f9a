// A MergeTable maps a pair of neighbouring tokens to the one they become, and its rank.
//
// Encoding spends most of its time here, so it is a flat table with linear probing: measured
// against std::unordered_map on English prose, the whole of encoding is twice as fast.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "ashlar/base/check.h"

namespace ashlar::internal {

// Thread-compatible.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;
    std::int32_t id;  // of the token that the two become
  };

  // Room for this many pairs.
  explicit MergeTable(std::size_t pairs)
      : capacity_(pairs), entries_(std::bit_ceil(2 * pairs + 1), Entry{kEmpty, {}}) {
    shift_ = 64 - std::countr_zero(entries_.size());
  }

  // Replaces what the pair had. Requires: ids are not negative; at most `pairs` calls.
  void Set(std::int32_t left, std::int32_t right, Merge merge) {
    CHECK(calls_++ < capacity_);
    Entry& entry = entries_[Place(Key(left, right))];
    entry = {Key(left, right), merge};
  }

  // Null when the pair has no merge.
  const Merge* Find(std::int32_t left, std::int32_t right) const {
    const Entry& entry = entries_[Place(Key(left, right))];
    return entry.key == kEmpty ? nullptr : &entry.merge;
  }

 private:
  struct Entry {
    std::uint64_t key;
    Merge merge;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no ids: they would be negative

  static std::uint64_t Key(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
           static_cast<std::uint32_t>(right);
  }

  // Where `key` is, or where it would go. The table is at most half full, so there is an end.
  std::size_t Place(std::uint64_t key) const {
    // Fibonacci hashing of both halves: ids are consecutive numbers that a file chooses.
    const std::uint64_t mixed = (key ^ (key >> 29)) * 0x9E3779B97F4A7C15u;
    std::size_t at = shift_ == 64 ? 0 : (mixed ^ (mixed << 32)) >> shift_;
    while (entries_[at].key != key && entries_[at].key != kEmpty) {
      at = (at + 1) & (entries_.size() - 1);
    }
    return at;
  }

  std::size_t capacity_;
  std::size_t calls_ = 0;
  int shift_;
  std::vector<Entry> entries_;
};

}  // namespace ashlar::internal
