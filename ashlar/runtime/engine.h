// An Engine runs requests on any number of networks at once, one step at a time.
//
// A step collects rows (one per decoding sequence, a chunk of each prompt that is being read),
// runs every block once for all rows that meet at it, whatever network they belong to, and
// delivers tokens. Which rows share a step never changes a result: the module's README
// says why. Confined to one thread; the pool inside uses as many as it is given.
//
//   Engine engine(store, options);
//   ASHLAR_TRY(const NetworkId network, engine.Load(manifest));
//   ASHLAR_TRY(const RequestId request, engine.Submit({.network = network, .prompt = ids}));
//   while (!engine.idle()) {
//     ASHLAR_TRY(const std::span<const Delivery> deliveries, engine.Step());
//     ...
//   }
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ashlar/graph/network.h"
#include "ashlar/kernels/isa.h"
#include "ashlar/kinds/profile.h"
#include "ashlar/runtime/sampler.h"
#include "ashlar/runtime/session.h"
#include "ashlar/runtime/spill_file.h"
#include "ashlar/runtime/token_constraint.h"
#include "ashlar/store/blob_store.h"
#include "ashlar/tensor/kv_format.h"

namespace ashlar {

namespace internal {
struct LoadedNetwork;
}

struct EngineOptions {
  int threads = 1;
  Isa isa = Isa::kReference;
  std::int64_t max_positions = 4096;  // of any one sequence, prompt and output
  std::int64_t max_rows = 512;        // per step; also the largest chunk of a prompt
  std::int64_t max_logit_rows = 64;   // rows of logits per step: what prompt_logits is cut into
  std::int64_t max_sequences = 16;    // running at once; others wait
  static constexpr std::uint64_t kMostPageBytes = std::uint64_t{1} << 42;
  std::uint64_t page_bytes = 256 << 20;  // budget of all pages: running and cached
  KvFormat kv_format = KvFormat::kF32;   // of networks that are loaded without one of their own
  bool prefix_cache = true;
  // Cached pages that make room go to this file, the first so many bytes of it, and come back when
  // a prefix wants them. Null: they are gone. No other engine may have it.
  std::shared_ptr<SpillFile> spill_file;
  std::uint64_t spill_bytes = std::uint64_t{1} << 30;
  bool verify_blobs = false;   // hash every blob while loading, and check_numbers
  bool check_numbers = false;  // refuse packed weights with scales that are no numbers
  // Make weights resident while loading, and not when they are first used.
  bool prefault = true;
  // The workspace and the tables of positions too, all that a memory plan counts. Else they take
  // what the largest steps needed.
  bool prefault_workspace = true;

  // kInvalid names the field, its range and the value. max_rows and max_logit_rows must be at
  // least max_sequences, so that every sequence that decodes has its row in every step.
  Status Check() const;
};

// What a network is loaded with. Part of its Merkle keys where numbers depend on it: one network
// may be there twice, and what was cached for one is never found by the other.
struct LoadOptions {
  std::optional<KvFormat> kv_format;  // of keys and values in its pages; nothing: the engine's
};

enum class NetworkId : std::uint32_t {};

// A network that is bound, and not loaded yet. Lives no longer than its engine.
struct PreparedNetwork {
  std::shared_ptr<const Network> graph;
  KvFormat kv_format = KvFormat::kF32;
  Precision precision;
  std::shared_ptr<const internal::LoadedNetwork> bound;
};

// All networks that are loaded, bound at another precision than they run at. Lives no longer than
// its engine. Where it ends what nobody uses any more is unmapped.
struct PreparedPrecision {
  struct Rebound {
    std::shared_ptr<const internal::LoadedNetwork> before;
    std::shared_ptr<const internal::LoadedNetwork> after;
    std::vector<int> boundary;
    std::optional<Error> failure;  // then `after` is as before
  };
  Precision precision;
  std::vector<Rebound> networks;
};

enum class RequestId : std::uint64_t {};
enum class PrefixId : std::uint64_t {};

// A prefix that stays cached until it is unpinned.
struct PinnedPrefix {
  PrefixId id;
  std::int64_t positions = 0;  // whole pages of it
  std::uint64_t bytes = 0;     // of its pages; of those that several prefixes share, in each
};

enum class FinishReason : std::uint8_t {
  kNone,
  kStop,    // one of stop_tokens came, or the constraint's output is complete
  kLength,  // max_tokens were delivered
  kCancelled,
  kFailed,  // Delivery::error says why
};

struct Request {
  NetworkId network;
  std::vector<std::int32_t> prompt;  // at least one id, each below the network's vocabulary
  // New ones; prompt + max_tokens <= max_positions. 0: only read the prompt.
  std::int64_t max_tokens = 16;
  SamplingOptions sampling;
  std::vector<std::int32_t> stop_tokens;  // finish before delivering one of these
  // All logits of the prompt's rows too, for evaluation; bypasses cached pages' shortcut.
  bool prompt_logits = false;
  // Instead of logits, what the last node reads of each of the prompt's rows: the final hidden
  // states, for embeddings. The head is not computed. Requires: prompt_logits, max_tokens == 0.
  bool hidden_states = false;
  // What the output may be; null: anything. Its end tokens should be among stop_tokens.
  std::shared_ptr<TokenConstraint> constraint;

