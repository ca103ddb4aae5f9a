// What a Service is inside: its queue, its networks, its generations, and its threads.
//
// service_state.cc has what callers ask and what the engine's thread does; service_networks.cc what
// becomes of networks; service_memory.cc what they may have of memory; service_generations.cc what
// becomes of generations; service_prefixes.cc what is kept of prompts.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/plan/stack.h"
#include "ashlar/server/memory/budget_follower.h"
#include "ashlar/server/memory/memory_division.h"
#include "ashlar/server/service/prompt_pacer.h"
#include "ashlar/server/service/residency.h"
#include "ashlar/server/service/service.h"
#include "ashlar/server/service/task_thread.h"
#include "ashlar/server/service/text_channel.h"
#include "ashlar/server/service/waiting_line.h"

namespace ashlar {

// How often the engine's thread looks up when nothing wakes it: for deadlines and idle networks.
inline constexpr std::int64_t kLookMicros = 100'000;

inline double SecondsOf(std::int64_t micros) {
  return static_cast<double>(micros) * 1e-6;
}

// What the engine knows a cache scope by: 0, which is everybody's, for the empty one.
std::uint64_t CacheScopeNumber(const std::string& scope);

// Its functions are for the engine's thread, except where they say otherwise.
class Service::State {
 public:
  State(BlobStore& store, const ServiceOptions& options, ServiceObserver observer);
  ~State();

  // ---- For all threads
  Status Check(const Generation& generation) const;
  std::int64_t ContextOf(const NetworkCard& card) const;
  std::int64_t RoomFor(const NetworkCard& card) const;
  // `when_read` is called once on the engine's thread when the prompt was read and its pages are
  // there, if it comes to that.
  using WhenRead = std::function<void(NetworkId)>;
  Result<std::unique_ptr<BegunRequest>> BeginRequest();
  Result<GenerationId> Submit(Generation generation, GenerationListener listener,
                              BegunRequest* request = nullptr, WhenRead when_read = {});
  std::int64_t RetrySeconds(std::string_view tenant) const;
  void Cancel(GenerationId id);
  Status Load(const std::shared_ptr<const NetworkCard>& card);
  Status Pin(const std::shared_ptr<const NetworkCard>& card);
  Status Unpin(std::string_view name);
  Status Unload(std::string_view name);
  Result<PrefixStatus> PinPrefix(Generation generation, PromptOf prompt_of);
  Status UnpinPrefix(PrefixId prefix);
  std::vector<PrefixStatus> PinnedPrefixes();
  Result<Session> SaveSession(Generation generation);
  Result<std::int64_t> RestoreSession(const std::shared_ptr<const NetworkCard>& card,
                                      const Session& session, const std::string& cache_scope);
  Result<ServiceStatus> SetBudget(std::uint64_t bytes);
  void UseSpare(std::shared_ptr<SpareMemory> spare);
  ServiceStatus status() const;
  bool Drain(double seconds);

  const ServiceOptions options;
  NetworkCards cards;
  std::atomic<bool> draining = false;

 private:
  struct Resident;

  // One continuation.
  struct Stream {
    std::shared_ptr<internal::TextChannel> channel;
    std::optional<RequestId> request;  // while the engine has it
    bool begun = false;                // the engine has run rows of it
    bool ended = false;
    bool reads_only = false;  // its constraint lets nothing come: it ends when the prompt is read
    std::int64_t tokens = 0;
    std::vector<PlanSpan> plans;  // that have computed it
  };
  struct Job {
    GenerationId id{};
    Generation generation;
    Resident* resident = nullptr;
    std::vector<Stream> streams;
    bool goes_on = false;  // its request was begun before it
    bool started = false;  // it is one of the resident's users
    bool begun = false;    // the engine has run rows of it
    WhenRead when_read;
    bool read = false;  // all of its prompt
    GenerationEnd cancelled = GenerationEnd::kNone;
    std::int64_t submitted_at = 0;
    std::int64_t begun_at = 0;  // when the first step that worked on it was begun
    std::int64_t first_token_at = 0;
    std::int64_t cached_tokens = 0;
    // Of each token of the prompt, written on the thread of texts. Null: not asked for, or sent.
    std::shared_ptr<internal::PromptScores> prompt_scores;
    std::optional<RowPool> embedding;
  };
  // A prefix that is to stay cached, whatever becomes of its network.
  struct KeptPrefix {
    PrefixStatus status;
    Generation reading;  // of its tokens, which are of `tokenizer`
    PromptOf prompt_of;  // null: of no other tokenizer
    std::optional<Digest> tokenizer;
    std::optional<PrefixId> pin;  // the engine's; nothing: it is to be read again
    std::int64_t read_after = 0;  // not again before
  };
  // Who waits for a network.
  struct Waiter {
    std::optional<GenerationId> generation;  // none: a call of Load
    std::function<void(const Status&)> tell;
  };
  // A network, and what it is loaded with.
  struct ResidentKey {
    Digest digest;
    KvFormat kv_format;
    friend auto operator<=>(const ResidentKey&, const ResidentKey&) = default;
  };
  static ResidentKey KeyOf(const NetworkCard& card) { return {card.digest, card.kv_format}; }
  struct Resident {
    std::shared_ptr<const NetworkCard> card;
    Residency state = Residency::kAbsent;
    NetworkId id{};
    std::set<std::string, std::less<>> names;  // tags of it that were asked for
    bool pinned = false;
    bool closed = false;   // takes nobody new in
    bool suspect = false;  // has failed a request: read anew before the next one
    std::int64_t users = 0;
    std::int64_t last_used = 0;
    std::int64_t wanted_since = 0;
    std::uint64_t unique_bytes = 0;
    std::vector<Waiter> waiters;
    bool reading = false;  // the loader has it
    bool read = false;     // its blobs were
    std::optional<Error> failure;
    std::int64_t failed_at = 0;
  };

