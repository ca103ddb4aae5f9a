// A Service runs an Engine for many callers: it queues what they ask, keeps the networks that are
// asked for in memory within a budget, and hands out text as it comes.
//
//   ASHLAR_TRY(const auto service, Service::Start(store, options));
//   ASHLAR_TRY(const auto card, service->cards().Find("lab"));
//   ASHLAR_TRY(const GenerationId id, service->Submit({.network = card, .prompt = ids}, on_event));
//
// Thread-safe. One thread of its own steps the engine, one turns tokens into text and calls the
// callers back, and one makes networks ready. A generation's text is the same to the bit whatever
// else is asked for.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/base/result.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/token_constraint.h"
#include "ashlar/server/memory/spare_memory.h"
#include "ashlar/server/service/network_cards.h"
#include "ashlar/server/service/pooling.h"

namespace ashlar {

struct ServiceOptions {
  EngineOptions engine;  // page_bytes is the budget of all state
  // By name, of networks that have another one than the engine's. See NetworkCards::SetKvFormat.
  KvFormatByName kv_formats;
  // Of all networks that are loaded, what they share counted once. A network that is asked for
  // takes the room of those that nobody uses, least lately used first; then of levels. 0: no limit.
  std::uint64_t weight_bytes = 0;
  // Of the whole process, as at first (see SetBudget): weights, state and all else. 0: no limit.
  std::uint64_t memory_bytes = 0;
  // It follows what the system lets the process have, instead.
  bool follow_memory = false;
  Path system_root = "/";  // below which Linux says what that is; another one in tests
  // At which levels that return are read from disk.
  std::uint64_t growth_bytes_per_second = 200'000'000;
  // Continuations that have not begun. A tenant that has none always gets a generation in; one that
  // has some, while they come to no more than an even part of these among all who wait.
  std::int64_t max_waiting = 256;
  double keep_alive_seconds = 300;  // a network that nobody uses is unloaded after; < 0: never
  Path session_directory;           // where the API saves sessions; empty: it does not
};

enum class GenerationId : std::uint64_t {};

// What a generation may say of the tokens of its prompt.
struct PromptLogprob {
  std::int32_t token;
  std::optional<float> logprob;   // none for the first one
  std::vector<TokenLogprob> top;  // best first
};

// One or more continuations of one prompt, or a reading of it.
struct Generation {
  std::shared_ptr<const NetworkCard> network;
  std::vector<std::int32_t> prompt;
  std::int64_t max_tokens = 16;  // of each continuation; 0: only read the prompt
  // Continuation i draws with seed + i. They share the prompt's pages.
  int continuations = 1;
  SamplingOptions sampling;
  std::vector<std::string> stop;          // strings that end the text, and are not part of it
  std::vector<std::int32_t> stop_tokens;  // besides the network's own
  bool ignore_eos = false;                // the network's own
  std::int64_t min_tokens = 0;            // before these nothing of the above ends it
  // Sequences of tokens that the text has nowhere: the last of one is not drawn after the others.
  std::vector<std::vector<std::int32_t>> bad_words;
  std::vector<std::int32_t> allowed_tokens;  // no others are drawn, ends included; empty: any
  bool keep_special_tokens = false;          // in the text
  // For each continuation a fresh limit of what may come next; null: anything.
  std::function<std::unique_ptr<TokenConstraint>()> constraint;
  // Log-probabilities of the prompt's own tokens, and of so many best; none: not asked for.
  std::optional<int> prompt_logprobs;
  std::optional<Pooling> embedding;  // of what the head would read of each prompt token; no text

