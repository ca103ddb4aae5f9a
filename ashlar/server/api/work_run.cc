#include "ashlar/server/api/work_run.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "ashlar/server/http/event_stream.h"

namespace ashlar {
namespace {

constexpr std::size_t kAtOnce = 32;

// For logs: nobody hears of it.
constexpr int kClientGone = 499;

class WorkRun : public std::enable_shared_from_this<WorkRun> {
 public:
  WorkRun(WorkPlace place, std::unique_ptr<BegunRequest> begun, Work work,
          std::shared_ptr<HttpResponder> responder, WorkObserver observer)
      : place_(std::move(place)),
        begun_(std::move(begun)),
        work_(std::move(work)),
        responder_(std::move(responder)),
        observer_(std::move(observer)) {
    for (const Generation& generation : work_.generations) {
      waiting_.push_back(open_.size());
      open_.push_back(std::max(1, generation.continuations));
    }
  }

  void Start() {
    responder_->OnClosed([weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->ClientGone();
      }
    });
    SubmitMore();
  }

 private:
  // Puts generations into the service until enough of them are there.
  void SubmitMore() {
    for (;;) {
      std::size_t index = 0;
      {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty() || in_service_ == kAtOnce) {
          return;
        }
        index = waiting_.front();
        waiting_.pop_front();
        ++in_service_;
      }
      const Result<GenerationId> id = place_.service.Submit(
          work_.generations[index],
          [self = shared_from_this(), index](GenerationEvent event) {
            self->OnEvent(index, std::move(event));
          },
          begun_.get());
      if (!Submitted(index, id)) {
        return;
      }
    }
  }

  // Whether to go on submitting.
  bool Submitted(std::size_t index, const Result<GenerationId>& id) {
    std::unique_lock lock(mutex_);
    if (!id.ok()) {
      --in_service_;
      Stop(std::move(lock), ProblemOfRefusal(id.error(), work_.generations[index].tenant));
      return false;
    }
    if (stopped_) {
      lock.unlock();
      place_.service.Cancel(*id);
      return false;
    }
    if (open_[index] > 0) {
      ids_.emplace(index, *id);
    }
    return true;
  }

  void OnEvent(std::size_t index, GenerationEvent event) {
    if (observer_.on_event) {
      observer_.on_event(index, event);
    }
    std::unique_lock lock(mutex_);
    if (event.usage.begun) {
      usage_.Take(static_cast<int>(index), event);
      TakeTimes(event.usage, !event.tokens.empty());
    }
    plans_.Take(static_cast<int>(index), event);
    const bool ended = event.end != GenerationEnd::kNone && --open_[index] == 0;
    if (ended) {
      ids_.erase(index);
      --in_service_;
      ++ended_;
    }
    if (stopped_ || over_) {
      EndIfLetGo(std::move(lock));
      return;
    }
    if (event.end != GenerationEnd::kNone) {
      finish_reason_ = kEndNames[static_cast<std::size_t>(event.end)];
    }
    if (event.end == GenerationEnd::kCancelled || event.end == GenerationEnd::kTimeout ||
        event.end == GenerationEnd::kFailed) {
      Stop(std::move(lock), ProblemOfEnd(event));
      return;
    }
    const std::string out = work_.answer->Take(static_cast<int>(index), event);
    const bool gone = !out.empty() && !WriteStream(out);
    const bool done = ended_ == work_.generations.size();
    if (gone) {
      Stop(std::move(lock), {.status = kClientGone});
    } else if (done && work_.stream) {
      const std::string last = work_.answer->End();
      End(std::move(lock), 200);
      WriteStream(last);
      responder_->End();
    } else if (done || (ended && !waiting_.empty())) {
      lock.unlock();
      // Not here: a large answer takes time to write, and Submit may not be called back into.
      place_.queue.PostMore(place_.tenant,
                            {.run = [self = shared_from_this(),
                                     done] { done ? self->SendWhole() : self->SubmitMore(); },
                             .let_go =
                                 [self = shared_from_this()] {
                                   self->Stop(std::unique_lock(self->mutex_), ShuttingDown());
                                 }});
    }
  }

  void SendWhole() {
    std::unique_lock lock(mutex_);
    if (!stopped_ && !over_) {
      HttpResponse response = JsonResponse(work_.answer->Whole());
      AddPlans(response.headers);
      End(std::move(lock), 200);
      responder_->Send(std::move(response));
    }
  }

  void AddPlans(HttpHeaders& headers) const {
    if (std::string plans = plans_.Names(); !plans.empty()) {
      headers.push_back({std::string(kPlanHeader), std::move(plans)});
    }
  }

