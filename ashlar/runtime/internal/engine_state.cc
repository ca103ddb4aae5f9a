#include "ashlar/runtime/internal/engine_state.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ashlar {

using internal::LoadedNetwork;
using internal::Sequence;

namespace {

// Of new workspace, in a step: some tenths of a millisecond.
constexpr std::uint64_t kTouchBytes = 1 << 20;

// For giving pages back after a step, so that a budget that falls stops nobody: as a part of what
// the step computed, and at least.
constexpr std::int64_t kTrimPart = 4;
constexpr std::int64_t kTrimMicros = 500;

// For giving back what nothing runs on: whoever comes meanwhile waits for it.
constexpr std::int64_t kRestMicros = 1000;

}  // namespace

Engine::State::State(const BlobStore& store, const EngineOptions& options_in)
    : options(options_in),
      pool(options.threads),
      networks(store, options),
      spill(options.spill_file == nullptr ? nullptr
                                          : std::make_unique<internal::PageSpill>(
                                                options.spill_file, options.spill_bytes, clock)),
      cache(options.page_bytes, spill.get()),
      pins(cache),
      interpreter(pool, options.isa, options.max_rows, options.max_logit_rows),
      sampler_scratch(static_cast<std::size_t>(SamplersOf(options.threads))) {
  deliveries.reserve(options.max_sequences);
  step_.reserve(options.max_sequences);
  sampled_.reserve(options.max_sequences);
}

void Engine::State::NetworksChanged() {
  const std::vector<const LoadedNetwork*> loaded = networks.all();
  interpreter.Prepare(loaded);
  if (prefault_workspace && sequences.empty()) {
    interpreter.Touch(internal::Interpreter::kAll);
  }
  for (const LoadedNetwork* const network : loaded) {
    for (SamplerScratch& scratch : sampler_scratch) {
      scratch.Reserve(network->logits);
    }
  }
}

Sequence* Engine::State::Find(RequestId id) const {
  const auto found = std::ranges::find(sequences, id, [](const auto& s) { return s->id; });
  return found == sequences.end() ? nullptr : found->get();
}

Status Engine::State::Check(const Request& request, const LoadedNetwork& network) const {
  if (const auto& failure = networks.FailureOf(request.network)) {
    return *failure;
  }
  const std::uint64_t most = request.goes_on ? options.page_bytes : page_most;
  return internal::CheckRequest(request, network, {.most = most, .pinned = pins.bytes()});
}

RequestId Engine::State::Add(Request request, std::shared_ptr<const LoadedNetwork> network) {
  const RequestId id{next_request++};
  share.Enter(request.tenant);
  sequences.push_back(std::make_unique<Sequence>(id, std::move(request), std::move(network)));
  FitPageBudget();
  return id;
}

const std::optional<Error>& Engine::State::FailureOf(const Sequence& sequence) const {
  return networks.FailureOf(sequence.request.network);
}

// Of the sequences that can have no rows any more.
void Engine::State::DeliverEnded() {
  for (const auto& sequence : sequences) {
    if (sequence->cancelled) {
      deliveries.push_back({.request = sequence->id, .finish = FinishReason::kCancelled});
    } else if (FailureOf(*sequence)) {
      deliveries.push_back({.request = sequence->id,
                            .finish = FinishReason::kFailed,
                            .error = FailureOf(*sequence)});
    }
  }
  Remove([&](const Sequence& sequence) {
    return sequence.cancelled || FailureOf(sequence).has_value();
  });
}

void Engine::State::Remove(const std::function<bool(const Sequence&)>& ended) {
  std::erase_if(sequences, [&](const auto& sequence) {
    const bool gone = ended(*sequence);
    if (gone) {
      if (sequence->admitted) {
        share.Leave(sequence->request.tenant);
      } else {
        share.Withdraw(sequence->request.tenant);
      }
    }
    return gone;
  });
}

// Whoever is there can run, at least alone.
void Engine::State::FitPageBudget() {
  std::uint64_t least = page_budget;
  for (const auto& sequence : sequences) {
    least = std::max(least, sequence->MostBytes() + pins.bytes());
  }
  if (least != cache.budget()) {
    cache.SetBudget(least);
  }
}

