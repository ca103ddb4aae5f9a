#include "ashlar/server/service/service.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <future>
#include <limits>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "ashlar/base/check.h"
#include "ashlar/base/clock.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/service/prompt_pacer.h"
#include "ashlar/server/service/prompt_scores.h"
#include "ashlar/server/service/residency.h"
#include "ashlar/server/service/task_thread.h"
#include "ashlar/server/service/text_channel.h"
#include "ashlar/server/service/weight_reader.h"

namespace ashlar {
namespace {

using internal::News;
using internal::PromptPacer;
using internal::ResidencyAction;
using internal::ResidencyDecision;
using internal::ResidencyView;
using internal::TaskThread;
using internal::TextChannel;

constexpr std::int64_t kMaxContinuations = 128;
constexpr std::int64_t kMostLogprobs = 100;  // of each token
// A step with prompts in it may take so many times as long as one that only decodes.
constexpr double kLongestStep = 2.5;
constexpr std::int64_t kFewestPromptRows = 8;
// A network that could not be loaded is not read again for so long.
constexpr std::int64_t kFailureMicros = 2'000'000;
constexpr std::int64_t kForgetMicros = 60'000'000;  // and forgotten after
// How often the engine's thread looks up when nothing wakes it: for deadlines and idle networks.
constexpr std::int64_t kLookMicros = 100'000;

double Seconds(std::int64_t micros) {
  return static_cast<double>(micros) * 1e-6;
}

std::uint64_t ScopeOf(const std::string& scope) {
  if (scope.empty()) {
    return 0;
  }
  Hasher hasher;
  hasher.Update(std::as_bytes(std::span(scope)));
  const Digest digest = hasher.Finish();
  std::uint64_t number = 0;
  std::memcpy(&number, digest.bytes().data(), sizeof number);
  return number | 1;  // 0 is everybody's
}

}  // namespace

// Its functions are for the engine's thread, except where they say otherwise.
class Service::State {
 public:
  State(BlobStore& store, const ServiceOptions& options, ServiceObserver observer);
  ~State();

  // ---- For all threads
  Status Check(const Generation& generation) const;
  Result<GenerationId> Submit(Generation generation, GenerationListener listener);
  void Cancel(GenerationId id);
  Status Load(const std::shared_ptr<const NetworkCard>& card);
  Status Pin(const std::shared_ptr<const NetworkCard>& card, bool pinned);
  Status Unload(std::string_view name);
  ServiceStatus status() const;
  bool Drain(double seconds);

  const ServiceOptions options;
  NetworkCards cards;
  std::atomic<bool> draining = false;

 private:
  struct Resident;

  // One continuation.
  struct Stream {
    std::shared_ptr<TextChannel> channel;
    std::optional<RequestId> request;  // while the engine has it
    bool begun = false;                // the engine has run rows of it
    bool ended = false;
    std::int64_t tokens = 0;
  };
  struct Job {
    GenerationId id{};
    Generation generation;
    Resident* resident = nullptr;
    std::vector<Stream> streams;
    bool started = false;  // it is one of the resident's users
    bool begun = false;    // the engine has run rows of it
    GenerationEnd cancelled = GenerationEnd::kNone;
    std::int64_t submitted_at = 0;
    std::int64_t begun_at = 0;
    std::int64_t first_token_at = 0;
    std::int64_t deadline = 0;  // 0: none
    std::int64_t cached_tokens = 0;
    std::vector<PromptLogprob> prompt_logprobs;
    bool prompt_scored = false;  // they have been sent
    std::vector<float> hidden_states;
  };
  // Who waits for a network.
  struct Waiter {
    std::optional<GenerationId> generation;  // none: a call of Load
    std::function<void(const Status&)> tell;
  };
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
    std::optional<Error> failure;
    std::int64_t failed_at = 0;
  };

  std::int64_t Now() const { return clock_.NowMicros(); }
  void Post(std::function<void()> task);  // any thread
  // Runs `task` on the engine's thread and waits for its result. Any other thread.
  Status Ask(std::function<void(std::function<void(Status)>)> task);

  void Run();
  void RunTasks();
  void WaitForTasks();
  void Step();
  void Deliver(const Delivery& delivery);
  void CollectLogits(Job& job, const Delivery& delivery);
  void ExpireJobs();

  Resident& ResidentFor(const std::shared_ptr<const NetworkCard>& card);
  void Want(Resident& resident, Waiter waiter);
  void TellWaiters(Resident& resident, const Status& status);
  void ManageResidency();
  void CountBytes();
  bool Apply(const ResidencyDecision& decision, std::span<Resident* const> residents);
  void BeginLoading(Resident& resident);
  void EndLoading(const Digest& digest, const Status& read);

