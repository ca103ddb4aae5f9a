#include "ashlar/runtime/engine.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ashlar/base/check.h"
#include "ashlar/base/mapped_fault.h"
#include "ashlar/base/thread_pool.h"
#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kinds/rope_tables.h"
#include "ashlar/plan/plan.h"
#include "ashlar/runtime/internal/fair_share.h"
#include "ashlar/runtime/internal/interpreter.h"
#include "ashlar/runtime/internal/loaded_network.h"
#include "ashlar/runtime/internal/page_cache.h"
#include "ashlar/runtime/internal/prefix_pins.h"
#include "ashlar/runtime/internal/scheduler.h"
#include "ashlar/runtime/internal/sequence.h"
#include "ashlar/runtime/internal/state_pages.h"
#include "ashlar/runtime/internal/step_merge.h"

namespace ashlar {

using internal::LoadedNetwork;
using internal::Sequence;

static_assert(kPositionsPerPage == kPageLength, "the memory plan counts the kernels' pages");

namespace {

Status CheckRange(const char* field, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
  if (value < low || value > high) {
    return Invalid("{} must be in [{}, {}], not {}", field, low, high, value);
  }
  return {};
}

Status CheckCount(const char* field, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value < low || value > high) {
    return Invalid("{} must be in [{}, {}], not {}", field, low, high, value);
  }
  return {};
}

}  // namespace

Status EngineOptions::Check() const {
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  ASHLAR_TRY(CheckCount("threads", threads, 1, 1024));
  ASHLAR_TRY(CheckCount("max_positions", max_positions, 1, kMost));
  ASHLAR_TRY(CheckCount("max_sequences", max_sequences, 1, 1 << 16));
  ASHLAR_TRY(CheckCount("max_rows", max_rows, max_sequences, 1 << 20));
  ASHLAR_TRY(CheckCount("max_logit_rows", max_logit_rows, max_sequences, 1 << 20));
  ASHLAR_TRY(CheckRange("page_bytes", page_bytes, 1, std::uint64_t{1} << 42));
  if (!Supported(isa)) {
    return Unsupported("this processor cannot run {}", IsaName(isa));
  }
  return {};
}

struct Engine::State {
  State(const BlobStore& store, const EngineOptions& options_in)
      : options(options_in),
        pool(options.threads),
        binder(
            internal::FetchFrom(store, options.verify_blobs),
            {options.isa, options.max_positions, rope_tables},
            {.prefault = options.prefault, .check = options.verify_blobs || options.check_numbers}),
        cache(options.page_bytes),
        pins(cache),
        interpreter(pool, options.isa, options.max_rows, options.max_logit_rows) {
    deliveries.reserve(options.max_sequences);
    step.reserve(options.max_sequences);
  }

  // A loaded network, and what depends on the others that are loaded.
  struct Loaded {
    std::shared_ptr<const Network> graph;  // as it was asked for
    KvFormat kv_format = KvFormat::kF32;
    std::shared_ptr<const LoadedNetwork> network;  // null: unloaded
    std::vector<int> boundary;
    std::optional<Error> failure;  // its weights are not what they were
  };
  // The merged order of one set of networks.
  struct MergedOrder {
    std::vector<std::uint32_t> networks;  // ascending ids
    std::vector<const LoadedNetwork*> loaded;
    std::vector<internal::MergeGroup> groups;
  };

  std::vector<const LoadedNetwork*> LoadedNetworks() const;
  void NetworksChanged();
  Result<std::shared_ptr<const LoadedNetwork>> Find(NetworkId id) const;
  Sequence* Find(RequestId id) const;
  Status CheckRequest(const Request& request, const LoadedNetwork& network) const;
  RequestId Add(Request request, std::shared_ptr<const LoadedNetwork> network);

  const std::optional<Error>& FailureOf(const Sequence& sequence) const;
  void FailDamagedNetworks();
  void DeliverEnded();
  void TakeTurns();
  void Schedule();
  void MakeRoom(Sequence& sequence);
  void FitPageBudget();
  void CollectRows();
  const MergedOrder& OrderOfStep();
  const MergedOrder& PlanStep();
  void Deliver(internal::StepRows& rows);
  void SampleNext(Sequence& sequence, std::span<const float> logits, Delivery& delivery);
  Result<SampledToken> Sample(Sequence& sequence, std::span<const float> logits);
  void Remove(const std::function<bool(const Sequence&)>& ended);