  // ---- Who asks. None of it changes a result.
  // Tenants share the engine by tokens: where not all can go on, the one that has had least does.
  std::uint32_t tenant = 0;
  int priority = 0;  // higher ones go first, whatever their tenants have had
  // Cached prefixes are found by requests of the same scope only: 0 is everybody's.
  std::uint64_t cache_scope = 0;
  // Pages may be found that were computed at any precision of the weights, by requests that say so
  // too; or those of everybody's of this precision, where they reach further. It does change
  // results: whose numbers these are depends on who came before.
  bool any_precision = false;
  // It is the rest of what was begun when there was room: only page_bytes bound it, not the `most`
  // of a budget that has fallen since (SetPageBudget).
  bool goes_on = false;
};

// What happened to a request in a step: it had rows in it, or was cancelled before it. Views are
// valid until the next call on the engine.
struct Delivery {
  RequestId request;
  std::optional<SampledToken> token;  // none when the step only read more of the prompt
  FinishReason finish = FinishReason::kNone;
  // kStop only: which of stop_tokens came; none when the constraint's output is complete.
  std::optional<SampledToken> stop_token;
  // kFailed only. kCorrupt: the network gave logits of which none is a number, or bytes of its
  // blobs are gone. The latter fails all of its requests, from then on; no other network's.
  std::optional<Error> error;
  // prompt_logits only: rows first_position, first_position + 1, ... [count, logits' width], or
  // with hidden_states [count, width that the last node reads].
  std::int64_t logits_first_position = 0;
  std::span<const float> logits;
  // What computed its rows (Engine::PlanOf), and the first position of them. 0: it had none.
  std::uint64_t plan = 0;
  std::int64_t first_position = 0;
  // First positions for which nothing was computed, since all of it was cached when the request was
  // admitted. (What networks share in part spares work too, and is not counted.)
  std::int64_t cached_tokens = 0;
};

// The experts that a mixture sent consecutive positions of a request to. A view, valid in the call.
struct ChosenExperts {
  RequestId request;
  int node;  // of the request's network
  std::int64_t first_position;
  std::int64_t per_row;                   // experts that a position is sent to
  std::span<const std::int32_t> experts;  // [positions, per_row], ascending in each position
};

using ExpertListener = std::function<void(const ChosenExperts&)>;

// Counters since the engine was made. What the tests of sharing read.
struct EngineCounters {
  std::uint64_t steps = 0;
  std::uint64_t rows = 0;        // rows collected (per sequence, not per node)
  std::uint64_t block_runs = 0;  // calls of a block's forward
  std::uint64_t block_rows = 0;  // rows computed, summed over those calls
  std::uint64_t prompt_tokens = 0;
  // Of those positions, for how many nothing was computed, since all of it was cached.
  std::uint64_t cached_tokens = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t pages_evicted = 0;
  std::uint64_t pages_spilled = 0;   // of those, written to the spill's file
  std::uint64_t pages_restored = 0;  // that came back from it
};

// What a step did for sequences that decode, and for prompts. Work is in operations of the
// networks' blocks but the last, as their kinds declare them (graph/kind.h); those of attention,
// which take longer, count several times.
struct StepWork {
  std::int64_t decoding_rows = 0;
  std::int64_t prompt_rows = 0;
  double decoding = 0;
  double prompt = 0;
};

// Memory of pages.
struct PageUse {
  std::uint64_t budget = 0;
  std::uint64_t running = 0;   // held: by sequences, by pinned prefixes
  std::uint64_t resident = 0;  // that they have of the system's memory, at most
  std::uint64_t wanted = 0;    // that those which may run at once can come to hold
  std::uint64_t cached = 0;    // kept for prefixes to come, given up when others need it
  std::uint64_t pinned = 0;    // kept for pinned prefixes; part of `running`
};

class Engine {
 public:
  // `store` must outlive the engine. Requires: options.Check().ok().
  Engine(const BlobStore& store, const EngineOptions& options);
  ~Engine();

