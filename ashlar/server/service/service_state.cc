#include "ashlar/server/service/service_state.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "ashlar/base/check.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/memory/memory_readings.h"
#include "ashlar/server/service/prompt_scores.h"

namespace ashlar {
namespace {

constexpr std::int64_t kMaxContinuations = 128;
constexpr std::int64_t kMostLogprobs = 100;  // of each token
// A step with prompts in it may take so many times as long as one that only decodes.
constexpr double kLongestStep = 2;
// Of logits of prompts that wait for the thread that takes their logarithms.
constexpr std::uint64_t kMostUnscoredBytes = 64 << 20;

Status CheckTokenLimits(const Generation& generation) {
  if (generation.min_tokens < 0 || generation.min_tokens > generation.max_tokens) {
    return Invalid("min_tokens must be in [0, {}], which is max_tokens, not {}",
                   generation.max_tokens, generation.min_tokens);
  }
  if (generation.constraint && generation.min_tokens > 0) {
    return Invalid("a constraint decides where the output ends: min_tokens cannot be had with it");
  }
  const auto known = [&](std::int32_t token) {
    return token >= 0 && token < generation.network->logits;
  };
  if (!std::ranges::all_of(generation.allowed_tokens, known)) {
    return Invalid("allowed_tokens must be in [0, {})", generation.network->logits);
  }
  for (const std::vector<std::int32_t>& word : generation.bad_words) {
    if (word.empty() || !std::ranges::all_of(word, known)) {
      return Invalid("bad_words must have one or more tokens, each in [0, {})",
                     generation.network->logits);
    }
  }
  return {};
}

}  // namespace

Service::State::State(BlobStore& store, const ServiceOptions& options_in, ServiceObserver observer)
    : options(options_in),
      cards(store, options.engine.kv_format, options.kv_formats),
      observer_(std::move(observer)),
      store_(store),
      engine_(store,
              [&] {
                EngineOptions engine = options_in.engine;
                engine.check_numbers |= engine.verify_blobs;
                engine.verify_blobs = false;  // the loader's thread does it
                // A budget counts all of it; few steps are as large as it would be.
                engine.prefault_workspace &=
                    options_in.memory_bytes != 0 || options_in.follow_memory;
                return engine;
              }()),
      pacer_(kLongestStep),
      budget_{.bytes = options_in.memory_bytes},
      machine_bytes_(MachineBytes()),
      waiting_(options_in.max_waiting) {
  if (options.follow_memory) {
    budget_ = FollowMemory({}, {}, ReadMemory(options.system_root), machine_bytes_, 0, Now());
  }
  ManageMemory();
  PublishStatus();
  engine_thread_ = std::thread([this] { internal::RunOrEnd("the engine's", [this] { Run(); }); });
}

Service::State::~State() {
  draining = true;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  engine_thread_.join();
  if (change_ != nullptr) {
    change_->stopped = true;
  }
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
  Post([this, task = std::move(task), answer] {
    task([this, answer](Status status) {
      PublishStatus();  // whoever is answered finds it so
      answer->set_value(std::move(status));
    });
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
  if (generation.embedding && (generation.max_tokens != 0 || generation.prompt_logprobs)) {
    return Invalid("an embedding comes without new tokens and without log-probabilities");
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
  ASHLAR_TRY(CheckTokenLimits(generation));
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
      SequencePageBytes(card.network, length + generation.max_tokens, card.kv_format);
  if (pages > options.engine.page_bytes) {
    return Exhausted("{} positions need {} of state, but the budget of all state is {}",
                     length + generation.max_tokens, FormatBytes(pages),
                     FormatBytes(options.engine.page_bytes));
  }
  if (options.weight_bytes != 0 && card.floor_bytes > options.weight_bytes) {
    return Exhausted(
        "network \"{}\" has {} of weights at least, but the budget of all weights is {}", card.name,
        FormatBytes(card.floor_bytes), FormatBytes(options.weight_bytes));
  }
  return {};
}

Status Service::State::CheckMayBegin() {
  if (draining) {
    return Conflict("the service is stopping");
  }
  if (full_) {
    ++refused_;
    return Conflict("memory is short: with the fewest levels it takes {} at least, of {}",
                    FormatBytes(status_.budget.floor_bytes), FormatBytes(status_.budget.bytes));
  }
  return {};
}

Result<std::unique_ptr<BegunRequest>> Service::State::BeginRequest() {
  const std::lock_guard lock(mutex_);
  ASHLAR_TRY(CheckMayBegin());
  ++requests_;
  return std::make_unique<BegunRequest>([this] {
    const std::lock_guard ending(mutex_);
    --requests_;
    changed_.notify_all();  // under the lock: who drains may end the service
  });
}

Result<GenerationId> Service::State::Submit(Generation generation, GenerationListener listener,
                                            BegunRequest* request, WhenRead when_read) {
  ASHLAR_TRY(Check(generation));
  const int continuations = generation.continuations;
  const std::string tenant = generation.tenant;
  const GenerationId id{next_id_++};
  auto job = std::make_unique<Job>();
  job->id = id;
  job->submitted_at = Now();
  job->when_read = std::move(when_read);
  if (generation.prompt_logprobs) {
    job->prompt_scores = std::make_shared<internal::PromptScores>();
    job->prompt_scores->tokens.resize(generation.prompt.size());
    job->prompt_scores->tokens.front().token = generation.prompt.front();
  }
  for (int i = 0; i < continuations; ++i) {
    const auto stop = [this, id, i] { Post([this, id, i] { CancelStream(id, i); }); };
    job->streams.push_back(
        {.channel = std::make_shared<internal::TextChannel>(generation, i, listener, stop)});
  }
  job->generation = std::move(generation);
  Job& queued = *job;
  std::list<std::function<void()>> begin;  // (A std::function wants to be copyable.)
  begin.push_back([this, shared = std::make_shared<std::unique_ptr<Job>>(std::move(job))] {
    Begin(std::move(*shared));
  });
  {
    const std::lock_guard lock(mutex_);
    if (request == nullptr) {
      ASHLAR_TRY(CheckMayBegin());
    } else if (stopping_) {
      return Conflict("the service is stopping");
    }
    if (request != nullptr && request->joined_) {
      waiting_.JoinMore(tenant, continuations, Now());
    } else if (const auto refusal = waiting_.Join(tenant, continuations, Now())) {
      return Conflict("{}", *refusal);
    }
    // It has its place: from here on nothing can fail. Under this lock: whoever drains finds it.
    queued.goes_on = request != nullptr && std::exchange(request->joined_, true);
    live_ += continuations;
    tasks_.splice(tasks_.end(), begin);
  }
  changed_.notify_all();
  return id;
}

std::int64_t Service::State::RetrySeconds(std::string_view tenant) const {
  const std::lock_guard lock(mutex_);
  return waiting_.RetrySeconds(tenant, Now());
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

Status Service::State::Pin(const std::shared_ptr<const NetworkCard>& card) {
  return Ask([this, card](std::function<void(Status)> answer) {
    Resident& resident = ResidentFor(card);
    const bool before = std::exchange(resident.pinned, true);  // from now: Unpin finds what it undoes
    residents_changed_ = true;
    const auto tell = [&resident, before, answer = std::move(answer)](const Status& loaded) {
      if (!loaded.ok()) {
        resident.pinned = resident.pinned && before;
        answer(loaded);
      } else if (!resident.pinned) {
        answer(Conflict("network \"{}\" was unpinned while it was loaded", resident.card->name));
      } else {
        answer({});
      }
    };
    if (resident.state == Residency::kLoaded) {
      tell({});
    } else {
      Want(resident, {.generation = {}, .tell = tell});
    }
  });
}

Status Service::State::Unpin(std::string_view name) {
  return Ask([this, name = std::string(name)](const std::function<void(Status)>& answer) {
    Status unpinned = NotFound("network \"{}\" is not loaded", name);
    for (auto& [key, resident] : residents_) {  // several when its tag moved, or its format
      if (resident.names.contains(name) &&
          (resident.state == Residency::kLoaded || resident.pinned)) {
        resident.pinned = false;
        unpinned = {};
      }
    }
    residents_changed_ = true;
    answer(unpinned);
  });
}

Status Service::State::Unload(std::string_view name) {
  return Ask([this, name = std::string(name)](std::function<void(Status)> answer) {
    const auto named = [&](const auto& entry) {
      return entry.second.names.contains(name) && entry.second.state == Residency::kLoaded;
    };
    Status may = NotFound("network \"{}\" is not loaded", name);
    for (auto& entry : residents_) {  // several when its tag moved, or its format of state
      if (!named(entry)) {
        continue;
      }
      const Resident& resident = entry.second;
      const std::int64_t users = resident.users + std::ssize(resident.waiters);
      may = resident.pinned ? Conflict("network \"{}\" is pinned", name)
            : users > 0     ? Conflict("network \"{}\" is used by {} generations", name, users)
                            : Status();
      if (!may.ok()) {
        break;
      }
    }
    if (may.ok()) {
      std::erase_if(residents_, [&](const auto& entry) {
        const bool goes = named(entry);
        CHECK(!goes || engine_.Unload(entry.second.id).ok());
        return goes;
      });
      ResidentsMoved();
      DropUnusedParts();
    }
    answer(may);
  });
}

ServiceStatus Service::State::status() const {
  const std::lock_guard lock(mutex_);
  ServiceStatus status = status_;
  status.waiting = waiting_.size();
  status.running = live_ - waiting_.size();
  return status;
}

bool Service::State::Drain(double seconds) {
  draining = true;
  {
    std::unique_lock lock(mutex_);
    constexpr double kLongest = 1e9;
    const auto longest = std::chrono::duration<double>(std::clamp(seconds, 0.0, kLongest));
    if (changed_.wait_for(lock, longest, [this] { return live_ == 0 && requests_ == 0; })) {
      return true;
    }
    stopping_ = true;
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
  changed_.wait(lock, [this] { return live_ == 0; });
  return false;
}

// ---- The engine's thread

void Service::State::Run() {
  while (true) {
    RunTasks();
    ExpireJobs();
    ManageResidency();
    ManageMemory();
    ReadNetworks();
    FollowPrefixes();
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
    engine_.Rest();
    WaitForTasks();
  }
}

void Service::State::RunTasks() {
  std::list<std::function<void()>> tasks;
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
    for (auto& [key, resident] : residents_) {
      TellWaiters(resident, Conflict("the service is stopping"));
    }
    TellShrunk();
  }
}

void Service::State::WaitForTasks() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(kLookMicros),
                    [this] { return !tasks_.empty() || ending_; });
}

void Service::State::Step() {
  if (observer_.before_step) {
    observer_.before_step();
  }
  const internal::PromptPacer::Allowance allowed = pacer_.allowed();
  engine_.set_prompts_beside_decoding(allowed.rows, allowed.work);
  const std::int64_t begin = Now();
  const auto deliveries = engine_.Step();
  const double seconds = SecondsOf(Now() - begin);
  if (!deliveries.ok()) {
    std::vector<GenerationId> failed;
    for (const auto& [id, job] : jobs_) {
      EndStreams(*job, GenerationEnd::kFailed, deliveries.error());
      failed.push_back(id);
    }
    std::ranges::for_each(failed, [this](GenerationId id) { EraseIfEnded(id); });
    return;
  }
  std::vector<GenerationId> touched;  // what follows calls the engine, when its views are read
  for (const Delivery& delivery : *deliveries) {
    const auto found = streams_.find(static_cast<std::uint64_t>(delivery.request));
    if (found == streams_.end()) {
      continue;
    }
    const auto [job, index] = found->second;
    touched.push_back(job->id);
    Deliver(delivery, begin);
  }
  for (const GenerationId id : touched) {
    Job& job = *jobs_.at(id);
    if (job.read && job.when_read) {
      std::exchange(job.when_read, nullptr)(job.resident->id);
    }
    SubmitFollowers(job);
  }
  for (const GenerationId id : touched) {
    EraseIfEnded(id);
  }
  const StepWork work = engine_.last_work();
  pacer_.Observe(work, seconds);
  if (observer_.on_step) {
    observer_.on_step(seconds, work);
  }
}

void Service::State::Deliver(const Delivery& delivery, std::int64_t step_begun_at) {
  const auto [job, index] = streams_.at(static_cast<std::uint64_t>(delivery.request));
  Stream& stream = job->streams[index];
  if (!job->begun) {
    job->begun = true;
    job->begun_at = step_begun_at;
    job->cached_tokens = delivery.cached_tokens;
  }
  if (!std::exchange(stream.begun, true)) {
    const std::lock_guard lock(mutex_);
    waiting_.Begin(job->generation.tenant, step_begun_at);
  }
  if (delivery.plan != 0 && (stream.plans.empty() || stream.plans.back().plan != delivery.plan)) {
    stream.plans.push_back({delivery.plan, delivery.first_position});
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
  internal::News news{.token = delivery.token, .stop_token = delivery.stop_token};
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
      job->read |= index == 0;
      news.end = stream.reads_only ? GenerationEnd::kStop : GenerationEnd::kLength;
      break;
    case FinishReason::kCancelled:
      news.end =
          job->cancelled != GenerationEnd::kNone ? job->cancelled : GenerationEnd::kCancelled;
      break;
    case FinishReason::kFailed:
      news.end = GenerationEnd::kFailed;
      // What names a part of the request, as its constraint does, is not the network's fault.
      news.error =
          delivery.error->message.starts_with('$')
              ? *delivery.error
              : delivery.error->In(fmt::format("network \"{}\"", job->generation.network->name));
      job->resident->suspect |= engine_.FailureOf(job->resident->id).has_value();
      break;
  }
  EndStream(*job, index, std::move(news));
}

void Service::State::CollectLogits(Job& job, const Delivery& delivery) {
  const Generation& generation = job.generation;
  if (generation.embedding) {
    if (!job.embedding) {
      job.embedding.emplace(*generation.embedding, generation.network->hidden_width);
    }
    job.embedding->Add(delivery.logits);
    return;
  }
  const auto width = static_cast<std::size_t>(generation.network->logits);
  const auto first = static_cast<std::size_t>(delivery.logits_first_position);
  const std::size_t rows =
      std::min(delivery.logits.size() / width, generation.prompt.size() - 1 - first);
  if (rows == 0) {
    return;
  }
  // Not by this thread, for which everybody waits. The view is of the engine's memory: a copy.
  const std::span<const float> logits = delivery.logits.first(rows * width);
  const auto next = generation.prompt.begin() + static_cast<std::ptrdiff_t>(first) + 1;
  unscored_bytes_ += logits.size_bytes();
  auto score = [scores = job.prompt_scores, first, width, top = *generation.prompt_logprobs,
                tokens = std::vector(next, next + static_cast<std::ptrdiff_t>(rows)),
                logits = std::vector(logits.begin(), logits.end()), this] {
    try {
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        scores->tokens[first + 1 + i] =
            internal::ScoreToken(std::span(logits).subspan(i * width, width), tokens[i], top);
      }
    } catch (...) {  // whoever takes them meets it
      const std::lock_guard lock(scores->failing);
      scores->exception = std::current_exception();
    }
    unscored_bytes_ -= logits.size() * sizeof(float);
  };
  if (unscored_bytes_ > kMostUnscoredBytes) {  // it does not keep up: here after all
    score();
  } else {
    delivery_.Post(std::move(score));
  }
}

void Service::State::ExpireJobs() {
  const std::int64_t now = Now();
  std::vector<GenerationId> expired;
  for (const auto& [id, job] : jobs_) {
    const std::int64_t deadline = job->generation.deadline_micros;
    if (deadline != 0 && now >= deadline && job->cancelled == GenerationEnd::kNone) {
      CancelJob(*job, GenerationEnd::kTimeout);
      expired.push_back(id);
    }
  }
  std::ranges::for_each(expired, [this](GenerationId id) { EraseIfEnded(id); });
}

}  // namespace ashlar