  const EngineOptions options;
  ThreadPool pool;
  RopeTables rope_tables;
  internal::BlockBinder binder;
  internal::MeetingNumbers meetings;
  internal::PageCache cache;  // outlives the sequences, which hold its pages
  internal::PrefixPins pins;
  internal::Interpreter interpreter;
  SamplerScratch sampler_scratch;
  EngineCounters counters;
  Profile* profile = nullptr;
  ExpertListener expert_listener;

  std::vector<Loaded> networks;  // by NetworkId
  std::uint64_t faults_seen = GuardedFaults();
  std::vector<std::unique_ptr<Sequence>> sequences;  // in order of arrival
  std::uint64_t next_request = 1;
  internal::FairShare share;
  Precision precision;
  std::uint64_t page_budget = options.page_bytes;  // as it was asked for
  std::int64_t prompt_rows_beside_decoding = options.max_rows;

  // Of the current step; kept to be filled again.
  std::vector<internal::SlotDemand> demands;
  std::vector<internal::SequenceView> views;
  std::vector<std::size_t> turns;  // indices of sequences, those first that are served first
  std::vector<std::int64_t> rows;
  std::vector<internal::StepRows> step;
  std::vector<std::uint32_t> step_networks;
  std::vector<MergedOrder> orders;
  std::vector<Delivery> deliveries;
};

std::vector<const LoadedNetwork*> Engine::State::LoadedNetworks() const {
  std::vector<const LoadedNetwork*> loaded;
  for (const Loaded& network : networks) {
    if (network.network != nullptr) {
      loaded.push_back(network.network.get());
    }
  }
  return loaded;
}

void Engine::State::NetworksChanged() {
  const std::vector<const LoadedNetwork*> loaded = LoadedNetworks();
  interpreter.Prepare(loaded, options.prefault);
  binder.Forget();
  orders.clear();
  for (Loaded& network : networks) {
    if (network.network != nullptr) {
      std::vector<const LoadedNetwork*> others = loaded;
      std::erase(others, network.network.get());
      network.boundary = internal::BoundaryNodes(*network.network, others);
      sampler_scratch.Reserve(network.network->logits);
    }
  }
}

Result<std::shared_ptr<const LoadedNetwork>> Engine::State::Find(NetworkId id) const {
  const auto index = static_cast<std::size_t>(id);
  if (index >= networks.size() || networks[index].network == nullptr) {
    return NotFound("no network {} is loaded", index);
  }
  return networks[index].network;
}

Sequence* Engine::State::Find(RequestId id) const {
  const auto found = std::ranges::find(sequences, id, [](const auto& s) { return s->id; });
  return found == sequences.end() ? nullptr : found->get();
}

Status Engine::State::CheckRequest(const Request& request, const LoadedNetwork& network) const {
  if (const auto& failure = networks[static_cast<std::size_t>(request.network)].failure) {
    return *failure;
  }
  const auto length = static_cast<std::int64_t>(request.prompt.size());
  if (length == 0) {
    return Invalid("the prompt is empty; it needs at least one token");
  }
  ASHLAR_TRY(CheckCount("max_tokens", request.max_tokens, 0, network.max_positions));
  if (length > network.max_positions - request.max_tokens) {
    return Invalid("a prompt of {} tokens and {} new ones pass the limit of {} positions", length,
                   request.max_tokens, network.max_positions);
  }
  for (std::size_t i = 0; i < request.prompt.size(); ++i) {
    const std::int32_t token = request.prompt[i];
    if (token < 0 || token >= network.token_limit) {
      return Invalid("prompt token {} is {}, but the network's ids are in [0, {})", i, token,
                     network.token_limit);
    }
  }
  ASHLAR_TRY(request.sampling.Check(network.logits));
  if (request.hidden_states && (!request.prompt_logits || request.max_tokens != 0)) {
    return Invalid("hidden_states needs prompt_logits, and max_tokens 0, not {}",
                   request.max_tokens);
  }
  if (request.hidden_states && network.hidden == 0) {
    return Invalid("the network's last node reads tokens: it has no hidden states");
  }
  const std::uint64_t page_bytes = network.StateBytes(length + request.max_tokens);
  if (page_bytes > options.page_bytes - pins.bytes()) {
    return Exhausted(
        "{} positions need {} of state pages, but the budget of all pages is {}, of which pinned "
        "prefixes have {}",
        length + request.max_tokens, FormatBytes(page_bytes), FormatBytes(options.page_bytes),
        FormatBytes(pins.bytes()));
  }
  return {};
}