  void Begin(std::unique_ptr<Job> job);
  void Start(Job& job);
  void SubmitStream(Job& job, int index);
  void SubmitFollowers(Job& job);
  void CancelJob(Job& job, GenerationEnd reason);
  void CancelStream(GenerationId id, int index);
  void EndStream(Job& job, int index, News last);
  void EndStreams(Job& job, GenerationEnd end, const std::optional<Error>& error);
  void EraseIfEnded(GenerationId id);
  void Send(Job& job, int index, News news);
  GenerationUsage UsageOf(const Job& job, const Stream& stream) const;
  void PublishStatus();

  const SteadyClock clock_;
  const ServiceObserver observer_;
  BlobStore& store_;
  Engine engine_;
  PromptPacer pacer_;

  std::map<Digest, Resident> residents_;
  bool residents_changed_ = false;
  bool bytes_counted_ = true;  // of what is resident now
  std::uint64_t resident_bytes_ = 0;
  std::int64_t looked_at_ = 0;
  std::map<GenerationId, std::unique_ptr<Job>> jobs_;
  std::unordered_map<std::uint64_t, std::pair<Job*, int>> streams_;  // by RequestId
  std::map<std::string, std::uint32_t, std::less<>> tenants_;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::vector<std::function<void()>> tasks_;
  bool ending_ = false;
  ServiceStatus status_;
  std::int64_t live_ = 0;     // continuations of which the last event is still to come
  std::int64_t waiting_ = 0;  // of those, that the engine has not begun
  std::uint64_t next_id_ = 1;

  // Threads last: they use all of the above. The engine's ends first.
  TaskThread delivery_;
  TaskThread loader_;
  std::thread engine_thread_;
};

Service::State::State(BlobStore& store, const ServiceOptions& options_in, ServiceObserver observer)
    : options(options_in),
      cards(store),
      observer_(std::move(observer)),
      store_(store),
      engine_(store,
              [&] {
                EngineOptions engine = options_in.engine;
                engine.check_numbers |= engine.verify_blobs;
                engine.verify_blobs = false;  // the loader's thread does it
                return engine;
              }()),
      pacer_(kLongestStep, std::min(kFewestPromptRows, options_in.engine.max_rows),
             options_in.engine.max_rows) {
  PublishStatus();
  engine_thread_ = std::thread([this] { Run(); });
}

Service::State::~State() {
  draining = true;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  engine_thread_.join();
}

void Service::State::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_all();
}

Status Service::State::Ask(std::function<void(std::function<void(Status)>)> task) {
  auto answer = std::make_shared<std::promise<Status>>();
  std::future<Status> result = answer->get_future();
  Post([task = std::move(task), answer] {
    task([answer](Status status) { answer->set_value(std::move(status)); });
  });
  return result.get();
}

// ---- What callers ask

Status Service::State::Check(const Generation& generation) const {
  if (generation.network == nullptr) {
    return Invalid("the generation names no network");
  }
  const NetworkCard& card = *generation.network;
  const auto length = static_cast<std::int64_t>(generation.prompt.size());
  const std::int64_t context = card.Context(options.engine.max_positions);
  if (length == 0) {
    return Invalid("the prompt is empty; it needs at least one token");
  }
  if (generation.max_tokens < 0) {
    return Invalid("max_tokens must be at least 0, not {}", generation.max_tokens);
  }
  if (length > context || generation.max_tokens > context - length) {
    return Invalid(
        "a prompt of {} tokens and {} new ones pass the context of {} tokens of network \"{}\"",
        length, generation.max_tokens, context, card.name);
  }
  if (generation.continuations < 1 || generation.continuations > kMaxContinuations) {
    return Invalid("continuations must be in [1, {}], not {}", kMaxContinuations,
                   generation.continuations);
  }
  if (generation.hidden_states && (generation.max_tokens != 0 || generation.prompt_logprobs)) {
    return Invalid("hidden_states come without new tokens and without log-probabilities");
  }
  const std::int64_t most_logprobs = std::min(kMostLogprobs, card.logits);
  if (generation.prompt_logprobs &&
      (*generation.prompt_logprobs < 0 || *generation.prompt_logprobs > most_logprobs)) {
    return Invalid("prompt_logprobs must be in [0, {}], not {}", most_logprobs,
                   *generation.prompt_logprobs);
  }
  if (generation.sampling.top_logprobs > most_logprobs) {
    return Invalid("top_logprobs must be in [-1, {}], not {}", most_logprobs,
                   generation.sampling.top_logprobs);
  }
  if (generation.constraint && generation.ignore_eos) {
    return Invalid("a constraint decides where the output ends: ignore_eos cannot be had with it");
  }
  if (!generation.stop.empty() && !card.tokenizer) {
    return Invalid("network \"{}\" has no tokenizer, and so no text that a stop string could end",
                   card.name);
  }
  for (std::size_t i = 0; i < generation.prompt.size(); ++i) {
    const std::int32_t token = generation.prompt[i];
    if (token < 0 || token >= card.token_limit) {
      return Invalid("prompt token {} is {}, but the ids of network \"{}\" are in [0, {})", i,
                     token, card.name, card.token_limit);
    }
  }
  ASHLAR_TRY(generation.sampling.Check(card.logits));
  const std::uint64_t pages =
      SequencePageBytes(card.network, length + generation.max_tokens, options.engine.kv_format);
  if (pages > options.engine.page_bytes) {
    return Exhausted("{} positions need {} of state, but the budget of all state is {}",
                     length + generation.max_tokens, FormatBytes(pages),
                     FormatBytes(options.engine.page_bytes));
  }
  if (options.weight_bytes != 0 && card.weight_bytes > options.weight_bytes) {
    return Exhausted("network \"{}\" has {} of weights, but the budget of all weights is {}",
                     card.name, FormatBytes(card.weight_bytes), FormatBytes(options.weight_bytes));
  }
  return {};
}