  std::int64_t Now() const { return clock_.NowMicros(); }
  void Post(std::function<void()> task);  // any thread
  Status CheckMayBegin();                 // any thread; requires mutex_
  // The most positions of a sequence that so many bytes of state hold, within its context.
  std::int64_t PositionsWithin(const NetworkCard& card, std::uint64_t page_bytes) const;
  // Runs `task` on the engine's thread and waits for its result. Any other thread.
  Status Ask(std::function<void(std::function<void(Status)>)> task);
  // Reads the prompt, calls `then` on the engine's thread while its pages are there, and waits for
  // its result. Any other thread.
  Status ReadThen(Generation generation, std::function<Status(NetworkId)> then);

  void Run();
  void RunTasks();
  void WaitForTasks();
  void Step();
  void Deliver(const Delivery& delivery, std::int64_t step_begun_at);
  void CollectLogits(Job& job, const Delivery& delivery);
  void ExpireJobs();

  Resident& ResidentFor(const std::shared_ptr<const NetworkCard>& card);
  void Want(Resident& resident, Waiter waiter);
  void TellWaiters(Resident& resident, const Status& status);
  void ManageResidency();
  void CountBytes();
  bool Apply(const internal::ResidencyDecision& decision, std::span<Resident* const> residents);
  void BeginLoading(Resident& resident);
  void ReadNetworks();
  void EndLoading(const ResidentKey& key, std::shared_ptr<Result<PreparedNetwork>> prepared);
  std::uint64_t MostWeights() const;
  void UnloadResident(Resident& resident);
  void ResidentsMoved();

  // Of the networks that are loaded or being loaded. Immutable: other threads read it too.
  struct Weights {
    std::vector<std::shared_ptr<const NetworkCard>> cards;
    std::vector<const Network*> networks;  // theirs
    Stack stack;
    internal::WeightBytes bytes;
    Precision PrecisionWithin(std::uint64_t weight_bytes) const;
  };
  // Weights on their way to another precision. Another thread finds and binds it; the engine's
  // changes to it between two steps; on another thread goes what is not used any more.
  struct Change {
    Change(std::uint64_t before, std::uint64_t after)
        : grows(after > before), most_bytes(std::max(before, after)), weight_bytes(after) {}
    const bool grows;
    const std::uint64_t most_bytes;     // that weights may take until it has ended
    std::uint64_t weight_bytes;         // that they may have then. Of the engine's thread
    std::atomic<bool> binding = false;  // what it reads is this process's from here on
    std::atomic<bool> stopped = false;  // nobody waits for it any more
    // Of what is resident, as far as it goes by itself. Any thread.
    std::uint64_t resident_bytes() const { return grows && !binding ? 0 : most_bytes; }
  };
  struct PreparedChange {
    std::uint64_t weight_bytes;       // as it was asked for
    std::uint64_t weights_then;       // that weights have then
    std::vector<Level> parts;         // of blobs, that are used then
    Result<PreparedPrecision> bound;  // that to which the engine changes
  };
  const Weights& CurrentWeights();
  std::uint64_t FloorBytes(std::span<const NetworkCard* const> cards) const;
  // Whether levels of weights are cut to a budget. (Where one was lifted there is still what it
  // took, to return.)
  bool managed() const { return divided_ || budget_.bytes != 0 || options.weight_bytes != 0; }
  void ManageMemory();
  internal::MemoryDivision Divide(std::int64_t now);
  void FollowDivision(std::uint64_t weight_bytes);
  void PrepareChange();
  PreparedChange Prepare(Change& change, std::uint64_t weight_bytes, const Weights& weights,
                         std::span<const Level> have) const;  // any thread
  void MakeChange(const std::shared_ptr<Change>& change, std::shared_ptr<PreparedChange> prepared);
  void EndChange();
  void StopChange();
  void LetGo(const std::shared_ptr<Change>& change);
  void TellShrunk();
  bool Shrinking() const { return change_ != nullptr && !change_->grows; }
  // Cached pages are beyond their budget, and given back step by step.
  bool PagesLeave() const;
  bool Loading() const;
  void DropUnusedParts();
  void DropParts(std::span<const Level> unused) const;  // any thread
  BudgetStatus BudgetNow();

