// A PairTable maps two numbers, neither negative, to a value.
//
// BPE's merges live in one, and encoding spends most of its time there, so it is a flat table with
// linear probing: against std::unordered_map, all of encoding English prose took half the time.
#pragma once

#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

namespace ashlar::internal {

// Thread-compatible. `Value` is small and default-constructible.
template <class Value>
class PairTable {
 public:
  // Room for this many pairs; more make it grow.
  explicit PairTable(std::size_t pairs = 0) { Resize(std::bit_ceil(2 * pairs + 2)); }

  // Replaces what the pair had.
  void Set(std::int32_t first, std::int32_t second, Value value) {
    Entry& entry = entries_[Place(Key(first, second))];
    const bool added = entry.key == kEmpty;
    entry = {Key(first, second), std::move(value)};
    size_ += added ? 1 : 0;
    if (2 * size_ > entries_.size()) {
      Resize(2 * entries_.size());
    }
  }

  // Null when the pair has no value. Valid until the next Set.
  const Value* Find(std::int32_t first, std::int32_t second) const {
    const Entry& entry = entries_[Place(Key(first, second))];
    return entry.key == kEmpty ? nullptr : &entry.value;
  }

 private:
  struct Entry {
    std::uint64_t key = kEmpty;
    Value value;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // of two negative numbers

  static std::uint64_t Key(std::int32_t first, std::int32_t second) {
    return std::uint64_t{static_cast<std::uint32_t>(first)} << 32 |
           static_cast<std::uint32_t>(second);
  }

  // Where `key` is, or where it would go. The table is at most half full, so there is an end.
  std::size_t Place(std::uint64_t key) const {
    // The numbers are mostly consecutive ones that a file chooses: both halves must reach the
    // high bits of the product, which are the ones that count.
    const std::uint64_t mixed = (key ^ (key >> 29)) * 0x9E3779B97F4A7C15u;
    std::size_t at = (mixed ^ (mixed << 32)) >> shift_;
    while (entries_[at].key != key && entries_[at].key != kEmpty) {
      at = (at + 1) & (entries_.size() - 1);
    }
    return at;
  }

  // `capacity` is a power of two, at least 2.
  void Resize(std::size_t capacity) {
    const std::vector<Entry> old = std::exchange(entries_, std::vector<Entry>(capacity));
    shift_ = 64 - std::countr_zero(capacity);
    for (const Entry& entry : old) {
      if (entry.key != kEmpty) {
        entries_[Place(entry.key)] = entry;
      }
    }
  }

  std::size_t size_ = 0;
  int shift_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace ashlar::internal