Result<GenerationId> Service::State::Submit(Generation generation, GenerationListener listener) {
  ASHLAR_TRY(Check(generation));
  const int continuations = generation.max_tokens == 0 ? 1 : generation.continuations;
  GenerationId id{};
  auto job = std::make_unique<Job>();
  job->submitted_at = Now();
  if (generation.timeout_seconds > 0) {
    constexpr double kLongest = 1e9;
    job->deadline = job->submitted_at +
                    static_cast<std::int64_t>(std::min(generation.timeout_seconds, kLongest) * 1e6);
  }
  {
    const std::lock_guard lock(mutex_);
    if (draining) {
      return Conflict("the service is stopping");
    }
    if (waiting_ > 0 && waiting_ + continuations > options.max_waiting) {
      return Conflict("{} answers wait to be begun, and {} may", waiting_, options.max_waiting);
    }
    id = GenerationId{next_id_++};
    job->id = id;
    for (int i = 0; i < continuations; ++i) {
      const auto stop = [this, id, i] { Post([this, id, i] { CancelStream(id, i); }); };
      job->streams.push_back(
          {.channel = std::make_shared<TextChannel>(generation, i, listener, stop)});
    }
    job->generation = std::move(generation);
    live_ += continuations;
    waiting_ += continuations;
    // Under the same lock: whoever drains finds it. (A std::function wants to be copyable.)
    tasks_.push_back([this, shared = std::make_shared<std::unique_ptr<Job>>(std::move(job))] {
      Begin(std::move(*shared));
    });
  }
  changed_.notify_all();
  return id;
}

void Service::State::Cancel(GenerationId id) {
  Post([this, id] {
    if (const auto found = jobs_.find(id); found != jobs_.end()) {
      CancelJob(*found->second, GenerationEnd::kCancelled);
      EraseIfEnded(id);
    }
  });
}

Status Service::State::Load(const std::shared_ptr<const NetworkCard>& card) {
  return Ask([this, card](std::function<void(Status)> answer) {
    Resident& resident = ResidentFor(card);
    if (resident.state == Residency::kLoaded) {
      answer({});
    } else {
      Want(resident, {.generation = {}, .tell = std::move(answer)});
    }
  });
}

Status Service::State::Pin(const std::shared_ptr<const NetworkCard>& card, bool pinned) {
  return Ask([this, card, pinned](std::function<void(Status)> answer) {
    Resident& resident = ResidentFor(card);
    const auto pin = [this, &resident, pinned, answer = std::move(answer)](const Status& loaded) {
      if (loaded.ok()) {
        resident.pinned = pinned;
        residents_changed_ = true;
      }
      answer(loaded);
    };
    if (resident.state == Residency::kLoaded) {
      pin({});
    } else if (!pinned) {
      pin(NotFound("network \"{}\" is not loaded", card->name));
    } else {
      Want(resident, {.generation = {}, .tell = pin});
    }
  });
}

