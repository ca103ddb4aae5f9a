#include "ashlar/runtime/engine.h"

#include <algorithm>
#include <utility>

#include "ashlar/base/check.h"
#include "ashlar/graph/blob_parts.h"
#include "ashlar/kernels/attention/attention.h"
#include "ashlar/plan/plan.h"
#include "ashlar/runtime/internal/engine_state.h"
#include "ashlar/runtime/internal/state_pages.h"

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
  ASHLAR_TRY(CheckRange("page_bytes", page_bytes, 1, kMostPageBytes));
  ASHLAR_TRY(CheckRange("spill_bytes", spill_bytes, 1, std::uint64_t{1} << 50));
  if (!Supported(isa)) {
    return Unsupported("this processor cannot run {}", IsaName(isa));
  }
  return {};
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
                               /*check_numbers=*/false);
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
  const auto samplers = static_cast<std::uint64_t>(SamplersOf(options.threads));
  return interpreter.WorkspaceBytes(views) + samplers * SamplerScratch::BytesFor(logits) +
         rope_tables.bytes();
}

Result<PreparedNetwork> Engine::Prepare(const Network& network, const Precision& precision,
                                        const LoadOptions& with) const {
  return state_->networks.Prepare(network, precision, with);
}

Result<NetworkId> Engine::Load(PreparedNetwork prepared) {
  ASHLAR_TRY(const NetworkId id, state_->networks.Load(std::move(prepared)));
  state_->NetworksChanged();
  return id;
}

Result<NetworkId> Engine::Load(const Network& network, const LoadOptions& with) {
  ASHLAR_TRY(PreparedNetwork prepared, Prepare(network, precision(), with));
  return Load(std::move(prepared));
}

Status Engine::SetPrecision(const Precision& precision) {
  if (precision == state_->networks.precision()) {
    return {};
  }
  ASHLAR_TRY(const PreparedPrecision prepared, PreparePrecision(precision));
  const std::vector<const Network*> graphs = state_->networks.graphs();
  const std::vector<Level> before = PartsInUse(graphs, this->precision());
  ASHLAR_TRY(SwitchTo(prepared));
  DropResident(PartsBeyond(before, PartsInUse(graphs, precision)));
  Touch(prepared);
  return {};
}

Result<PreparedPrecision> Engine::PreparePrecision(const Precision& precision) const {
  return state_->networks.PreparePrecision(precision);
}

Status Engine::SwitchTo(const PreparedPrecision& prepared) {
  ASHLAR_TRY(state_->networks.SwitchTo(prepared));
  for (const auto& sequence : state_->sequences) {
    sequence->Rebind(*state_->networks.Find(sequence->request.network));
  }
  state_->NetworksChanged();
  return {};
}

void Engine::DropResident(std::span<const Level> unused) const {
  state_->networks.DropResident(unused);
}

void Engine::Touch(const PreparedPrecision& prepared) const {
  state_->networks.Touch(prepared);
}

const Precision& Engine::precision() const {
  return state_->networks.precision();
}

std::uint64_t Engine::PlanOf(NetworkId network) const {
  const Result<std::shared_ptr<const LoadedNetwork>> loaded = state_->networks.Find(network);
  CHECK(loaded.ok());
  return (*loaded)->plan();
}

void Engine::SetPrefaultWorkspace(bool prefault) {
  state_->prefault_workspace = prefault;
  if (!prefault) {
    return;
  }
  state_->networks.ReachAllPositions();
  state_->interpreter.Touch(internal::Interpreter::kAll);
}

void Engine::Rest() {
  CHECK(idle());
  state_->Rest();
}

void Engine::SetPageBudget(std::uint64_t bytes, std::uint64_t most) {
  state_->page_most = std::min(most, state_->options.page_bytes);
  state_->page_budget = std::min(bytes, state_->page_most);
  state_->FitPageBudget();
  if (idle()) {
    state_->TrimPages();
  }
}

Status Engine::Unload(NetworkId network) {
  ASHLAR_TRY(state_->networks.Find(network));
  for (const auto& sequence : state_->sequences) {
    if (sequence->request.network == network) {
      return Conflict("network {} has a request that has not finished",
                      static_cast<std::uint32_t>(network));
    }
  }
  state_->networks.Unload(network);
  state_->NetworksChanged();
  return {};
}

Result<RequestId> Engine::Submit(Request request) {
  ASHLAR_TRY(std::shared_ptr<const LoadedNetwork> network, state_->networks.Find(request.network));
  ASHLAR_TRY(state_->Check(request, *network));
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
                 .cache_scope = parent->request.cache_scope,
                 .any_precision = parent->request.any_precision};
  forked.prompt.insert(forked.prompt.end(), tokens.begin(), tokens.end());
  ASHLAR_TRY(state_->Check(forked, *parent->network));
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
  ASHLAR_TRY(const std::shared_ptr<const LoadedNetwork> loaded, state_->networks.Find(network));
  std::uint64_t needed = 0;  // by whichever request may come to need most
  for (const auto& sequence : state_->sequences) {
    needed = std::max(needed, sequence->MostBytes());
  }
  Result<PinnedPrefix> pinned =
      state_->pins.Pin(*loaded, tokens, cache_scope, {.needed = needed, .most = state_->page_most});
  state_->FitPageBudget();  // whoever is there still has its pages beside it
  return pinned;
}

Status Engine::UnpinPrefix(PrefixId prefix) {
  return state_->pins.Unpin(prefix);
}

Result<Session> Engine::SaveSession(NetworkId network, std::span<const std::int32_t> tokens,
                                    std::uint64_t cache_scope) {
  ASHLAR_TRY(const std::shared_ptr<const LoadedNetwork> loaded, state_->networks.Find(network));
  return internal::CopyState(state_->cache, *loaded, tokens, cache_scope);
}

Result<std::int64_t> Engine::RestoreSession(NetworkId network, const Session& session,
                                            std::uint64_t cache_scope) {
  ASHLAR_TRY(const std::shared_ptr<const LoadedNetwork> loaded, state_->networks.Find(network));
  return internal::PutState(state_->cache, *loaded, session, cache_scope);
}

std::optional<Error> Engine::FailureOf(NetworkId network) const {
  return state_->networks.FailureOf(network);
}

bool Engine::idle() const {
  return state_->sequences.empty();
}

Result<std::span<const Delivery>> Engine::Step() {
  state_->Step();
  return std::span<const Delivery>(state_->deliveries);
}

void Engine::set_expert_listener(ExpertListener listener) {
  state_->expert_listener = std::move(listener);
}

void Engine::set_profile(Profile* profile) {
  state_->profile = profile;
}

void Engine::set_prompts_beside_decoding(std::int64_t rows, double work) {
  CHECK(rows >= 0 && work >= 0);
  state_->prompt_rows_beside_decoding = rows;
  state_->prompt_work_beside_decoding = work;
}

StepWork Engine::last_work() const {
  return state_->step_work;
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