void Engine::State::TrimPages() {
  FitPageBudget();  // those that have gone may have needed more
  const std::uint64_t evicted = cache.evictions();
  const std::int64_t end = clock.NowMicros() + std::max(kTrimMicros, computing_micros_ / kTrimPart);
  while (cache.Trim() && (sequences.empty() || clock.NowMicros() < end)) {
  }
  counters.pages_evicted += cache.evictions() - evicted;
}

void Engine::State::Rest() {
  const std::int64_t end = clock.NowMicros() + kRestMicros;
  if (!prefault_workspace) {
    interpreter.Rest();
  }
  // Those that were not full when their sequence ended: after 8 sequences on 8 layers, one in
  // seven.
  while (clock.NowMicros() < end && cache.ReleaseIdle()) {
  }
}

void Engine::State::MakeRoom(Sequence& sequence) {
  // Kept values only save work for requests to come; they go before anybody has to wait.
  bool dropped = false;
  for (const auto& other : sequences) {
    dropped |= other->DropValues();
  }
  if (!dropped) {
    sequence.Stop();
    ++counters.preemptions;
  }
}

// By priority; then those that have begun to speak, and wait because they made room; then by what
// their tenants have had; then by arrival.
void Engine::State::TakeTurns() {
  turns_.resize(sequences.size());
  std::iota(turns_.begin(), turns_.end(), std::size_t{0});
  std::ranges::sort(turns_, [&](std::size_t a, std::size_t b) {
    const Request& first = sequences[a]->request;
    const Request& second = sequences[b]->request;
    if (first.priority != second.priority) {
      return first.priority > second.priority;
    }
    const bool first_speaks = sequences[a]->generated() > 0;
    const bool second_speaks = sequences[b]->generated() > 0;
    if (first_speaks != second_speaks) {
      return first_speaks;
    }
    const std::uint64_t first_had = share.Had(first.tenant);
    const std::uint64_t second_had = share.Had(second.tenant);
    return first_had != second_had ? first_had < second_had : a < b;
  });
}

bool Engine::State::FindState(Sequence& sequence) {
  const auto runs = [](const auto& other) { return other->running; };
  if (spill != nullptr && std::ranges::none_of(sequences, runs)) {
    spill->AllowReading(internal::PageSpill::kNoLimit);  // nobody waits for it
  }
  return sequence.FindState(cache);
}

// Asks the scheduler until it says to run; then `rows_` has the rows of each sequence.
void Engine::State::Schedule() {
  const internal::SchedulerLimits limits{
      .max_rows = options.max_rows,
      .max_logit_rows = std::min(options.max_rows, options.max_logit_rows),
      .max_sequences = options.max_sequences,
      .prompt_rows_beside_decoding = prompt_rows_beside_decoding,
      .prompt_work_beside_decoding = prompt_work_beside_decoding};
  bool may_admit = true;
  while (true) {
    std::size_t slots = 0;
    for (const auto& sequence : sequences) {
      slots += sequence->slots.size();
    }
    demands_.resize(slots);
    views_.clear();
    slots = 0;
    for (const auto& sequence : sequences) {
      views_.push_back(sequence->View(std::span(demands_).subspan(slots, sequence->slots.size())));
      slots += sequence->slots.size();
    }
    rows_.resize(sequences.size());
    TakeTurns();
    const internal::Decision decision =
        internal::Decide(limits,
                         {.sequences = views_,
                          .turns = turns_,
                          .available_bytes = cache.available_bytes(),
                          .may_admit = may_admit},
                         rows_);
    if (decision.action == internal::Action::kRun) {
      return;
    }
    Sequence& sequence = *sequences[decision.index];
    if (decision.action == internal::Action::kMakeRoom) {
      MakeRoom(sequence);
      may_admit = false;
    } else if (options.prefix_cache && !FindState(sequence)) {
      may_admit = false;  // it goes on finding in the next step
    } else {
      const std::int64_t cached = sequence.Begin(
          cache, networks.BoundaryOf(sequence.request.network), options.prefix_cache);
      counters.prompt_tokens += sequence.length();
      counters.cached_tokens += cached;
      if (!sequence.admitted) {  // reading it again after it made room is nobody's debt
        sequence.admitted = true;
        share.Admit(sequence.request.tenant);
        sequence.cached_tokens = cached;
        share.Charge(
            sequence.request.tenant,
            internal::kPromptTokenCost * static_cast<std::uint64_t>(sequence.length() - cached));
      }
    }
  }
}