Status Service::State::Unload(std::string_view name) {
  return Ask([this, name = std::string(name)](std::function<void(Status)> answer) {
    const auto found = std::ranges::find_if(residents_, [&](const auto& entry) {
      return entry.second.names.contains(name) && entry.second.state == Residency::kLoaded;
    });
    if (found == residents_.end()) {
      answer(NotFound("network \"{}\" is not loaded", name));
    } else if (found->second.pinned) {
      answer(Conflict("network \"{}\" is pinned", name));
    } else if (found->second.users > 0 || !found->second.waiters.empty()) {
      answer(Conflict("network \"{}\" is used by {} generations", name,
                      found->second.users + std::ssize(found->second.waiters)));
    } else {
      Status unloaded = engine_.Unload(found->second.id);
      residents_.erase(found);
      residents_changed_ = true;
      bytes_counted_ = false;
      answer(std::move(unloaded));
    }
  });
}

ServiceStatus Service::State::status() const {
  const std::lock_guard lock(mutex_);
  ServiceStatus status = status_;
  status.waiting = waiting_;
  status.running = live_ - waiting_;
  return status;
}

bool Service::State::Drain(double seconds) {
  draining = true;
  const auto ended = [this] { return live_ == 0; };
  {
    std::unique_lock lock(mutex_);
    constexpr double kLongest = 1e9;
    const auto longest = std::chrono::duration<double>(std::clamp(seconds, 0.0, kLongest));
    if (changed_.wait_for(lock, longest, ended)) {
      return true;
    }
  }
  Post([this] {
    std::vector<GenerationId> ids;
    for (const auto& [id, job] : jobs_) {
      CancelJob(*job, GenerationEnd::kCancelled);
      ids.push_back(id);
    }
    std::ranges::for_each(ids, [this](GenerationId id) { EraseIfEnded(id); });
  });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, ended);
  return false;
}

// ---- The engine's thread

void Service::State::Run() {
  while (true) {
    RunTasks();
    ExpireJobs();
    ManageResidency();
    PublishStatus();
    if (!engine_.idle()) {
      Step();
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      if (ending_ && tasks_.empty() && jobs_.empty()) {
        return;
      }
    }
    WaitForTasks();
  }
}

void Service::State::RunTasks() {
  std::vector<std::function<void()>> tasks;
  bool ending = false;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
    ending = ending_;
  }
  for (const std::function<void()>& task : tasks) {
    task();
  }
  if (ending) {
    std::vector<GenerationId> ids;
    for (const auto& [id, job] : jobs_) {
      CancelJob(*job, GenerationEnd::kCancelled);
      ids.push_back(id);
    }
    std::ranges::for_each(ids, [this](GenerationId id) { EraseIfEnded(id); });
    for (auto& [digest, resident] : residents_) {
      TellWaiters(resident, Conflict("the service is stopping"));
    }
  }
}

void Service::State::WaitForTasks() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(kLookMicros),
                    [this] { return !tasks_.empty() || ending_; });
}

void Service::State::Step() {
  engine_.set_prompt_rows_beside_decoding(pacer_.rows());
  const EngineCounters before = engine_.counters();
  const std::int64_t begin = Now();
  const auto deliveries = engine_.Step();
  const double seconds = Seconds(Now() - begin);
  if (!deliveries.ok()) {
    std::vector<GenerationId> failed;
    for (const auto& [id, job] : jobs_) {
      EndStreams(*job, GenerationEnd::kFailed, deliveries.error());
      failed.push_back(id);
    }
    std::ranges::for_each(failed, [this](GenerationId id) { EraseIfEnded(id); });
    return;
  }
  std::int64_t decoding = 0;
  std::vector<GenerationId> touched;  // what follows calls the engine, when its views are read
  for (const Delivery& delivery : *deliveries) {
    const auto found = streams_.find(static_cast<std::uint64_t>(delivery.request));
    if (found == streams_.end()) {
      continue;
    }
    const auto [job, index] = found->second;
    decoding += job->streams[index].tokens > 0 ? 1 : 0;
    touched.push_back(job->id);
    Deliver(delivery);
  }
  for (const GenerationId id : touched) {
    SubmitFollowers(*jobs_.at(id));
  }
  for (const GenerationId id : touched) {
    EraseIfEnded(id);
  }
  const auto rows = static_cast<std::int64_t>(engine_.counters().rows - before.rows);
  decoding = std::min(decoding, rows);
  pacer_.Observe(decoding, rows - decoding, seconds);
  if (observer_.on_step) {
    observer_.on_step(seconds, rows);
  }
}