  // The bytes, pages of state and weights apart, that an engine with these networks loaded works
  // in: measured by a dry run that reads no weight. For PlanRequest::workspace_bytes.
  static Result<std::uint64_t> WorkspaceBytes(std::span<const Network* const> networks,
                                              const EngineOptions& options);

  // How much of their residual tensors networks have, from the next step on; as at first: all.
  // Requests go on: what they have computed stays, the rest is computed at the new precision, and
  // is not found by others. Requests to come find no page that was computed at another precision,
  // unless they ask for that (Request::any_precision). Waits for what is not in the system's memory
  // of the levels that come: read them before. kInvalid when it is no precision of a tensor: all is
  // as before. A network whose levels cannot be had fails (FailureOf).
  Status SetPrecision(const Precision& precision);
  // The same in parts, of which only SwitchTo, which does little, is the engine's thread's: no step
  // need wait for the others, which may be called on any thread, whatever it does.
  Result<PreparedPrecision> PreparePrecision(const Precision& precision) const;
  // kConflict when networks came or went since: prepare it again.
  Status SwitchTo(const PreparedPrecision& prepared);
  // Takes out of memory what is mapped of these parts of blobs, which are not used any more.
  void DropResident(std::span<const Level> unused) const;
  // Makes resident what is used now, if the options say that weights are from the start.
  void Touch(const PreparedPrecision& prepared) const;
  const Precision& precision() const;

  // Validates the network, maps its weights, as much as the precision says, and binds its blocks;
  // blocks that another loaded network has are shared. kCorrupt when a blob has not the size that
  // its manifest says (or, with verify_blobs, the digest). Requests may be running.
  Result<NetworkId> Load(const Network& network, const LoadOptions& with = {});
  // The same in two parts, so that no step waits for the first, which does nearly all of the work:
  // it may be called on any thread, whatever the others do. `precision` is what precision() will
  // be; where it was changed before Load, that binds again what changed.
  Result<PreparedNetwork> Prepare(const Network& network, const Precision& precision,
                                  const LoadOptions& with = {}) const;
  Result<NetworkId> Load(PreparedNetwork prepared);
  // kNotFound, or kConflict while a request of it is there.
  Status Unload(NetworkId network);

  // Why no request of a loaded network can succeed any more: bytes of its weights are gone. Only
  // loading it again helps. Nothing while it is whole.
  std::optional<Error> FailureOf(NetworkId network) const;

  // Names all that decides the results of a network as it is loaded now, tokens and sampling apart:
  // weights, precision, format of its state, kernels. Equal plans give equal bits.
  std::uint64_t PlanOf(NetworkId network) const;

  // How much of options().page_bytes may be used from now on: cached pages that nobody holds make
  // room, part by part after each step when there are requests. It is never less than what the
  // requests that are there hold, and than the one of them that may need most. `most` is what that
  // may make of it: requests and pins to come that would need more are refused, as if it were
  // page_bytes; but those that go on (Request::goes_on).
  void SetPageBudget(std::uint64_t bytes, std::uint64_t most = EngineOptions::kMostPageBytes);