RequestId Engine::State::Add(Request request, std::shared_ptr<const LoadedNetwork> network) {
  const RequestId id{next_request++};
  share.Enter(request.tenant);
  sequences.push_back(std::make_unique<Sequence>(id, std::move(request), std::move(network)));
  FitPageBudget();
  return id;
}

const std::optional<Error>& Engine::State::FailureOf(const Sequence& sequence) const {
  return networks[static_cast<std::size_t>(sequence.request.network)].failure;
}

// Finds the networks that have read zeros in the place of weights. Called between running a step
// and using what it computed.
void Engine::State::FailDamagedNetworks() {
  const std::uint64_t faults = GuardedFaults();
  if (faults == faults_seen) {
    return;
  }
  faults_seen = faults;
  for (Loaded& loaded : networks) {
    if (loaded.network == nullptr || loaded.failure) {
      continue;
    }
    for (const internal::LoadedNode& node : loaded.network->nodes) {
      if (const Status intact = node.bound->weights.CheckIntact(); !intact.ok()) {
        loaded.failure = intact.error();
        break;
      }
    }
  }
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
  turns.resize(sequences.size());
  std::iota(turns.begin(), turns.end(), std::size_t{0});
  std::ranges::sort(turns, [&](std::size_t a, std::size_t b) {
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

// Asks the scheduler until it says to run; then `rows` has the rows of each sequence.
void Engine::State::Schedule() {
  const internal::SchedulerLimits limits{
      .max_rows = options.max_rows,
      .max_logit_rows = std::min(options.max_rows, options.max_logit_rows),
      .max_sequences = options.max_sequences,
      .prompt_rows_beside_decoding = prompt_rows_beside_decoding};
  bool may_admit = true;
  while (true) {
    std::size_t slots = 0;
    for (const auto& sequence : sequences) {
      slots += sequence->slots.size();
    }
    demands.resize(slots);
    views.clear();
    slots = 0;
    for (const auto& sequence : sequences) {
      views.push_back(sequence->View(std::span(demands).subspan(slots, sequence->slots.size())));
      slots += sequence->slots.size();
    }
    rows.resize(sequences.size());
    TakeTurns();
    const internal::Decision decision =
        internal::Decide(limits,
                         {.sequences = views,
                          .turns = turns,
                          .available_bytes = cache.available_bytes(),
                          .may_admit = may_admit},
                         rows);
    if (decision.action == internal::Action::kRun) {
      return;
    }
    Sequence& sequence = *sequences[decision.index];
    if (decision.action == internal::Action::kMakeRoom) {
      MakeRoom(sequence);
      may_admit = false;
    } else {
      const auto network = static_cast<std::size_t>(sequence.request.network);
      const std::int64_t cached =
          sequence.Begin(cache, networks[network].boundary, options.prefix_cache);
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
  step.clear();
  step_networks.clear();
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (rows[i] > 0) {
      const auto network = static_cast<std::uint32_t>(sequences[i]->request.network);
      const auto at = std::ranges::lower_bound(step_networks, network);
      if (at == step_networks.end() || *at != network) {
        step_networks.insert(at, network);
      }
    }
  }
  std::int64_t first_row = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    if (rows[i] == 0) {
      continue;
    }
    Sequence& sequence = *sequences[i];
    const auto network = static_cast<std::uint32_t>(sequence.request.network);
    step.push_back({.sequence = &sequence,
                    .network = static_cast<std::uint32_t>(
                        std::ranges::lower_bound(step_networks, network) - step_networks.begin()),
                    .first_row = first_row,
                    .rows = rows[i]});
    first_row += rows[i];
    sequence.TakePages(cache, sequence.position + rows[i]);
  }
  // Only when everybody has the pages that the scheduler promised.
  for (const internal::StepRows& taken : step) {
    taken.sequence->TakeValuePages(cache, taken.sequence->position + taken.rows);
  }
  counters.rows += first_row;
}

const Engine::State::MergedOrder& Engine::State::OrderOfStep() {
  const auto known = std::ranges::find(orders, step_networks, &MergedOrder::networks);
  if (known != orders.end()) {
    return *known;
  }
  constexpr std::size_t kMostOrders = 64;  // of n networks there are 2^n sets
  if (orders.size() == kMostOrders) {
    orders.erase(orders.begin());
  }
  MergedOrder& order = orders.emplace_back();
  order.networks = step_networks;
  std::vector<std::vector<internal::MergeNode>> graphs;
  for (const std::uint32_t network : step_networks) {
    order.loaded.push_back(networks[network].network.get());
    graphs.push_back(order.loaded.back()->merge);
  }
  order.groups = internal::MergeGraphs(graphs);
  return order;
}

const Engine::State::MergedOrder& Engine::State::PlanStep() {
  const PartTimer timer(profile, "schedule");
  Schedule();
  CollectRows();
  return OrderOfStep();
}

Result<SampledToken> Engine::State::Sample(Sequence& sequence, std::span<const float> logits) {
  if (sequence.request.constraint == nullptr) {
    Result<SampledToken> sampled = sequence.sampler.Sample(logits, sampler_scratch);
    return sampled.ok() ? std::move(sampled) : Corrupt("it gave logits that are no numbers");
  }
  ASHLAR_TRY(const std::span<const std::uint64_t> allowed, sequence.request.constraint->Allowed());
  Result<SampledToken> sampled = sequence.sampler.SampleAmong(allowed, logits, sampler_scratch);
  return sampled.ok() ? std::move(sampled)
                      : Corrupt("of the tokens that the constraint allows, none is possible");
}

void Engine::State::SampleNext(Sequence& sequence, std::span<const float> logits,
                               Delivery& delivery) {
  const PartTimer timer(profile, "sample");
  Result<SampledToken> sampled = Sample(sequence, logits);
  if (!sampled.ok()) {
    delivery.finish = FinishReason::kFailed;
    delivery.error = sampled.error();
    return;
  }
  if (std::ranges::find(sequence.request.stop_tokens, sampled->token) !=
      sequence.request.stop_tokens.end()) {
    delivery.finish = FinishReason::kStop;
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

void Engine::State::Deliver(internal::StepRows& taken) {
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
    SampleNext(sequence, taken.logits.last(sequence.network->logits), delivery);
  }
}

Engine::Engine(const BlobStore& store, const EngineOptions& options) {
  const Status checked = options.Check();
  CHECK(checked.ok());
  state_ = std::make_unique<State>(store, options);
}

Engine::~Engine() = default;

Result<std::uint64_t> Engine::WorkspaceBytes(std::span<const Network* const> networks,
                                             const EngineOptions& options) {
  ASHLAR_TRY(options.Check());
  RopeTables rope_tables;
  internal::BlockBinder binder(internal::FetchZeros(),
                               {options.isa, options.max_positions, rope_tables},
                               {.prefault = false, .check = false});
  internal::MeetingNumbers meetings;
  std::vector<LoadedNetwork> loaded;
  std::int64_t logits = 0;
  for (const Network* network : networks) {
    ASHLAR_TRY(LoadedNetwork one,
               internal::LoadNetwork(*network, binder, meetings, {}, options.kv_format));
    logits = std::max(logits, one.logits);
    loaded.push_back(std::move(one));
  }
  std::vector<const LoadedNetwork*> views;
  views.reserve(loaded.size());
  for (const LoadedNetwork& one : loaded) {
    views.push_back(&one);
  }
  ThreadPool pool(options.threads);
  const internal::Interpreter interpreter(pool, options.isa, options.max_rows,
                                          options.max_logit_rows);
  return interpreter.WorkspaceBytes(views) + SamplerScratch::BytesFor(logits) + rope_tables.bytes();
}

Result<NetworkId> Engine::Load(const Network& network, const LoadOptions& with) {
  const KvFormat kv_format = with.kv_format.value_or(state_->options.kv_format);
  ASHLAR_TRY(LoadedNetwork loaded, internal::LoadNetwork(network, state_->binder, state_->meetings,
                                                         state_->precision, kv_format));
  const NetworkId id{static_cast<std::uint32_t>(state_->networks.size())};
  state_->networks.push_back({.graph = std::make_shared<const Network>(network),
                              .kv_format = kv_format,
                              .network = std::make_shared<const LoadedNetwork>(std::move(loaded))});
  state_->NetworksChanged();
  return id;
}

Status Engine::SetPrecision(Precision precision) {
  if (precision == state_->precision) {
    return {};
  }
  // For a moment there is a second mapping of what stays: it is made resident when the first one
  // has gone, so that memory does not rise where it is to fall.
  state_->binder.set_prefault(false);
  std::vector<State::Loaded> rebound = state_->networks;
  Status rebinding;
  for (State::Loaded& loaded : rebound) {
    if (loaded.network == nullptr || loaded.failure) {
      continue;
    }
    Result<LoadedNetwork> again = internal::LoadNetwork(
        *loaded.graph, state_->binder, state_->meetings, precision, loaded.kv_format);
    if (again.ok()) {
      loaded.network = std::make_shared<const LoadedNetwork>(*std::move(again));
    } else if (again.error().code == ErrorCode::kInvalid) {
      rebinding = again.error();
      break;
    } else {
      loaded.failure = again.error();
    }
  }
  state_->binder.set_prefault(state_->options.prefault);
  ASHLAR_TRY(rebinding);
  state_->precision = std::move(precision);
  state_->networks = std::move(rebound);
  for (const auto& sequence : state_->sequences) {
    sequence->Rebind(state_->networks[static_cast<std::size_t>(sequence->request.network)].network);
  }
  state_->NetworksChanged();
  if (state_->options.prefault) {
    for (const LoadedNetwork* const network : state_->LoadedNetworks()) {
      for (const internal::LoadedNode& node : network->nodes) {
        node.bound->weights.Touch();
      }
    }
  }
  return {};
}

const Precision& Engine::precision() const {
  return state_->precision;
}

std::uint64_t Engine::PlanOf(NetworkId network) const {
  return state_->networks.at(static_cast<std::size_t>(network)).network->plan();
}

void Engine::SetPageBudget(std::uint64_t bytes) {
  state_->page_budget = std::min(bytes, state_->options.page_bytes);
  state_->FitPageBudget();
}

Status Engine::Unload(NetworkId network) {
  ASHLAR_TRY(state_->Find(network));
  for (const auto& sequence : state_->sequences) {
    if (sequence->request.network == network) {
      return Conflict("network {} has a request that has not finished",
                      static_cast<std::uint32_t>(network));
    }
  }
  state_->networks[static_cast<std::size_t>(network)] = {};
  state_->NetworksChanged();
  return {};
}

Result<RequestId> Engine::Submit(Request request) {
  ASHLAR_TRY(std::shared_ptr<const LoadedNetwork> network, state_->Find(request.network));
  ASHLAR_TRY(state_->CheckRequest(request, *network));
  return state_->Add(std::move(request), std::move(network));
}

Result<RequestId> Engine::Fork(RequestId request, std::span<const std::int32_t> tokens,
                               std::int64_t max_tokens, const SamplingOptions& sampling) {
  const Sequence* const parent = state_->Find(request);
  if (parent == nullptr) {
    return NotFound("request {} is not there, or has finished",
                    static_cast<std::uint64_t>(request));
  }
  if (parent->generated() == 0) {
    return Invalid("request {} cannot be forked before it has delivered a token",
                   static_cast<std::uint64_t>(request));
  }
  if (parent->request.constraint != nullptr) {
    return Unsupported("request {} has a constraint, and cannot be forked",
                       static_cast<std::uint64_t>(request));
  }
  Request forked{.network = parent->request.network,
                 .prompt = parent->tokens,
                 .max_tokens = max_tokens,
                 .sampling = sampling,
                 .stop_tokens = parent->request.stop_tokens,
                 .tenant = parent->request.tenant,
                 .priority = parent->request.priority,
                 .cache_scope = parent->request.cache_scope};
  forked.prompt.insert(forked.prompt.end(), tokens.begin(), tokens.end());
  ASHLAR_TRY(state_->CheckRequest(forked, *parent->network));
  const RequestId id = state_->Add(std::move(forked), parent->network);
  // A parent that had to make room is read again from its tokens; and so is its fork.
  if (parent->running && parent->position == parent->length() - 1) {
    state_->sequences.back()->ShareStateOf(*parent);
  }
  return id;
}

Status Engine::Cancel(RequestId request) {
  Sequence* const sequence = state_->Find(request);
  if (sequence == nullptr) {
    return NotFound("request {} is not there, or has finished",
                    static_cast<std::uint64_t>(request));
  }
  sequence->Stop();
  sequence->cancelled = true;
  return {};
}

Result<PinnedPrefix> Engine::PinPrefix(NetworkId network, std::span<const std::int32_t> tokens,
                                       std::uint64_t cache_scope) {
  ASHLAR_TRY(const std::shared_ptr<const LoadedNetwork> loaded, state_->Find(network));
  std::uint64_t needed = 0;  // by whichever request may come to need most
  for (const auto& sequence : state_->sequences) {
    needed = std::max(needed, sequence->MostBytes());
  }
  return state_->pins.Pin(*loaded, tokens, cache_scope, needed);
}

Status Engine::UnpinPrefix(PrefixId prefix) {
  return state_->pins.Unpin(prefix);
}

Result<Session> Engine::SaveSession(NetworkId network, std::span<const std::int32_t> tokens,
                                    std::uint64_t cache_scope) {
  ASHLAR_TRY(const std::shared_ptr<const LoadedNetwork> loaded, state_->Find(network));
  return internal::CopyState(state_->cache, *loaded, tokens, cache_scope);
}

Result<std::int64_t> Engine::RestoreSession(NetworkId network, const Session& session,
                                            std::uint64_t cache_scope) {
  ASHLAR_TRY(const std::shared_ptr<const LoadedNetwork> loaded, state_->Find(network));
  return internal::PutState(state_->cache, *loaded, session, cache_scope);
}

std::optional<Error> Engine::FailureOf(NetworkId network) const {
  return state_->networks.at(static_cast<std::size_t>(network)).failure;
}

bool Engine::idle() const {
  return state_->sequences.empty();
}

Result<std::span<const Delivery>> Engine::Step() {
  state_->deliveries.clear();
  state_->DeliverEnded();
  state_->FitPageBudget();  // those that have gone may have needed more
  if (!idle()) {
    const StepTimer timer(state_->profile);
    const std::uint64_t evicted = state_->cache.evictions();
    const State::MergedOrder& order = state_->PlanStep();
    state_->interpreter.Run(state_->step, order.loaded, order.groups, state_->counters,
                            state_->profile, state_->expert_listener);
    state_->FailDamagedNetworks();
    for (internal::StepRows& rows : state_->step) {
      state_->Deliver(rows);
    }
    for (const Delivery& delivery : state_->deliveries) {
      if (delivery.finish != FinishReason::kNone) {
        state_->Remove([&](const Sequence& one) { return one.id == delivery.request; });
      }
    }
    ++state_->counters.steps;
    state_->counters.pages_evicted += state_->cache.evictions() - evicted;
  }
  return std::span<const Delivery>(state_->deliveries);
}

void Engine::set_expert_listener(ExpertListener listener) {
  state_->expert_listener = std::move(listener);
}

void Engine::set_profile(Profile* profile) {
  state_->profile = profile;
}

void Engine::set_prompt_rows_beside_decoding(std::int64_t rows) {
  CHECK(rows >= 1 && rows <= state_->options.max_rows);
  state_->prompt_rows_beside_decoding = rows;
}

const EngineCounters& Engine::counters() const {
  return state_->counters;
}

PageUse Engine::page_use() const {
  const internal::PageCache& cache = state_->cache;
  std::uint64_t wanted = 0;
  const auto most = std::min(std::ssize(state_->sequences), state_->options.max_sequences);
  for (std::ptrdiff_t i = 0; i < most; ++i) {
    wanted += state_->sequences[static_cast<std::size_t>(i)]->MostBytes();
  }
  return {.budget = cache.budget(),
          .running = cache.budget() - cache.available_bytes(),
          .resident = cache.resident_bytes(),
          .wanted = wanted,
          .cached = cache.evictable_bytes(),
          .pinned = cache.pinned_bytes()};
}

const EngineOptions& Engine::options() const {
  return state_->options;
}

Result<Completion> RunToEnd(Engine& engine, RequestId request) {
  Completion completion;
  while (!engine.idle()) {
    ASHLAR_TRY(const std::span<const Delivery> deliveries, engine.Step());
    for (const Delivery& delivery : deliveries) {
      if (delivery.request != request) {
        continue;
      }
      if (delivery.token.has_value()) {
        completion.tokens.push_back(*delivery.token);
      }
      if (delivery.finish != FinishReason::kNone) {
        completion.finish = delivery.finish;
        return completion;
      }
    }
  }
  return NotFound("request {} is not there, or has finished", static_cast<std::uint64_t>(request));
}

}  // namespace ashlar