void Service::State::Deliver(const Delivery& delivery) {
  const auto [job, index] = streams_.at(static_cast<std::uint64_t>(delivery.request));
  Stream& stream = job->streams[index];
  if (!job->begun) {
    job->begun = true;
    job->begun_at = Now();
    job->cached_tokens = delivery.cached_tokens;
  }
  if (!std::exchange(stream.begun, true)) {
    const std::lock_guard lock(mutex_);
    --waiting_;
  }
  if (index == 0 && !delivery.logits.empty()) {
    CollectLogits(*job, delivery);
  }
  if (delivery.token) {
    ++stream.tokens;
    if (job->first_token_at == 0) {
      job->first_token_at = Now();
    }
  }
  News news{.token = delivery.token};
  switch (delivery.finish) {
    case FinishReason::kNone:
      if (delivery.token) {
        Send(*job, index, std::move(news));
      }
      return;
    case FinishReason::kStop:
      news.end = GenerationEnd::kStop;
      break;
    case FinishReason::kLength:
      news.end = GenerationEnd::kLength;
      break;
    case FinishReason::kCancelled:
      news.end =
          job->cancelled != GenerationEnd::kNone ? job->cancelled : GenerationEnd::kCancelled;
      break;
    case FinishReason::kFailed:
      news.end = GenerationEnd::kFailed;
      news.error = delivery.error->In(fmt::format("network \"{}\"", job->generation.network->name));
      job->resident->suspect |= engine_.FailureOf(job->resident->id).has_value();
      break;
  }
  EndStream(*job, index, std::move(news));
}

void Service::State::CollectLogits(Job& job, const Delivery& delivery) {
  const Generation& generation = job.generation;
  if (generation.hidden_states) {
    job.hidden_states.insert(job.hidden_states.end(), delivery.logits.begin(),
                             delivery.logits.end());
    return;
  }
  const auto width = static_cast<std::size_t>(generation.network->logits);
  auto position = static_cast<std::size_t>(delivery.logits_first_position);
  for (std::size_t at = 0; at < delivery.logits.size(); at += width, ++position) {
    if (position + 1 < generation.prompt.size()) {
      job.prompt_logprobs.push_back(internal::ScoreToken(delivery.logits.subspan(at, width),
                                                         generation.prompt[position + 1],
                                                         *generation.prompt_logprobs));
    }
  }
}

void Service::State::ExpireJobs() {
  const std::int64_t now = Now();
  std::vector<GenerationId> expired;
  for (const auto& [id, job] : jobs_) {
    if (job->deadline != 0 && now >= job->deadline && job->cancelled == GenerationEnd::kNone) {
      CancelJob(*job, GenerationEnd::kTimeout);
      expired.push_back(id);
    }
  }
  std::ranges::for_each(expired, [this](GenerationId id) { EraseIfEnded(id); });
}

// ---- Networks

Service::State::Resident& Service::State::ResidentFor(
    const std::shared_ptr<const NetworkCard>& card) {
  Resident& resident = residents_[card->digest];
  if (resident.card == nullptr) {
    resident.card = card;
  }
  resident.names.insert(card->name);
  return resident;
}

void Service::State::Want(Resident& resident, Waiter waiter) {
  // Reading a broken network again for each request would keep the others waiting.
  if (resident.state == Residency::kFailed && Now() - resident.failed_at < kFailureMicros) {
    waiter.tell(*resident.failure);
    return;
  }
  if (resident.waiters.empty()) {
    resident.wanted_since = Now();
  }
  resident.waiters.push_back(std::move(waiter));
  residents_changed_ = true;
}

void Service::State::TellWaiters(Resident& resident, const Status& status) {
  for (const Waiter& waiter : std::exchange(resident.waiters, {})) {
    waiter.tell(status);
  }
  residents_changed_ = true;
}

void Service::State::ManageResidency() {
  const std::int64_t now = Now();
  if (!residents_changed_ && now - looked_at_ < kLookMicros) {
    return;
  }
  looked_at_ = now;
  std::erase_if(residents_, [&](const auto& entry) {  // of which nothing is left to know
    const Resident& resident = entry.second;
    return resident.users == 0 && resident.waiters.empty() &&
           (resident.state == Residency::kAbsent ||
            (resident.state == Residency::kFailed && now - resident.failed_at > kForgetMicros));
  });
  while (true) {
    residents_changed_ = false;
    std::vector<Resident*> residents;
    std::vector<ResidencyView> views;
    for (auto& [digest, resident] : residents_) {
      residents.push_back(&resident);
      views.push_back({.resident = resident.state == Residency::kLoaded ||
                                   resident.state == Residency::kLoading,
                       .loading = resident.state == Residency::kLoading,
                       .pinned = resident.pinned,
                       .users = resident.users,
                       .waiting = std::ssize(resident.waiters),
                       .last_used = resident.last_used,
                       .wanted_since = resident.wanted_since});
    }
    const auto weight_bytes = [&](std::span<const std::size_t> indices) {
      std::vector<const Network*> networks;
      for (const std::size_t i : indices) {
        networks.push_back(&residents[i]->card->network);
      }
      return PredictMemory({.networks = networks, .max_positions = 1}).weight_bytes;
    };
    const ResidencyDecision decision = internal::DecideResidency(
        {.weight_bytes = options.weight_bytes,
         .keep_alive = options.keep_alive_seconds < 0
                           ? -1
                           : static_cast<std::int64_t>(options.keep_alive_seconds * 1e6)},
        views, now, weight_bytes);
    for (std::size_t i = 0; i < residents.size(); ++i) {
      residents[i]->closed = std::ranges::find(decision.closed, i) != decision.closed.end();
    }
    if (!Apply(decision, residents) && !residents_changed_) {
      break;
    }
  }
  if (!std::exchange(bytes_counted_, true)) {
    CountBytes();
  }
}