  // ---- Who asks
  std::string tenant;          // fairness is between tenants, by tokens
  int priority = 0;            // higher ones go first
  std::string cache_scope;     // cached prefixes are shared among generations of one scope
  bool any_precision = false;  // also those that were computed at another precision: see Request
  std::int64_t deadline_micros = 0;  // by SteadyClock: what has not ended then fails; 0: none
};

enum class GenerationEnd : std::uint8_t {
  kNone,
  kStop,    // a stop token or a stop string, or a constraint's end
  kLength,  // max_tokens
  kCancelled,
  kTimeout,
  kFailed,  // `error` says why
};

struct GenerationUsage {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;      // of those, the first, for which nothing was computed
  std::int64_t completion_tokens = 0;  // of this continuation, so far
  bool begun = false;                  // of it something was computed, or found in the cache
  double queue_seconds = 0;            // from Submit to the beginning of the first step
  double prompt_seconds = 0;           // from there to the first token
  double total_seconds = 0;            // from Submit until now
};

// A plan that computed a part of an answer (see Engine::PlanOf), and the first position of it, of
// prompt and answer, that it computed.
struct PlanSpan {
  std::uint64_t plan = 0;
  std::int64_t first_position = 0;
  friend bool operator==(const PlanSpan&, const PlanSpan&) = default;
};
// As people and clients write a plan: 16 hex digits.
std::string PlanName(std::uint64_t plan);

// News of one continuation. Its texts, put together, are its whole text.
struct GenerationEvent {
  int continuation = 0;
  std::string text;                  // whole characters that nothing later can change
  std::vector<SampledToken> tokens;  // new ones, also those whose text is still held back
  GenerationEnd end = GenerationEnd::kNone;
  std::string stop_string;                 // which one ended it, if any
  std::optional<SampledToken> stop_token;  // or which token, that is none of its text
  std::optional<Error> error;
  std::exception_ptr thrown;  // by a library, and what `error` tells of; null: nothing
  GenerationUsage usage;
  // That have computed it so far, in order of time: more than one when its network was resized.
  std::vector<PlanSpan> plans;
  // Of continuation 0, once: when asked for.
  std::vector<PromptLogprob> prompt_logprobs;
  std::vector<float> embedding;  // [hidden_width]
};

// Called on the service's own thread, one event at a time: quick, throws nothing, and does not call
// back into Submit.
// The last call for each continuation has an end.
using GenerationListener = std::function<void(GenerationEvent)>;

// The tokens of one prompt, as the tokenizer of a network has them. Any thread.
using PromptOf = std::function<Result<std::vector<std::int32_t>>(const NetworkCard&)>;

// A prefix that stays cached. See Engine::PinPrefix. When its network is resized, or a newer one is
// asked for by its name (of a tag that moved, or in another format of state), what was computed for
// it is let go; it is read again as soon as nothing else runs, or kept from a request that has read
// it. It never goes back to an older one that some still use.
struct PrefixStatus {
  PrefixId id{};
  std::string network;  // by the name that it was pinned for
  std::string cache_scope;
  std::int64_t tokens = 0;       // asked for
  std::uint64_t plan = 0;        // that computed what is kept; 0: it waits to be read again
  std::int64_t positions = 0;    // of those, kept: whole pages
  std::uint64_t bytes = 0;       // of its pages; of those that several prefixes share, in each
  std::optional<Error> failure;  // why it could not be read again
};

enum class Residency : std::uint8_t { kAbsent, kLoading, kLoaded, kFailed };

struct NetworkStatus {
  std::string name;
  Digest digest;
  Residency residency = Residency::kAbsent;
  KvFormat kv_format = KvFormat::kF32;
  bool pinned = false;
  std::int64_t running = 0;        // generations that use it, waiting ones too
  std::uint64_t plan = 0;          // what computes its answers now; 0: not loaded
  std::uint64_t weight_bytes = 0;  // all
  std::uint64_t unique_bytes = 0;  // that no other loaded network has
  double idle_seconds = 0;
  std::optional<Error> failure;
};

// The memory of the process, and how it is divided.
struct BudgetStatus {
  std::uint64_t bytes = 0;               // 0: no limit
  bool follows_system = false;           // --memory auto
  std::uint64_t floor_bytes = 0;         // below it new requests are refused
  std::uint64_t weight_bytes = 0;        // resident
  std::uint64_t weight_bytes_all = 0;    // with all levels
  std::uint64_t weight_bytes_least = 0;  // with the fewest
  std::uint64_t page_bytes = 0;          // budget of state
  bool full = false;                     // new requests are refused
  std::uint64_t resizes = 0;             // changes of the weights' precision
  std::uint64_t refused = 0;             // generations, since memory was full
};

struct ServiceStatus {
  BudgetStatus budget;
  std::vector<NetworkStatus> networks;  // loaded, loading or failed ones, by name
  std::int64_t running = 0;             // continuations
  std::int64_t waiting = 0;
  std::uint64_t resident_weight_bytes = 0;
  std::uint64_t weight_budget = 0;
  std::uint64_t page_bytes_used = 0;    // by running sequences and cached prefixes
  std::uint64_t page_bytes_held = 0;    // of those, by running sequences and pinned prefixes
  std::uint64_t page_bytes_pinned = 0;  // of those, by pinned prefixes
  std::uint64_t page_bytes_budget = 0;
  EngineCounters engine;
};

// Told of what happens, for metrics; called on the service's threads, quickly.
struct ServiceObserver {
  std::function<void()> before_step;
  std::function<void(double seconds, const StepWork& work)> on_step;
  // What went wrong with something that nobody waits for, once.
  std::function<void(const Error& error)> on_failure;
};

// A request that may ask for one generation after another. While it lives the service takes these,
// and has not drained. Where one of them had a place in the queue the rest have, too: a request is
// refused before it has begun, or not at all.
class BegunRequest {
 public:
  explicit BegunRequest(std::function<void()> on_end) : on_end_(std::move(on_end)) {}
  ~BegunRequest() { on_end_(); }
  BegunRequest(const BegunRequest&) = delete;
  BegunRequest& operator=(const BegunRequest&) = delete;

