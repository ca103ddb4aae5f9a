// A ByteTree finds which of a set of byte strings a text begins with.
//
// It is a tree of bytes, one node for each front of a string, built once. A node's children lie
// side by side, their bytes in one array: a step is a search for one byte among a few.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ashlar::internal {

// Immutable, thread-safe.
class ByteTree {
 public:
  struct Entry {
    std::string_view key;
    std::int32_t id;  // not negative
  };
  ByteTree() { roots_.fill(0); }
  // Empty keys are left out; of equal ones the first stays. `entries` is not needed afterwards.
  explicit ByteTree(std::vector<Entry> entries);

  bool empty() const { return nodes_.size() <= 1; }

  // `visit(size, id)` for every key that `text` begins with, from the shortest to the longest.
  template <class Visit>
  void ForEachPrefix(std::string_view text, Visit visit) const {
    std::uint32_t at = text.empty() ? 0 : roots_[static_cast<std::uint8_t>(text[0])];
    for (std::size_t size = 1; at != 0; ++size) {
      const Node node = nodes_[at];
      if (node.id >= 0) {
        visit(size, node.id);
      }
      if (size == text.size() || node.children == 0) {
        return;
      }
      const char* const first = bytes_.data() + node.first_child;
      const void* const found = std::memchr(first, text[size], node.children);
      at = found == nullptr
               ? 0
               : node.first_child +
                     static_cast<std::uint32_t>(static_cast<const char*>(found) - first);
    }
  }

  struct Match {
    std::size_t size = 0;  // 0: none
    std::int32_t id = -1;
  };
  Match Longest(std::string_view text) const {
    Match longest;
    ForEachPrefix(text, [&](std::size_t size, std::int32_t id) { longest = {size, id}; });
    return longest;
  }

 private:
  struct Node {
    std::uint32_t first_child = 0;  // also of its byte in bytes_
    std::int32_t id = -1;           // of the key that ends here; -1: none does
    std::uint32_t children = 0;
  };
  std::vector<Node> nodes_;               // [0] is the root, which is no child: 0 means none
  std::string bytes_;                     // by which each node is reached from its parent
  std::array<std::uint32_t, 256> roots_;  // the root's children by their byte
};

}  // namespace ashlar::internal
