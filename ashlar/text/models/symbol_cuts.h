// SymbolCuts finds the ways to cut a symbol's text into those of two others: what may join where
// any two neighbours join whose text is a token.
//
// Each symbol knows the longest other one that its text begins with, and the longest that it ends
// with; what those begin and end with are the rest. So all cuts of all symbols take time in
// proportion to their texts and to sorting these, where looking for what is on either side of each
// cut takes time in proportion to the squares of their lengths. Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ashlar::internal {

class SymbolCuts {
 public:
  // `texts` by symbol, all different but for empty ones, which are no symbols. They are not needed
  // afterwards.
  explicit SymbolCuts(std::span<const std::string_view> texts);

  // `visit(left, right)` for every cut of the symbol's text, from the last to the first.
  template <class Visit>
  void ForEach(std::int32_t symbol, Visit visit) const {
    std::vector<std::int32_t> rights;  // the shortest last
    for (std::int32_t right = ends_[symbol]; right != kNone; right = ends_[right]) {
      rights.push_back(right);
    }
    for (std::int32_t left = begins_[symbol]; left != kNone; left = begins_[left]) {
      const std::size_t rest = sizes_[symbol] - sizes_[left];
      while (!rights.empty() && sizes_[rights.back()] < rest) {
        rights.pop_back();
      }
      if (!rights.empty() && sizes_[rights.back()] == rest) {
        visit(left, rights.back());
      }
    }
  }

 private:
  static constexpr std::int32_t kNone = -1;
  static std::vector<std::int32_t> LongestBegins(std::span<const std::string_view> texts);

  // By symbol: the bytes of its text, and the longest others that it begins and ends with.
  std::vector<std::size_t> sizes_;
  std::vector<std::int32_t> begins_;
  std::vector<std::int32_t> ends_;
};

}  // namespace ashlar::internal