void Service::State::CountBytes() {
  const auto bytes = [&](const Resident* without) {
    std::vector<const Network*> networks;
    for (const auto& [digest, resident] : residents_) {
      if (&resident != without &&
          (resident.state == Residency::kLoaded || resident.state == Residency::kLoading)) {
        networks.push_back(&resident.card->network);
      }
    }
    return PredictMemory({.networks = networks, .max_positions = 1}).weight_bytes;
  };
  resident_bytes_ = bytes(nullptr);
  for (auto& [digest, resident] : residents_) {
    resident.unique_bytes = resident_bytes_ - bytes(&resident);
  }
}

bool Service::State::Apply(const ResidencyDecision& decision,
                           std::span<Resident* const> residents) {
  switch (decision.action) {
    case ResidencyAction::kLoad:
      BeginLoading(*residents[decision.index]);
      return true;
    case ResidencyAction::kRefuse: {
      Resident& refused = *residents[decision.index];
      TellWaiters(refused,
                  Exhausted("network \"{}\" has {} of weights, which do not fit beside the pinned "
                            "networks into {}",
                            refused.card->name, FormatBytes(refused.card->weight_bytes),
                            FormatBytes(options.weight_bytes)));
      return true;
    }
    case ResidencyAction::kUnload: {
      Resident& idle = *residents[decision.index];
      CHECK(engine_.Unload(idle.id).ok());
      idle.state = Residency::kAbsent;
      bytes_counted_ = false;
      if (idle.waiters.empty()) {
        residents_.erase(idle.card->digest);
      }
      return true;
    }
    case ResidencyAction::kNothing:
      break;
  }
  for (Resident* const resident : residents) {
    if (resident->state != Residency::kLoaded) {
      continue;
    }
    if (resident->suspect && resident->users == 0) {
      CHECK(engine_.Unload(resident->id).ok());
      resident->state = Residency::kAbsent;
      resident->suspect = false;
      bytes_counted_ = false;
      residents_changed_ = true;
    } else if (!resident->closed && !resident->suspect && !resident->waiters.empty()) {
      TellWaiters(*resident, {});
    }
  }
  return false;
}

void Service::State::BeginLoading(Resident& resident) {
  resident.state = Residency::kLoading;
  bytes_counted_ = false;
  resident.failure.reset();
  loader_.Post([this, card = resident.card] {
    const Status read = internal::ReadWeights(card->network, store_, options.engine.verify_blobs);
    Post([this, digest = card->digest, read] { EndLoading(digest, read); });
  });
}

void Service::State::EndLoading(const Digest& digest, const Status& read) {
  Resident& resident = residents_.at(digest);
  Status loaded = read;
  if (loaded.ok()) {
    const Result<NetworkId> id = engine_.Load(resident.card->network);
    if (id.ok()) {
      resident.id = *id;
    } else {
      loaded = id.error();
    }
  }
  residents_changed_ = true;
  resident.last_used = Now();
  if (loaded.ok()) {
    resident.state = Residency::kLoaded;
    TellWaiters(resident, {});
    return;
  }
  resident.state = Residency::kFailed;
  resident.failed_at = Now();
  bytes_counted_ = false;
  resident.failure = loaded.error().In(fmt::format("loading \"{}\"", resident.card->name));
  TellWaiters(resident, *resident.failure);
}

// ---- Generations

void Service::State::Begin(std::unique_ptr<Job> job) {
  Job& begun = *job;
  jobs_.emplace(begun.id, std::move(job));
  Resident& resident = ResidentFor(begun.generation.network);
  begun.resident = &resident;
  if (resident.state == Residency::kLoaded && !resident.closed && !resident.suspect &&
      resident.waiters.empty()) {
    Start(begun);
    EraseIfEnded(begun.id);
    return;
  }
  Want(resident, {.generation = begun.id, .tell = [this, id = begun.id](const Status& status) {
                    const auto found = jobs_.find(id);
                    if (found == jobs_.end()) {
                      return;
                    }
                    if (status.ok()) {
                      Start(*found->second);
                    } else {
                      EndStreams(*found->second, GenerationEnd::kFailed, status.error());
                    }
                    EraseIfEnded(id);
                  }});
}