  Status HoldPrefix(KeptPrefix& kept, NetworkId network);
  void LetGo(KeptPrefix& kept);
  void FollowPrefixes();
  void MovePrefixes(const std::shared_ptr<const NetworkCard>& card);
  void WritePrefix(PrefixId id, KeptPrefix& kept);
  void ReadPrefix(PrefixId id, KeptPrefix& kept);
  void FailPrefix(KeptPrefix& kept, const Error& error);

  void Begin(std::unique_ptr<Job> job);
  void Start(Job& job);
  void SubmitStream(Job& job, int index);
  void SubmitFollowers(Job& job);
  void CancelJob(Job& job, GenerationEnd reason);
  void CancelStream(GenerationId id, int index);
  void EndStream(Job& job, int index, internal::News last);
  void EndStreams(Job& job, GenerationEnd end, const std::optional<Error>& error);
  void EraseIfEnded(GenerationId id);
  void Send(Job& job, int index, internal::News news);
  GenerationUsage UsageOf(const Job& job, const Stream& stream) const;
  void PublishStatus();

  const SteadyClock clock_;
  const ServiceObserver observer_;
  BlobStore& store_;
  Engine engine_;
  internal::PromptPacer pacer_;

  std::map<ResidentKey, Resident> residents_;
  bool residents_changed_ = false;
  bool bytes_counted_ = true;  // of what is resident now
  std::uint64_t resident_bytes_ = 0;
  std::int64_t looked_at_ = 0;

  // ---- Memory
  FollowedBudget budget_;  // bytes 0: none
  bool divided_ = false;   // by SetBudget, once at least
  const std::uint64_t machine_bytes_;
  std::int64_t followed_at_ = 0;
  bool memory_changed_ = true;
  std::int64_t divided_at_ = 0;
  internal::MemoryDivision division_;                          // the last one
  std::uint64_t most_page_bytes_ = options.engine.page_bytes;  // as the engine was last told
  std::uint64_t asked_weights_ = 0;                            // what weights were last cut to
  std::shared_ptr<const Weights> weights_;                     // null: to be counted again
  std::uint64_t weights_now_ = 0;   // at the engine's precision, and what is still to go
  std::vector<Level> used_parts_;   // of blobs, that the system should have in memory
  std::shared_ptr<Change> change_;  // null: none
  std::vector<std::shared_ptr<const Change>> stopped_;  // changes that have yet to let go
  std::int64_t growth_failed_at_ = 0;
  std::vector<std::function<void()>> when_shrunk_;  // who waits until what is to go has gone
  std::vector<Resident*> idle_;                     // of the last division
  std::shared_ptr<SpareMemory> spare_;              // null: none
  std::uint64_t resizes_ = 0;
  std::atomic<bool> full_ = false;
  std::atomic<std::uint64_t> refused_ = 0;
  std::atomic<std::uint64_t> unscored_bytes_ = 0;

  std::atomic<std::uint64_t> next_id_ = 1;
  std::map<GenerationId, std::unique_ptr<Job>> jobs_;
  std::unordered_map<std::uint64_t, std::pair<Job*, int>> streams_;  // by RequestId
  std::map<std::string, std::uint32_t, std::less<>> tenants_;
  std::map<PrefixId, KeptPrefix> prefixes_;
  std::uint64_t next_prefix_ = 1;
  std::int64_t followed_prefixes_at_ = 0;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::list<std::function<void()>> tasks_;
  bool ending_ = false;
  ServiceStatus status_;
  std::uint64_t free_page_bytes_ = options.engine.page_bytes;  // that one sequence can have now
  std::int64_t requests_ = 0;                                  // BegunRequests
  bool stopping_ = false;          // draining was not quick enough: not even these go on
  std::int64_t live_ = 0;          // continuations of which the last event is still to come
  internal::WaitingLine waiting_;  // of those, that the engine has not begun

  // Threads last: they use all of the above. The engine's ends first.
  internal::TaskThread delivery_{"the texts'"};
  internal::TaskThread loader_{"the loader's"};    // reads from disk, for as long as that takes
  internal::TaskThread resizer_{"the resizer's"};  // reads nothing but what was read just before
  std::thread engine_thread_;
};

}  // namespace ashlar
