#include "ashlar/text/internal/byte_tree.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

// The entries [begin, end) share their first `depth` bytes, which lead to `node`.
struct Range {
  std::uint32_t node;
  std::size_t begin;
  std::size_t end;
  std::size_t depth;
};

}  // namespace

ByteTree::ByteTree(std::vector<Entry> entries) {
  roots_.fill(0);
  std::erase_if(entries, [](const Entry& entry) { return entry.key.empty(); });
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.key < b.key; });
  nodes_.emplace_back();
  bytes_.push_back('\0');
  // Breadth first, so that the children of a node are made one after the other.
  std::vector<Range> level = {{0, 0, entries.size(), 0}};
  std::vector<Range> next;
  while (!level.empty()) {
    next.clear();
    for (const Range& range : level) {
      std::size_t at = range.begin;
      while (at < range.end && entries[at].key.size() == range.depth) {
        if (nodes_[range.node].id < 0) {
          nodes_[range.node].id = entries[at].id;
        }
        ++at;
      }
      nodes_[range.node].first_child = static_cast<std::uint32_t>(nodes_.size());
      while (at < range.end) {
        const char byte = entries[at].key[range.depth];
        const std::size_t begin = at;
        while (at < range.end && entries[at].key[range.depth] == byte) {
          ++at;
        }
        const auto child = static_cast<std::uint32_t>(nodes_.size());
        ++nodes_[range.node].children;
        nodes_.emplace_back();
        bytes_.push_back(byte);
        if (range.node == 0) {
          roots_[static_cast<std::uint8_t>(byte)] = child;
        }
        next.push_back({child, begin, at, range.depth + 1});
      }
    }
    std::swap(level, next);
  }
}

}  // namespace ashlar::internal