 private:
  friend class Service;
  std::function<void()> on_end_;
  bool joined_ = false;  // one of its generations has. Under the service's lock
};

class Service {
 public:
  // `store` must outlive it. kInvalid names an option out of range.
  static Result<std::unique_ptr<Service>> Start(BlobStore& store, const ServiceOptions& options,
                                                ServiceObserver observer = {});
  // Cancels what runs and waits for the last calls back.
  ~Service();

  NetworkCards& cards();
  const ServiceOptions& options() const;

  // Positions of a sequence, prompt and answer, that can ever be had here: what the network was
  // made for, at most EngineOptions::max_positions, and what page_bytes hold of its state. 0: not
  // one.
  std::int64_t ContextOf(const NetworkCard& network) const;
  // Of those, so many can be had now: beside pinned prefixes, and what the budget of the process
  // leaves for state.
  std::int64_t RoomFor(const NetworkCard& network) const;

  // Lets a request in, whose generations are then taken when the service drains or memory gets
  // short, too. It must not outlive the service. kConflict: it drains, or memory is short.
  Result<std::unique_ptr<BegunRequest>> BeginRequest();
  // Queues a generation, of `request` or, null, one that comes alone. kInvalid: the prompt or an
  // option, by name. kExhausted: it can never have the pages or the weights that it needs (with
  // numbers). kConflict: the tenant's part of the queue is full and this is the first of `request`,
  // or what BeginRequest says; try again in RetrySeconds. Where it throws (std::bad_alloc) nothing
  // has changed.
  Result<GenerationId> Submit(Generation generation, GenerationListener listener,
                              BegunRequest* request = nullptr);
  // From 1 to 60, by what of the tenant's waits and how quickly answers were begun of late.
  std::int64_t RetrySeconds(std::string_view tenant) const;
  // Nothing when it has ended. Its pages are free after the step that runs now.
  void Cancel(GenerationId id);

  // Loads a network, and waits until it is there or has failed.
  Status Load(const std::shared_ptr<const NetworkCard>& network);
  // Loads it too. A pinned network stays whoever wants its room, and is not unloaded; where it
  // fails it is read anew, and stays pinned. kConflict: an Unpin came before it was loaded.
  Status Pin(const std::shared_ptr<const NetworkCard>& network);
  // All that was asked for by this name, whatever it names now, and what is being loaded to be
  // pinned. kNotFound when there is none.
  Status Unpin(std::string_view name);
  // By any tag of it that was asked for. kConflict while somebody uses it or it is pinned,
  // kNotFound when it is not loaded.
  Status Unload(std::string_view name);

  // Reads the prompt of `generation` for whoever asks in its cache scope, and keeps its pages until
  // they are unpinned. Waits. Where its name comes to mean a network of another tokenizer its
  // tokens are those of `prompt_of`; null: it has none there, and waits until the name means its
  // own again. Besides the errors of Submit and Engine::PinPrefix, kConflict when it was cancelled.
  Result<PrefixStatus> PinPrefix(Generation generation, PromptOf prompt_of = {});
  Status UnpinPrefix(PrefixId prefix);         // kNotFound
  std::vector<PrefixStatus> PinnedPrefixes();  // by id

  // Reads the prompt of `generation`, or finds it cached in its scope, and copies its pages. Waits.
  Result<Session> SaveSession(Generation generation);
  // Loads the network, and puts the session's pages into its cache. Waits. See
  // Engine::RestoreSession.
  Result<std::int64_t> RestoreSession(const std::shared_ptr<const NetworkCard>& network,
                                      const Session& session, const std::string& cache_scope);

  // The budget of the whole process from now on. When it returns, cached pages and levels of
  // weights that have no room any more are gone; what has room again returns little by little.
  // 0: no limit. kInvalid when the program alone takes more; kConflict when the budget follows the
  // system.
  Result<ServiceStatus> SetBudget(std::uint64_t bytes);

  // What it lets go of when memory is short, before networks; null: nothing.
  void UseSpare(std::shared_ptr<SpareMemory> spare);

  ServiceStatus status() const;

  bool draining() const;
  // Lets no request in any more (kConflict) and waits until what was begun has ended, or for so
  // long; then cancels the rest. True when none had to be cancelled.
  bool Drain(double seconds);

 private:
  class State;
  explicit Service(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace ashlar
