#include "ashlar/runtime/internal/prefix_pins.h"

#include <algorithm>
#include <utility>

#include "ashlar/plan/plan.h"

namespace ashlar::internal {

Result<PinnedPrefix> PrefixPins::Pin(const LoadedNetwork& network,
                                     std::span<const std::int32_t> tokens,
                                     std::uint64_t cache_scope, const PinLimits& limits) {
  const auto length = static_cast<std::int64_t>(tokens.size());
  std::int64_t largest_page = kPageLength;
  std::int64_t whole = length;  // as far as there are whole pages
  for (const StateSlot& slot : network.slots) {
    largest_page = std::max(largest_page, slot.page.positions);
    whole = std::min(whole, length / slot.page.positions * slot.page.positions);
  }
  if (whole == 0) {
    return Invalid("a prefix of {} tokens has no whole page, which is {} tokens", length,
                   largest_page);
  }
  StatePages state = FindState(cache_, network, tokens, cache_scope);
  if (state.positions < whole) {
    return NotFound("of the first {} tokens, whole pages, {} are cached; read them first", whole,
                    state.positions);
  }
  PinnedPrefix pinned{.id = PrefixId{next_id_}, .positions = state.positions};
  std::uint64_t added = 0;
  for (const PageTable& table : state.slots) {
    for (std::int64_t i = 0; i < table.size(); ++i) {
      const std::uint64_t page_bytes = cache_.PageBytesOf(*table[i].get());
      pinned.bytes += page_bytes;
      added += pins_.contains(table[i].get()) ? 0 : page_bytes;
    }
  }
  const std::uint64_t after = bytes() + added;
  if (after > limits.most / 2) {
    return Exhausted(
        "{} tokens take {} of pages, and pinned prefixes would have {}; they may have "
        "half of the budget of {}",
        whole, FormatBytes(added), FormatBytes(after), FormatBytes(limits.most));
  }
  if (after + limits.needed > limits.most) {
    return Conflict(
        "{} tokens take {} of pages, but a request that is there may come to need {} "
        "of the {}, of which pinned prefixes have {}; try again",
        whole, FormatBytes(added), FormatBytes(limits.needed), FormatBytes(limits.most),
        FormatBytes(bytes()));
  }
  for (const PageTable& table : state.slots) {
    for (std::int64_t i = 0; i < table.size(); ++i) {
      ++pins_[table[i].get()];
    }
  }
  cache_.set_pinned_bytes(after);
  prefixes_.emplace(pinned.id, std::move(state));
  ++next_id_;
  return pinned;
}

Status PrefixPins::Unpin(PrefixId prefix) {
  const auto found = prefixes_.find(prefix);
  if (found == prefixes_.end()) {
    return NotFound("no prefix {} is pinned", static_cast<std::uint64_t>(prefix));
  }
  std::uint64_t freed = 0;
  for (const PageTable& table : found->second.slots) {
    for (std::int64_t i = 0; i < table.size(); ++i) {
      const auto pin = pins_.find(table[i].get());
      if (--pin->second == 0) {
        freed += cache_.PageBytesOf(*pin->first);
        pins_.erase(pin);
      }
    }
  }
  cache_.set_pinned_bytes(bytes() - freed);
  prefixes_.erase(found);
  return {};
}

}  // namespace ashlar::internal