void Engine::State::CollectRows() {
  step_.clear();
  step_networks_.clear();
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (rows_[i] > 0) {
      const auto network = static_cast<std::uint32_t>(sequences[i]->request.network);
      const auto at = std::ranges::lower_bound(step_networks_, network);
      if (at == step_networks_.end() || *at != network) {
        step_networks_.insert(at, network);
      }
    }
  }
  std::int64_t first_row = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (rows_[i] == 0) {
      continue;
    }
    Sequence& sequence = *sequences[i];
    const auto network = static_cast<std::uint32_t>(sequence.request.network);
    step_.push_back(
        {.sequence = &sequence,
         .network = static_cast<std::uint32_t>(std::ranges::lower_bound(step_networks_, network) -
                                               step_networks_.begin()),
         .first_row = first_row,
         .rows = rows_[i]});
    first_row += rows_[i];
    const double work = sequence.network->row_work.Of(sequence.position, rows_[i]);
    if (sequence.length() - sequence.position == 1) {
      ++step_work.decoding_rows;
      step_work.decoding += work;
    } else {
      step_work.prompt_rows += rows_[i];
      step_work.prompt += work;
    }
    sequence.TakePages(cache, sequence.position + rows_[i]);
  }
  // Only when everybody has the pages that the scheduler promised.
  for (const internal::StepRows& taken : step_) {
    taken.sequence->TakeValuePages(cache, taken.sequence->position + taken.rows);
  }
  counters.rows += first_row;
}

const internal::NetworkSet::MergedOrder& Engine::State::PlanStep() {
  const PartTimer timer(profile, "schedule");
  if (spill != nullptr) {  // of two steps at most, one is spent on reading
    spill->AllowReading(computing_micros_);
  }
  Schedule();
  if (spill != nullptr) {
    spill->AllowReading(internal::PageSpill::kNoLimit);  // between steps
  }
  CollectRows();
  return networks.OrderOf(step_networks_);
}

bool Engine::State::GivesToken(const internal::StepRows& taken) const {
  const Sequence& sequence = *taken.sequence;
  return sequence.position + taken.rows == sequence.length() && sequence.request.max_tokens > 0 &&
         !FailureOf(sequence);
}

// Of the rows of this step that give a token those that no constraint has a say in: each is drawn
// from its own logits, by its own sampler, so that it is all one which thread does it.
void Engine::State::SampleTogether() {
  const PartTimer timer(profile, "sample");
  sampled_.clear();
  sampled_.resize(step_.size());
  const auto samplers = std::min(std::ssize(sampler_scratch), std::ssize(step_));
  pool.ParallelFor(samplers, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t sampler = begin; sampler < end; ++sampler) {
      for (std::int64_t i = sampler; i < std::ssize(step_); i += samplers) {
        Sequence& sequence = *step_[i].sequence;
        if (sequence.request.constraint == nullptr && GivesToken(step_[i])) {
          Result<SampledToken> sampled = sequence.sampler.Sample(
              step_[i].logits.last(sequence.network->logits), sampler_scratch[sampler]);
          if (sampled.ok()) {
            sampled_[i] = *std::move(sampled);
          }
        }
      }
    }
  });
}

Result<SampledToken> Engine::State::Sample(std::size_t index) {
  Sequence& sequence = *step_[index].sequence;
  if (sequence.request.constraint == nullptr) {
    if (!sampled_[index]) {
      return Corrupt("it gave logits that are no numbers");
    }
    return *std::move(sampled_[index]);
  }
  ASHLAR_TRY(const std::span<const std::uint64_t> allowed, sequence.request.constraint->Allowed());
  Result<SampledToken> sampled = sequence.sampler.SampleAmong(
      allowed, step_[index].logits.last(sequence.network->logits), sampler_scratch.front());
  return sampled.ok() ? std::move(sampled)
                      : Corrupt("of the tokens that the constraint allows, none is possible");
}