void Service::State::Start(Job& job) {
  job.started = true;
  if (job.resident->users++ == 0) {
    pacer_.Restart();
  }
  job.resident->last_used = Now();
  SubmitStream(job, 0);
}

void Service::State::SubmitStream(Job& job, int index) {
  const Generation& generation = job.generation;
  Request request{
      .network = job.resident->id,
      .prompt = generation.prompt,
      .max_tokens = generation.max_tokens,
      .sampling = generation.sampling,
      .stop_tokens = generation.stop_tokens,
      .prompt_logits = index == 0 && (generation.prompt_logprobs || generation.hidden_states),
      .hidden_states = generation.hidden_states,
      .priority = generation.priority,
      .cache_scope = ScopeOf(generation.cache_scope)};
  request.sampling.seed += static_cast<std::uint64_t>(index);
  if (!generation.ignore_eos) {
    const auto& eos = generation.network->network.metadata.eos_tokens;
    request.stop_tokens.insert(request.stop_tokens.end(), eos.begin(), eos.end());
  }
  if (generation.constraint) {
    request.constraint = generation.constraint();
    if (request.constraint == nullptr || request.constraint->finished()) {
      const bool empty = request.constraint != nullptr;  // the only output is the empty one
      EndStream(job, index,
                empty ? News{.end = GenerationEnd::kStop}
                      : News{.end = GenerationEnd::kFailed, .error = Invalid("no constraint")});
      return;
    }
  }
  request.tenant =
      tenants_.try_emplace(generation.tenant, static_cast<std::uint32_t>(tenants_.size()))
          .first->second;
  const Result<RequestId> submitted = engine_.Submit(std::move(request));
  if (!submitted.ok()) {
    job.resident->suspect |= engine_.FailureOf(job.resident->id).has_value();
    EndStream(job, index, {.end = GenerationEnd::kFailed, .error = submitted.error()});
    return;
  }
  job.streams[index].request = *submitted;
  streams_[static_cast<std::uint64_t>(*submitted)] = {&job, index};
}

// The others find the prompt's pages that the first one has left. The engine gets no more of them
// than it can run: each takes memory there.
void Service::State::SubmitFollowers(Job& job) {
  if (job.cancelled != GenerationEnd::kNone ||
      (job.streams[0].tokens == 0 && !job.streams[0].ended)) {
    return;
  }
  auto there = std::ranges::count_if(
      job.streams, [](const Stream& stream) { return stream.request.has_value(); });
  for (int i = 1; i < std::ssize(job.streams) && there < options.engine.max_sequences; ++i) {
    if (!job.streams[i].request && !job.streams[i].ended) {
      SubmitStream(job, i);
      there += job.streams[i].request ? 1 : 0;
    }
  }
}

void Service::State::CancelJob(Job& job, GenerationEnd reason) {
  if (job.cancelled != GenerationEnd::kNone) {
    return;
  }
  job.cancelled = reason;
  for (int i = 0; i < std::ssize(job.streams); ++i) {
    const Stream& stream = job.streams[i];
    if (stream.request) {
      // Of those that end in this step there is nothing to cancel.
      [[maybe_unused]] const Status gone = engine_.Cancel(*stream.request);
    } else if (!stream.ended) {
      EndStream(job, i, {.end = reason});
    }
  }
}

void Service::State::CancelStream(GenerationId id, int index) {
  const auto found = jobs_.find(id);
  if (found != jobs_.end() && found->second->streams[index].request) {
    [[maybe_unused]] const Status gone = engine_.Cancel(*found->second->streams[index].request);
  }
}

GenerationUsage Service::State::UsageOf(const Job& job, const Stream& stream) const {
  const std::int64_t now = Now();
  return {.prompt_tokens = std::ssize(job.generation.prompt),
          .cached_tokens = job.cached_tokens,
          .completion_tokens = stream.tokens,
          .queue_seconds = Seconds((job.begun ? job.begun_at : now) - job.submitted_at),
          .prompt_seconds =
              job.begun
                  ? Seconds((job.first_token_at != 0 ? job.first_token_at : now) - job.begun_at)
                  : 0,
          .total_seconds = Seconds(now - job.submitted_at)};
}