  bool WriteStream(std::string_view text) {
    if (!std::exchange(streaming_, true)) {
      HttpHeaders headers = {{"Cache-Control", "no-cache"}};
      AddPlans(headers);
      responder_->BeginStream(200, kEventStreamType, std::move(headers));
    }
    return responder_->Write(text);
  }

  void ClientGone() { Stop(std::unique_lock(mutex_), {.status = kClientGone}); }

  // Begins no more of it, and cancels what runs. `problem` is what the client is told then.
  void Stop(std::unique_lock<std::mutex> lock, Problem problem) {
    if (stopped_ || over_) {
      EndIfLetGo(std::move(lock));
      return;
    }
    if (problem.status == kClientGone) {
      finish_reason_ = "cancelled";
    }
    stopped_ = std::move(problem);
    waiting_.clear();
    const auto ids = std::exchange(ids_, {});
    lock.unlock();
    for (const auto& [index, id] : ids) {
      place_.service.Cancel(id);
    }
    lock.lock();
    EndIfLetGo(std::move(lock));
  }

  // The client is told, by a status or, in mid-stream, by an event.
  void EndIfLetGo(std::unique_lock<std::mutex> lock) {
    if (over_ || in_service_ > 0) {
      return;
    }
    const Problem problem = *stopped_;
    const std::string last = streaming_ ? work_.answer->Fail(problem) : std::string();
    End(std::move(lock), problem.status);
    if (streaming_) {
      responder_->Write(last);
      responder_->End();
    } else {
      responder_->Send(problem.Response());
    }
  }

  // Nothing is answered by others from here on. What the request held is given back before its
  // client can know that it is over, and ask again.
  void End(std::unique_lock<std::mutex> lock, int status) {
    over_ = true;
    const WorkOutcome outcome{.status = status,
                              .finish_reason = finish_reason_,
                              .queue_seconds = queue_seconds_,
                              .prefill_seconds = prefill_seconds_,
                              .prompt_tokens = usage_.prompt_tokens(),
                              .cached_tokens = usage_.cached_tokens(),
                              .completion_tokens = usage_.completion_tokens()};
    lock.unlock();
    if (observer_.on_end) {
      observer_.on_end(outcome);
    }
    begun_.reset();
  }

  void TakeTimes(const GenerationUsage& usage, bool has_tokens) {
    if (!queue_seconds_) {
      queue_seconds_ = usage.queue_seconds;
    }
    if (prefill_seconds_ == 0 && has_tokens) {
      prefill_seconds_ = usage.prompt_seconds;
    }
  }

  Problem ProblemOfRefusal(const Error& error, std::string_view tenant) const {
    if (error.code == ErrorCode::kConflict && place_.service.draining()) {
      return ShuttingDown();
    }
    Problem problem = ProblemOf(error);
    if (problem.status == 429) {
      problem.retry_after_seconds = static_cast<double>(place_.service.RetrySeconds(tenant));
    }
    return problem;
  }

  static Problem ProblemOfEnd(const GenerationEvent& event) {
    if (event.end == GenerationEnd::kTimeout) {
      return {.status = 504, .message = "the request's timeout passed", .code = "timeout"};
    }
    if (event.end == GenerationEnd::kCancelled) {
      return {.status = 503, .message = "the server is shutting down", .code = "cancelled"};
    }
    return event.error ? ProblemOf(*event.error)
                       : Problem{.status = 500, .message = "the generation failed"};
  }

  static constexpr std::string_view kEndNames[] = {"",          "stop",    "length",
                                                   "cancelled", "timeout", "error"};

  WorkPlace place_;
  std::unique_ptr<BegunRequest> begun_;
  Work work_;
  std::shared_ptr<HttpResponder> responder_;
  WorkObserver observer_;

  std::mutex mutex_;                 // over what follows, and the answer
  std::deque<std::size_t> waiting_;  // not in the service yet
  std::size_t in_service_ = 0;
  std::size_t ended_ = 0;
  std::vector<int> open_;  // continuations that have not ended, of each generation
  std::map<std::size_t, GenerationId> ids_;
  UsageCount usage_;
  PlanTrail plans_;
  std::string finish_reason_;
  std::optional<double> queue_seconds_;
  double prefill_seconds_ = 0;
  bool streaming_ = false;
  std::optional<Problem> stopped_;  // what will be answered when the service has let go of it
  bool over_ = false;               // answered, or nobody is there to answer
};

}  // namespace

void StartWork(WorkPlace place, std::unique_ptr<BegunRequest> begun, Work work,
               std::shared_ptr<HttpResponder> responder, WorkObserver observer) {
  std::make_shared<WorkRun>(std::move(place), std::move(begun), std::move(work),
                            std::move(responder), std::move(observer))
      ->Start();
}

}  // namespace ashlar