void Engine::State::SampleNext(std::size_t index, Delivery& delivery) {
  Sequence& sequence = *step_[index].sequence;
  const bool limited = sequence.request.constraint != nullptr;  // else it is sampled already
  const PartTimer timer(limited ? profile : nullptr, "sample");
  Result<SampledToken> sampled = Sample(index);
  if (!sampled.ok()) {
    delivery.finish = FinishReason::kFailed;
    delivery.error = sampled.error();
    return;
  }
  if (std::ranges::find(sequence.request.stop_tokens, sampled->token) !=
      sequence.request.stop_tokens.end()) {
    delivery.finish = FinishReason::kStop;
    delivery.stop_token = *std::move(sampled);
    return;
  }
  TokenConstraint* const constraint = sequence.request.constraint.get();
  if (constraint != nullptr) {
    if (const Status accepted = constraint->Accept(sampled->token); !accepted.ok()) {
      delivery.finish = FinishReason::kFailed;
      delivery.error = accepted.error();
      return;
    }
  }
  sequence.tokens.push_back(sampled->token);
  share.Charge(sequence.request.tenant, internal::kGeneratedTokenCost);
  delivery.token = *std::move(sampled);
  if (constraint != nullptr && constraint->finished()) {
    delivery.finish = FinishReason::kStop;
  } else if (sequence.generated() == sequence.request.max_tokens) {
    delivery.finish = FinishReason::kLength;
  }
}

void Engine::State::Deliver(std::size_t index) {
  const internal::StepRows& taken = step_[index];
  Sequence& sequence = *taken.sequence;
  Delivery& delivery = deliveries.emplace_back(Delivery{.request = sequence.id,
                                                        .plan = sequence.network->plan(),
                                                        .first_position = sequence.position,
                                                        .cached_tokens = sequence.cached_tokens});
  if (FailureOf(sequence)) {  // nothing of this step may reach a page that others can find
    delivery.finish = FinishReason::kFailed;
    delivery.error = FailureOf(sequence);
    return;
  }
  if (sequence.request.prompt_logits && sequence.logits_delivered < sequence.prompt_length) {
    delivery.logits = taken.logits;
    delivery.logits_first_position = taken.logits_first_position;
    if (!taken.logits.empty()) {  // else rows before those whose logits are wanted
      sequence.logits_delivered +=
          static_cast<std::int64_t>(taken.logits.size()) / taken.logits_width;
    }
  }
  sequence.Advance(cache, sequence.position + taken.rows, options.prefix_cache);
  if (sequence.position < sequence.length()) {
    return;
  }
  if (sequence.request.max_tokens == 0) {
    delivery.finish = FinishReason::kLength;
  } else {
    SampleNext(index, delivery);
  }
}

void Engine::State::Step() {
  deliveries.clear();
  step_work = {};
  DeliverEnded();
  if (sequences.empty()) {
    TrimPages();
    return;
  }
  FitPageBudget();
  const StepTimer timer(profile);
  const std::uint64_t evicted = cache.evictions();
  const internal::NetworkSet::MergedOrder& order = PlanStep();
  if (prefault_workspace) {
    interpreter.Touch(kTouchBytes);
  }
  const std::int64_t begin = clock.NowMicros();
  interpreter.Run(step_, order.loaded, order.groups, counters, profile, expert_listener);
  computing_micros_ = clock.NowMicros() - begin;
  networks.FindDamage();
  SampleTogether();
  for (std::size_t i = 0; i < step_.size(); ++i) {
    Deliver(i);
  }
  for (const Delivery& delivery : deliveries) {
    if (delivery.finish != FinishReason::kNone) {
      Remove([&](const Sequence& one) { return one.id == delivery.request; });
    }
  }
  counters.pages_evicted += cache.evictions() - evicted;
  TrimPages();
  ++counters.steps;
  if (spill != nullptr) {
    counters.pages_spilled = spill->pages_written();
    counters.pages_restored = spill->pages_read();
  }
}

}  // namespace ashlar