void Service::State::Send(Job& job, int index, News news) {
  news.usage = UsageOf(job, job.streams[index]);
  if (index == 0 && job.generation.prompt_logprobs && !job.prompt_scored) {
    job.prompt_scored = true;
    news.prompt_logprobs.push_back({.token = job.generation.prompt.front()});
    std::ranges::move(job.prompt_logprobs, std::back_inserter(news.prompt_logprobs));
  }
  if (index == 0) {
    news.hidden_states = std::exchange(job.hidden_states, {});
  }
  // A std::function wants to be copyable.
  delivery_.Post(
      [channel = job.streams[index].channel, shared = std::make_shared<News>(std::move(news))] {
        channel->Take(std::move(*shared));
      });
}

void Service::State::EndStream(Job& job, int index, News last) {
  Stream& stream = job.streams[index];
  CHECK(!stream.ended);
  stream.ended = true;
  if (stream.request) {
    streams_.erase(static_cast<std::uint64_t>(*stream.request));
    stream.request.reset();
  }
  Send(job, index, std::move(last));
}

void Service::State::EndStreams(Job& job, GenerationEnd end, const std::optional<Error>& error) {
  for (int i = 0; i < std::ssize(job.streams); ++i) {
    if (!job.streams[i].ended) {
      EndStream(job, i, {.end = end, .error = error});
    }
  }
}

void Service::State::EraseIfEnded(GenerationId id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || !std::ranges::all_of(found->second->streams, &Stream::ended)) {
    return;
  }
  Job& job = *found->second;
  Resident& resident = *job.resident;
  if (job.started) {
    --resident.users;
    resident.last_used = Now();
  } else {
    std::erase_if(resident.waiters,
                  [&](const Waiter& waiter) { return waiter.generation == job.id; });
  }
  residents_changed_ = true;
  const auto count = std::ssize(job.streams);
  const auto unbegun = std::ranges::count(job.streams, false, &Stream::begun);
  delivery_.Post([this, count, unbegun] {
    {
      const std::lock_guard lock(mutex_);
      live_ -= count;
      waiting_ -= unbegun;
    }
    changed_.notify_all();
  });
  jobs_.erase(found);
}

void Service::State::PublishStatus() {
  ServiceStatus status;
  const std::int64_t now = Now();
  status.resident_weight_bytes = resident_bytes_;
  status.weight_budget = options.weight_bytes;
  const PageUse pages = engine_.page_use();
  status.page_bytes_used = pages.running + pages.cached;
  status.page_bytes_budget = pages.budget;
  status.engine = engine_.counters();
  for (const auto& [digest, resident] : residents_) {
    if (resident.state == Residency::kAbsent) {
      continue;
    }
    status.networks.push_back({.name = resident.card->name,
                               .digest = digest,
                               .residency = resident.state,
                               .pinned = resident.pinned,
                               .running = resident.users + std::ssize(resident.waiters),
                               .weight_bytes = resident.card->weight_bytes,
                               .unique_bytes = resident.unique_bytes,
                               .idle_seconds = Seconds(now - resident.last_used),
                               .failure = resident.failure});
  }
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

// ---- Service

Service::Service(std::unique_ptr<State> state) : state_(std::move(state)) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>> Service::Start(BlobStore& store, const ServiceOptions& options,
                                                ServiceObserver observer) {
  ASHLAR_TRY(options.engine.Check());
  constexpr double kLongest = 1e9;
  if (!(options.keep_alive_seconds <= kLongest)) {  // a NaN too
    return Invalid("keep_alive_seconds must be at most {}, not {}", kLongest,
                   options.keep_alive_seconds);
  }
  if (options.max_waiting < 1) {
    return Invalid("max_waiting must be at least 1, not {}", options.max_waiting);
  }
  return std::unique_ptr<Service>(
      new Service(std::make_unique<State>(store, options, std::move(observer))));
}

NetworkCards& Service::cards() {
  return state_->cards;
}
const ServiceOptions& Service::options() const {
  return state_->options;
}
Result<GenerationId> Service::Submit(Generation generation, GenerationListener listener) {
  return state_->Submit(std::move(generation), std::move(listener));
}
void Service::Cancel(GenerationId id) {
  state_->Cancel(id);
}
Status Service::Load(const std::shared_ptr<const NetworkCard>& network) {
  return state_->Load(network);
}
Status Service::Pin(const std::shared_ptr<const NetworkCard>& network, bool pinned) {
  return state_->Pin(network, pinned);
}
Status Service::Unload(std::string_view name) {
  return state_->Unload(name);
}
ServiceStatus Service::status() const {
  return state_->status();
}
bool Service::draining() const {
  return state_->draining;
}
bool Service::Drain(double seconds) {
  return state_->Drain(seconds);
}

}  // namespace ashlar
