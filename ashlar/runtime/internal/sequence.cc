#include "ashlar/runtime/internal/sequence.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ashlar/base/check.h"
#include "ashlar/kernels/attention/attention.h"

namespace ashlar::internal {

void PageTable::Reserve(std::int64_t pages) {
  pages_.reserve(pages);
  data_.reserve(pages);
}

void PageTable::Append(PageRef page) {
  data_.push_back(page.data());
  pages_.push_back(std::move(page));
}

void PageTable::Replace(std::int64_t index, PageRef page) {
  data_[index] = page.data();
  pages_[index] = std::move(page);
}

void PageTable::Truncate(std::int64_t pages) {
  while (size() > pages) {
    pages_.pop_back();
    data_.pop_back();
  }
}

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
    slots[i].chain = ChainOf(network->slots[i].chain);
    slots[i].table.Reserve(PagesFor(prompt_length + request.max_tokens));
  }
}

Digest Sequence::ChainOf(const Digest& key) const {
  if (request.cache_scope == 0) {
    return key;
  }
  Hasher hash;
  hash.Update(std::as_bytes(std::span(key.bytes())));
  hash.Update(std::as_bytes(std::span(&request.cache_scope, 1)));
  return hash.Finish();
}

std::int64_t Sequence::logits_from() const {
  if (request.prompt_logits && logits_delivered < prompt_length) {
    return logits_delivered;
  }
  return request.max_tokens == 0 ? length() : length() - 1;
}

std::span<const std::int32_t> Sequence::PageTokens(std::int64_t page) const {
  return std::span(tokens).subspan(page * kPageLength, kPageLength);
}

void Sequence::FindPages(PageCache& cache, const Digest& chain, PageTable& table) const {
  const Page* parent = nullptr;
  for (std::int64_t page = 0; (page + 1) * kPageLength <= length(); ++page) {
    PageRef found = cache.Find(parent, chain, PageTokens(page));
    if (!found) {
      return;
    }
    parent = found.get();
    table.Append(std::move(found));
  }
}

void Sequence::FindValues(PageCache& cache, std::span<const int> boundary) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    bytes += network->slots[i].page_bytes *
             static_cast<std::uint64_t>(PagesFor(prompt_length + request.max_tokens));
  }
  for (const int node : boundary) {
    ValuePages& value = values.emplace_back();
    value.node = node;
    value.table.Reserve(PagesFor(prompt_length + request.max_tokens));
    value.chain = ChainOf(network->keys.value[node]);
    FindPages(cache, value.chain, value.table);
    bytes += network->value_page_bytes(node) * static_cast<std::uint64_t>(value.table.size());
    // Values that are still to be read cannot be let go; they must never keep the sequence from
    // getting all of its state pages, not even when it runs alone.
    if (bytes > cache.budget()) {
      value.table.Clear();
    }
    value.published = value.table.size();
    value.cached = value.published * kPageLength;
  }
}

void Sequence::PlanStarts(bool with_values) {
  std::vector<std::int64_t> cached_state(network->nodes.size(), kNever);
  std::vector<std::int64_t> cached_value(network->nodes.size(), 0);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    cached_state[network->slots[i].node] = slots[i].cached;
  }
  if (with_values) {
    for (const ValuePages& value : values) {
      cached_value[value.node] = value.cached;
    }
  }
  PlanRowStarts(network->sources, cached_state, cached_value, logits_from(), starts);
}

std::int64_t Sequence::Spared() const {
  std::vector<std::int64_t> nothing(network->nodes.size(), kNever);
  for (const StateSlot& slot : network->slots) {
    nothing[slot.node] = 0;
  }
  const std::vector<std::int64_t> no_value(network->nodes.size(), 0);
  std::vector<NodeStart> otherwise(network->nodes.size());
  PlanRowStarts(network->sources, nothing, no_value, logits_from(), otherwise);
  std::int64_t spared = 0;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    if (starts[i].compute > otherwise[i].compute) {
      spared = std::max(spared, std::min(starts[i].compute, length()));
    }
  }
  return spared;
}

std::int64_t Sequence::Begin(PageCache& cache, std::span<const int> boundary, bool use_cache) {
  running = true;
  const bool has_state =
      std::ranges::any_of(slots, [](const SlotPages& slot) { return slot.table.size() > 0; });
  if (!has_state && use_cache) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      FindPages(cache, slots[i].chain, slots[i].table);
      slots[i].published = slots[i].table.size();
      slots[i].cached = slots[i].published * kPageLength;
    }
  }
  values.clear();
  if (use_cache) {
    FindValues(cache, boundary);
  }
  PlanStarts(true);
  position = length() - 1;
  for (const NodeStart& start : starts) {
    position = std::min(position, start.compute);
  }
  for (ValuePages& value : values) {
    // Positions are added where those before them are there already.
    value.recording = starts[value.node].compute <= value.cached;
  }
  return Spared();
}

bool Sequence::NeedsCopy(const SlotPages& slot) const {
  const std::int64_t page = std::max(position, slot.cached) / kPageLength;
  return page < slot.table.size() && slot.table[page].shared();
}

void Sequence::TakePages(PageCache& cache, std::int64_t end) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    SlotPages& slot = slots[i];
    const std::uint64_t page_bytes = network->slots[i].page_bytes;
    if (NeedsCopy(slot)) {
      const std::int64_t page = std::max(position, slot.cached) / kPageLength;
      PageRef copy = cache.Allocate(page_bytes);
      CHECK(copy);
      std::memcpy(copy.data(), slot.table[page].data(), page_bytes);
      slot.table.Replace(page, std::move(copy));
    }
    while (slot.table.size() < PagesFor(end)) {
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

void Sequence::PublishPages(PageCache& cache, const Digest& chain, std::int64_t end,
                            PageTable& table, std::int64_t& published) const {
  for (; (published + 1) * kPageLength <= end; ++published) {
    const Page* const parent = published > 0 ? table[published - 1].get() : nullptr;
    table.Replace(published,
                  cache.Publish(table.Take(published), parent, chain, PageTokens(published)));
  }
}

void Sequence::Advance(PageCache& cache, std::int64_t end, bool use_cache) {
  position = end;
  if (!use_cache) {
    return;
  }
  for (SlotPages& slot : slots) {
    PublishPages(cache, slot.chain, end, slot.table, slot.published);
  }
  for (ValuePages& value : values) {
    if (value.recording) {
      PublishPages(cache, value.chain, end, value.table, value.published);
    }
  }
}

void Sequence::Stop() {
  running = false;
  position = 0;
  for (SlotPages& slot : slots) {
    slot.table.Clear();
    slot.cached = 0;
    slot.published = 0;
  }
  values.clear();
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
  position = parent.position;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    for (std::int64_t page = 0; page < PagesFor(parent.position); ++page) {
      slots[i].table.Append(parent.slots[i].table[page].Share());
    }
    slots[i].cached = parent.position;
    slots[i].published = parent.slots[i].published;
  }
}

SequenceView Sequence::View(std::span<SlotDemand> demand) const {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    demand[i] = {network->slots[i].page_bytes, slots[i].table.size(), NeedsCopy(slots[i])};
  }
  return {running, position, length(), logits_from(), request.priority, demand};
}

}  // namespace ashlar::internal