  // As EngineOptions::prefault_workspace, from now on: with `prefault` the workspace is resident at
  // once, and the logits of deliveries are gone.
  void SetPrefaultWorkspace(bool prefault);

  // For who waits until there are requests: gives back to the system what nothing runs on, the
  // workspace, unless it was prefaulted, and for a millisecond pages that hold nothing cached, so
  // that some may be left for the next call. The logits of deliveries are gone. Requires: idle().
  void Rest();

  // Queues a request; its prompt is checked here. kInvalid names what is wrong; kExhausted when
  // even alone it could not get the pages that it may need.
  Result<RequestId> Submit(Request request);
  // A new request that goes on from where `request` is now: it shares the pages copy-on-write and
  // adds `tokens` to the sequence before it samples. All tokens so far count as its prompt.
  // kNotFound when `request` has finished, kInvalid while it has not delivered a token.
  Result<RequestId> Fork(RequestId request, std::span<const std::int32_t> tokens,
                         std::int64_t max_tokens, const SamplingOptions& sampling);
  // The next step delivers kCancelled. kNotFound when it has finished.
  Status Cancel(RequestId request);

  // Keeps the whole pages of these tokens, which must be cached (kNotFound: read them first, with
  // max_tokens 0), until UnpinPrefix, also when the network goes and comes again. They count
  // against page_bytes (or the `most` of SetPageBudget): all pins together take at most half of it
  // (kExhausted, with numbers), and never what a request that is there may need (kConflict). After
  // SetPrecision they are of a precision that nobody finds any more, if their network changed:
  // unpin them then, and pin what was read anew.
  Result<PinnedPrefix> PinPrefix(NetworkId network, std::span<const std::int32_t> tokens,
                                 std::uint64_t cache_scope);
  Status UnpinPrefix(PrefixId prefix);  // kNotFound

  // What is cached of these tokens, whole pages of state only, to be kept elsewhere. Tokens of a
  // request that runs will do. kNotFound when no page of them is there.
  Result<Session> SaveSession(NetworkId network, std::span<const std::int32_t> tokens,
                              std::uint64_t cache_scope);
  // Puts the pages into the cache, and returns for how many tokens the whole state is there now:
  // requests of the scope that begin with them find it. kInvalid says what of the network is not
  // what the session was saved from; kExhausted when the pages have no room.
  Result<std::int64_t> RestoreSession(NetworkId network, const Session& session,
                                      std::uint64_t cache_scope);

  bool idle() const;  // nothing running and nothing waiting
  // Runs one step and returns what it delivered, in order of the requests. Nothing when idle.
  Result<std::span<const Delivery>> Step();

  // How many rows of prompts a step may have in which somebody decodes who has got a few tokens
  // already, and how much work those may be, so that tokens keep coming while a long prompt is
  // read. Of the first prompt four rows are read whatever their work, if there may be so many. At
  // first: no limit but max_rows. 0 rows: none, which should not be said for long. Results do not
  // depend on it.
  void set_prompts_beside_decoding(std::int64_t rows, double work);
  // Of the last step; of nothing when it had no rows.
  StepWork last_work() const;

  // Where the time of steps is written down from the next one on; null (as at first): nowhere. It
  // must outlive its use. Results do not depend on it.
  void set_profile(Profile* profile);

  // Who is told, from the next step on, which experts the positions that are computed are sent to;
  // empty (as at first): nobody. Results do not depend on it.
  void set_expert_listener(ExpertListener listener);

  const EngineCounters& counters() const;
  PageUse page_use() const;
  const EngineOptions& options() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs until `request` finishes and returns its tokens; other requests run along, and what they
// deliver meanwhile is dropped.
struct Completion {
  std::vector<SampledToken> tokens;
  FinishReason finish = FinishReason::kNone;
};
Result<Completion> RunToEnd(Engine& engine, RequestId request);

}  // namespace ashlar
