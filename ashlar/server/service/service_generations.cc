#include <algorithm>
#include <cstring>

#include "ashlar/base/check.h"
#include "ashlar/server/service/service_state.h"
#include "ashlar/server/service/thrown.h"
#include "ashlar/server/service/token_limits.h"

namespace ashlar {

using internal::News;

std::uint64_t CacheScopeNumber(const std::string& scope) {
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
  SubmitFollowers(job);  // it may have ended already
}

void Service::State::SubmitStream(Job& job, int index) {
  const Generation& generation = job.generation;
  Request request{
      .network = job.resident->id,
      .prompt = generation.prompt,
      .max_tokens = generation.max_tokens,
      .sampling = generation.sampling,
      .stop_tokens = generation.stop_tokens,
      .prompt_logits = index == 0 && (generation.prompt_logprobs || generation.embedding),
      .hidden_states = generation.embedding.has_value(),
      .priority = generation.priority,
      .cache_scope = CacheScopeNumber(generation.cache_scope),
      .any_precision = generation.any_precision,
      .goes_on = job.goes_on || index > 0};
  request.sampling.seed += static_cast<std::uint64_t>(index);
  if (!generation.ignore_eos) {
    const auto& eos = generation.network->network.metadata.eos_tokens;
    request.stop_tokens.insert(request.stop_tokens.end(), eos.begin(), eos.end());
  }
  if (generation.constraint) {
    try {
      request.constraint = generation.constraint();
    } catch (const std::exception& exception) {
      EndStream(job, index,
                {.end = GenerationEnd::kFailed,
                 .error = internal::ErrorOf(exception),
                 .thrown = std::current_exception()});
      return;
    }
    if (request.constraint == nullptr) {
      EndStream(job, index, {.end = GenerationEnd::kFailed, .error = Invalid("no constraint")});
      return;
    }
    if (request.constraint->finished()) {  // the only output is the empty one
      if (!request.prompt_logits) {
        EndStream(job, index, {.end = GenerationEnd::kStop});
        return;
      }
      job.streams[index].reads_only = true;
      request.max_tokens = 0;
      request.constraint = nullptr;
    }
  }
  request.constraint =
      internal::LimitTokens(generation, request.stop_tokens, std::move(request.constraint));
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
          .begun = job.begun,
          .queue_seconds = SecondsOf((job.begun ? job.begun_at : now) - job.submitted_at),
          .prompt_seconds =
              job.begun
                  ? SecondsOf((job.first_token_at != 0 ? job.first_token_at : now) - job.begun_at)
                  : 0,
          .total_seconds = SecondsOf(now - job.submitted_at)};
}

void Service::State::Send(Job& job, int index, News news) {
  news.usage = UsageOf(job, job.streams[index]);
  news.plans = job.streams[index].plans;
  if (index == 0) {
    news.prompt_scores = std::exchange(job.prompt_scores, nullptr);
  }
  if (index == 0 && job.embedding && news.end == GenerationEnd::kLength) {
    news.embedding = job.embedding->Row();
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
  delivery_.Post([this, count, unbegun, tenant = job.generation.tenant] {
    {
      const std::lock_guard lock(mutex_);
      live_ -= count;
      waiting_.Leave(tenant, unbegun);
    }
    changed_.notify_all();
  });
  jobs_.erase(found);
}

void Service::State::PublishStatus() {
  if (!std::exchange(bytes_counted_, true)) {
    CountBytes();
  }
  ServiceStatus status;
  const std::int64_t now = Now();
  status.budget = BudgetNow();
  status.resident_weight_bytes = managed() ? status.budget.weight_bytes : resident_bytes_;
  status.weight_budget = budget_.bytes == 0 ? options.weight_bytes : division_.weight_bytes;
  const PageUse pages = engine_.page_use();
  status.page_bytes_used = pages.running + pages.cached;
  status.page_bytes_held = pages.running;
  status.page_bytes_pinned = pages.pinned;
  status.page_bytes_budget = pages.budget;
  status.engine = engine_.counters();
  for (const auto& [key, resident] : residents_) {
    if (resident.state == Residency::kAbsent) {
      continue;
    }
    status.networks.push_back(
        {.name = resident.card->name,
         .digest = key.digest,
         .residency = resident.state,
         .kv_format = key.kv_format,
         .pinned = resident.pinned,
         .running = resident.users + std::ssize(resident.waiters),
         .plan = resident.state == Residency::kLoaded ? engine_.PlanOf(resident.id) : 0,
         .weight_bytes = resident.card->weight_bytes,
         .unique_bytes = resident.unique_bytes,
         .idle_seconds = SecondsOf(now - resident.last_used),
         .failure = resident.failure});
  }
  const std::lock_guard lock(mutex_);
  free_page_bytes_ = most_page_bytes_ - std::min(most_page_bytes_, status.page_bytes_pinned);
  status_ = std::move(status);
}

}  // namespace ashlar
