#include "ashlar/runtime/internal/sequence.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ashlar/base/check.h"
#include "ashlar/kernels/attention/attention.h"

namespace ashlar::internal {

Sequence::Sequence(RequestId id_in, Request request_in,
                   std::shared_ptr<const LoadedNetwork> network_in)
    : id(id_in),
      network(std::move(network_in)),
      request(std::move(request_in)),
      tokens(std::move(request.prompt)),
      prompt_length(static_cast<std::int64_t>(tokens.size())),
      sampler(request.sampling, network->logits),
      starts(network->nodes.size()),
      slots(network->slots.size()) {
  for (const std::int32_t token : tokens) {
    sampler.ObservePrompt(token);
  }
  tokens.reserve(prompt_length + request.max_tokens);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const StateSlot& slot = network->slots[i];
    slots[i].chain = {ScopedKey(Keys().state[slot.node], request.cache_scope), slot.page.positions};
    slots[i].table.Reserve(slot.PagesFor(prompt_length + request.max_tokens));
  }
}

std::int64_t Sequence::logits_from() const {
  if (request.prompt_logits && logits_delivered < prompt_length) {
    return logits_delivered;
  }
  return request.max_tokens == 0 ? length() : length() - 1;
}

void Sequence::FindValues(PageCache& cache, std::span<const int> boundary) {
  std::uint64_t bytes = network->StateBytes(prompt_length + request.max_tokens);
  for (const int node : boundary) {
    ValuePages& value = values.emplace_back();
    value.node = node;
    value.table.Reserve(PagesFor(prompt_length + request.max_tokens));
    value.chain = {ScopedKey(Keys().value[node], request.cache_scope), kPageLength};
    FindPages(cache, value.chain, tokens, value.table);
    bytes += network->value_page_bytes(node) * static_cast<std::uint64_t>(value.table.size());
    // Values that are still to be read cannot be let go; they must never keep the sequence from
    // getting all of its state pages, not even when it runs alone.
    if (bytes > cache.budget() - cache.pinned_bytes()) {
      value.table.Clear();
    }
    value.published = value.table.size();
    value.cached = value.published * kPageLength;
  }
}

void Sequence::PlanStarts() {
  std::vector<CachedRows> cached(network->nodes.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const StateSlot& slot = network->slots[i];
    cached[slot.node].state = slots[i].cached;
    cached[slot.node].page = slot.carried ? slot.page.positions : 1;
  }
  for (const ValuePages& value : values) {
    cached[value.node].value = value.cached;
  }
  PlanRowStarts(network->sources, cached, logits_from(), starts);
}

// A carried state goes on from where its node is computed: the pages after that are written again,
// and are not those that others read.
void Sequence::DropCarriedPages() {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const StateSlot& slot = network->slots[i];
    const std::int64_t start = starts[slot.node].compute;
    if (slot.carried && start < slots[i].cached) {
      slots[i].cached = start;
      slots[i].table.Truncate(slot.PagesFor(start));
      slots[i].published = std::min(slots[i].published, slots[i].table.size());
    }
  }
}

std::int64_t Sequence::FindStateOf(PageCache& cache, bool any_precision) {
  any_precision_ = any_precision;
  std::int64_t positions = length();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    SlotPages& slot = slots[i];
    slot.table.Clear();
    slot.chain.key = ScopedKey(Keys().state[network->slots[i].node], request.cache_scope);
    FindPages(cache, slot.chain, tokens, slot.table);
    slot.published = slot.table.size();
    slot.cached = slot.published * network->slots[i].page.positions;
    positions = std::min(positions, slot.cached);
  }
  return positions;
}

bool Sequence::FindState(PageCache& cache) {
  const auto pages = [this] {
    std::int64_t sum = 0;
    for (const SlotPages& slot : slots) {
      sum += slot.table.size();
    }
    return sum;
  };
  if (pages() > 0 && !found_) {
    return true;
  }
  const std::uint64_t postponed = cache.postponed();
  const std::int64_t found = FindStateOf(cache, request.any_precision);
  // (What it leaves continues what it found: a page is named by all that are before it.)
  if (request.any_precision && FindStateOf(cache, false) <= found) {
    FindStateOf(cache, true);
  }
  const std::int64_t before = std::exchange(found_, pages()).value_or(-1);
  // (Where there is no room for all, what comes drives out what came, and it would never end.)
  if (cache.postponed() == postponed || *found_ <= before) {
    found_.reset();
  }
  return !found_;
}

std::int64_t Sequence::Begin(PageCache& cache, std::span<const int> boundary, bool use_cache) {
  running = true;
  values.clear();
  if (use_cache) {
    FindValues(cache, boundary);
  }
  PlanStarts();
  DropCarriedPages();
  position = length() - 1;
  for (const NodeStart& start : starts) {
    position = std::min(position, start.compute);
  }
  for (ValuePages& value : values) {
    // Positions are added where those before them are there already.
    value.recording = starts[value.node].compute <= value.cached;
  }
  return position;
}

