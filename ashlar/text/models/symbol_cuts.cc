#include "ashlar/text/models/symbol_cuts.h"

#include <algorithm>
#include <string>

namespace ashlar::internal {

SymbolCuts::SymbolCuts(std::span<const std::string_view> texts) : begins_(LongestBegins(texts)) {
  sizes_.reserve(texts.size());
  std::vector<std::string> reversed;
  reversed.reserve(texts.size());
  for (const std::string_view text : texts) {
    sizes_.push_back(text.size());
    reversed.emplace_back(text.rbegin(), text.rend());
  }
  ends_ = LongestBegins(std::vector<std::string_view>(reversed.begin(), reversed.end()));
}

std::vector<std::int32_t> SymbolCuts::LongestBegins(std::span<const std::string_view> texts) {
  const auto text = [&](std::int32_t symbol) { return texts[static_cast<std::size_t>(symbol)]; };
  std::vector<std::int32_t> order;
  for (std::int32_t symbol = 0; symbol < std::ssize(texts); ++symbol) {
    if (!text(symbol).empty()) {
      order.push_back(symbol);
    }
  }
  std::ranges::sort(order, {}, text);
  // What begins with a text comes right behind it, so that a text begins with the one before it,
  // or with what that begins with.
  std::vector<std::int32_t> begins(texts.size(), kNone);
  std::int32_t before = kNone;
  for (const std::int32_t symbol : order) {
    while (before != kNone && !text(symbol).starts_with(text(before))) {
      before = begins[static_cast<std::size_t>(before)];
    }
    begins[static_cast<std::size_t>(symbol)] = before;
    before = symbol;
  }
  return begins;
}

}  // namespace ashlar::internal
