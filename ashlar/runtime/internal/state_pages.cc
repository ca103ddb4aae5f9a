#include "ashlar/runtime/internal/state_pages.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ashlar/base/check.h"
#include "ashlar/plan/plan.h"
#include "ashlar/runtime/internal/row_starts.h"

namespace ashlar::internal {
namespace {

PageChain ChainOfSlot(const StateSlot& slot, std::uint64_t cache_scope) {
  return {ScopedKey(slot.chain, cache_scope), slot.page.positions};
}

std::int64_t WholePositions(const LoadedNetwork& network, std::span<const PageTable> tables) {
  std::int64_t positions = kNever;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    positions = std::min(positions, tables[i].size() * network.slots[i].page.positions);
  }
  return tables.empty() ? 0 : positions;
}

// Whether the session's pages are those that this network, as it is loaded, would compute.
Status CheckSameState(const LoadedNetwork& network, const Session& session) {
  if (session.form.kernel_form != network.form.kernel_form) {
    return Invalid("the session was computed by kernels \"{}\", and these are \"{}\"",
                   session.form.kernel_form, network.form.kernel_form);
  }
  if (session.form.kv_format != network.form.kv_format) {
    return Invalid("the session keeps keys and values in {}, and the network is loaded with {}",
                   session.form.kv_format, network.form.kv_format);
  }
  if (session.slots.size() != network.slots.size()) {
    return Invalid("the session is of another network: it has {} slots of state, and this one {}",
                   session.slots.size(), network.slots.size());
  }
  for (std::size_t i = 0; i < session.slots.size(); ++i) {
    const SessionSlot& saved = session.slots[i];
    const StateSlot& slot = network.slots[i];
    if (saved.key != slot.chain) {
      return Invalid(
          "the session is of another network, or of another precision: slot {} of its "
          "state has the key {}, and this one's {}",
          i, saved.key.Short(), slot.chain.Short());
    }
    if (saved.page_positions != slot.page.positions || saved.page_bytes != slot.page.used_bytes) {
      return Invalid(
          "the session's slot {} has pages of {} positions and {} bytes, and the "
          "network's have {} and {}",
          i, saved.page_positions, saved.page_bytes, slot.page.positions, slot.page.used_bytes);
    }
  }
  for (const std::int32_t token : session.tokens) {
    if (token < 0 || token >= network.token_limit) {
      return Invalid("the session has the token {}, but the network's ids are in [0, {})", token,
                     network.token_limit);
    }
  }
  return {};
}

}  // namespace

StatePages FindState(PageCache& cache, const LoadedNetwork& network,
                     std::span<const std::int32_t> tokens, std::uint64_t cache_scope) {
  StatePages found;
  for (const StateSlot& slot : network.slots) {
    FindPages(cache, ChainOfSlot(slot, cache_scope), tokens, found.slots.emplace_back());
  }
  found.positions = WholePositions(network, found.slots);
  return found;
}

Result<Session> CopyState(PageCache& cache, const LoadedNetwork& network,
                          std::span<const std::int32_t> tokens, std::uint64_t cache_scope) {
  const StatePages found = FindState(cache, network, tokens, cache_scope);
  if (found.positions == 0) {
    return NotFound("no whole page of state of these {} tokens is cached", tokens.size());
  }
  Session session{.form = network.form, .tokens = {tokens.begin(), tokens.end()}, .slots = {}};
  for (std::size_t i = 0; i < found.slots.size(); ++i) {
    const StateSlot& slot = network.slots[i];
    const PageTable& table = found.slots[i];
    SessionSlot& saved = session.slots.emplace_back(SessionSlot{
        .key = slot.chain,
        .page_positions = slot.page.positions,
        .page_bytes = slot.page.used_bytes,
        .pages =
            std::vector<std::byte>(static_cast<std::size_t>(table.size()) * slot.page.used_bytes)});
    for (std::int64_t page = 0; page < table.size(); ++page) {
      std::memcpy(saved.pages.data() + static_cast<std::size_t>(page) * saved.page_bytes,
                  table[page].data(), saved.page_bytes);
    }
  }
  return session;
}

Result<std::int64_t> PutState(PageCache& cache, const LoadedNetwork& network,
                              const Session& session, std::uint64_t cache_scope) {
  ASHLAR_TRY(CheckSameState(network, session));
  StatePages state = FindState(cache, network, session.tokens, cache_scope);
  std::uint64_t missing = 0;
  for (std::size_t i = 0; i < state.slots.size(); ++i) {
    const std::int64_t pages = session.slots[i].page_count() - state.slots[i].size();
    missing +=
        static_cast<std::uint64_t>(std::max<std::int64_t>(pages, 0)) * network.slots[i].page.bytes;
  }
  if (missing > cache.available_bytes()) {
    return Exhausted("the session's pages take {}, but of the budget of {} only {} can be had",
                     FormatBytes(missing), FormatBytes(cache.budget()),
                     FormatBytes(cache.available_bytes()));
  }
  for (std::size_t i = 0; i < state.slots.size(); ++i) {
    const SessionSlot& saved = session.slots[i];
    PageTable& table = state.slots[i];
    std::int64_t published = table.size();
    for (std::int64_t page = published; page < saved.page_count(); ++page) {
      PageRef added = cache.Allocate(network.slots[i].page.bytes);
      CHECK(added);
      std::memcpy(added.data(),
                  saved.pages.data() + static_cast<std::size_t>(page) * saved.page_bytes,
                  saved.page_bytes);
      table.Append(std::move(added));
    }
    PublishPages(cache, ChainOfSlot(network.slots[i], cache_scope), session.tokens,
                 table.size() * saved.page_positions, table, published);
  }
  return WholePositions(network, state.slots);
}

}  // namespace ashlar::internal
