#include "ashlar/server/tenants/tenant.h"

#include <algorithm>

namespace ashlar {

// Only the last '*' is ever tried again: what an earlier one could take, the last can take too.
bool MatchesGlob(std::string_view glob, std::string_view text) {
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // the last '*' in glob
  std::size_t taken = 0;                      // where what it takes ends in text
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      taken = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', g) == std::string_view::npos;
}

bool Tenant::MayUse(std::string_view network) const {
  return std::ranges::any_of(networks,
                             [&](const std::string& glob) { return MatchesGlob(glob, network); });
}

}  // namespace ashlar
