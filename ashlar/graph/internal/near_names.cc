#include "ashlar/graph/internal/near_names.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "ashlar/base/join.h"

namespace ashlar::internal {
namespace {

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
// string alignment), row by row.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row.back();
}

}  // namespace

std::string SuggestNames(std::string_view name, std::span<const std::string> known) {
  constexpr std::size_t kLongest = 128;  // a longer name is near to none
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& candidate : known) {
    if (name.size() > kLongest || candidate.size() > kLongest) {
      continue;
    }
    const bool contained =
        name.size() >= 3 && candidate.size() >= 3 &&
        (candidate.find(name) != candidate.npos || name.find(candidate) != name.npos);
    const std::size_t distance = EditDistance(name, candidate);
    if (contained || distance <= std::max<std::size_t>(1, name.size() / 3)) {
      near.emplace_back(distance, fmt::format("\"{}\"", candidate));
    }
  }
  if (!near.empty()) {
    std::ranges::sort(near);
    near.resize(std::min<std::size_t>(near.size(), 3));
    std::vector<std::string> names;
    names.reserve(near.size());
    for (auto& [distance, quoted] : near) {
      names.push_back(std::move(quoted));
    }
    return fmt::format("; did you mean {}?", Join(names, " or "));
  }
  if (known.empty()) {
    return "; there are none";
  }
  constexpr std::size_t kMost = 10;
  return fmt::format("; known: {}{}", Join(known.first(std::min(known.size(), kMost)), ", "),
                     known.size() > kMost ? ", ..." : "");
}

}  // namespace ashlar::internal