bool Sequence::NeedsCopy(std::size_t slot) const {
  const SlotPages& pages = slots[slot];
  const std::int64_t page = std::max(position, pages.cached) / network->slots[slot].page.positions;
  return page < pages.table.size() && pages.table[page].shared();
}

void Sequence::TakePages(PageCache& cache, std::int64_t end) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    SlotPages& slot = slots[i];
    const std::uint64_t page_bytes = network->slots[i].page.bytes;
    if (NeedsCopy(i)) {
      const std::int64_t page = std::max(position, slot.cached) / network->slots[i].page.positions;
      PageRef copy = cache.Allocate(page_bytes);
      CHECK(copy);
      std::memcpy(copy.data(), slot.table[page].data(), page_bytes);
      slot.table.Replace(page, std::move(copy));
    }
    while (slot.table.size() < network->slots[i].PagesFor(end)) {
      PageRef page = cache.Allocate(page_bytes);
      CHECK(page);
      slot.table.Append(std::move(page));
    }
  }
}

void Sequence::TakeValuePages(PageCache& cache, std::int64_t end) {
  for (ValuePages& value : values) {
    while (value.recording && value.table.size() < PagesFor(end)) {
      PageRef page = cache.Allocate(network->value_page_bytes(value.node));
      if (!page) {
        value.recording = false;
        value.table.Truncate(value.published);
        break;
      }
      value.table.Append(std::move(page));
    }
  }
}

void Sequence::Advance(PageCache& cache, std::int64_t end, bool use_cache) {
  position = end;
  if (!use_cache) {
    return;
  }
  for (SlotPages& slot : slots) {
    if (!slot.mixed) {
      PublishPages(cache, slot.chain, tokens, end, slot.table, slot.published);
    }
  }
  for (ValuePages& value : values) {
    if (value.recording) {
      PublishPages(cache, value.chain, tokens, end, value.table, value.published);
    }
  }
}

void Sequence::Stop() {
  running = false;
  found_.reset();
  position = 0;
  for (SlotPages& slot : slots) {
    slot.table.Clear();
    slot.cached = 0;
    slot.published = 0;
    slot.mixed = false;  // it will be computed again, all of it
  }
  values.clear();
}

// Pages that are published already stay under the key that they were computed with. Of the others,
// some positions come from before and some from after, or all from after but over pages or kept
// values from before: under neither key would they be what a sequence computes that begins now. A
// key is that of all upstream, so what lies below the first block that changed goes on as if
// nothing was.
void Sequence::Rebind(std::shared_ptr<const LoadedNetwork> rebound) {
  if (found_) {
    Stop();  // before it has begun
  }
  network = std::move(rebound);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Digest key = ScopedKey(Keys().state[network->slots[i].node], request.cache_scope);
    slots[i].mixed |= slots[i].chain.key != key && (running || slots[i].table.size() > 0);
    slots[i].chain.key = key;
  }
  for (ValuePages& value : values) {
    const Digest key = ScopedKey(Keys().value[value.node], request.cache_scope);
    value.recording &= value.chain.key == key;
    value.chain.key = key;
  }
}

std::uint64_t Sequence::MostBytes() const {
  std::uint64_t bytes = network->StateBytes(prompt_length + request.max_tokens);
  for (const ValuePages& value : values) {  // some of which may have to be kept
    bytes += network->value_page_bytes(value.node) * static_cast<std::uint64_t>(value.table.size());
  }
  return bytes;
}

bool Sequence::DropValues() {
  bool dropped = false;
  for (ValuePages& value : values) {
    const NodeStart& start = starts[value.node];
    const bool read_ahead = start.value < start.compute && position < start.compute;
    const std::int64_t keep = read_ahead ? value.cached / kPageLength : 0;
    dropped |= value.table.size() > keep;
    value.recording = false;
    value.table.Truncate(keep);
    value.published = std::min(value.published, keep);
  }
  return dropped;
}

void Sequence::ShareStateOf(const Sequence& parent) {
  // (A carried state that is ahead of the parent's position is not that of this position. It can be
  // when its page was found and the last row is computed again; the page will be found again.)
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (network->slots[i].carried && parent.slots[i].cached > parent.position) {
      return;
    }
  }
  position = parent.position;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    for (std::int64_t page = 0; page < network->slots[i].PagesFor(parent.position); ++page) {
      slots[i].table.Append(parent.slots[i].table[page].Share());
    }
    slots[i].cached = parent.position;
    slots[i].published = parent.slots[i].published;
    slots[i].chain = parent.slots[i].chain;
    slots[i].mixed = parent.slots[i].mixed;
  }
  any_precision_ = parent.any_precision_;
}

SequenceView Sequence::View(std::span<SlotDemand> demand) const {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const StatePage& page = network->slots[i].page;
    demand[i] = {page.bytes, slots[i].table.size(), NeedsCopy(i), page.positions};
  }
  return {.running = running,
          .position = position,
          .length = length(),
          .logits_from = logits_from(),
          .generated = generated(),
          .priority = request.priority,
          .work = network->row_work,
          .slots = demand};
}

}  // namespace ashlar::internal
