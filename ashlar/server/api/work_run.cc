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
        self->Guarded([&] { self->GiveUp({.status = kClientGone}); });
      }
    });
    Guarded([this] { SubmitMore(); });
  }

 private:
  // Does a part of it on a thread that no library's exception may end: the request fails by it.
  template <class Part>
  void Guarded(const Part& part) {
    try {
      part();
    } catch (const std::exception& exception) {
      const std::lock_guard lock(mutex_);
      try {
        if (exception_.empty()) {
          exception_ = ExceptionName(exception);
        }
        Stop(ProblemOf(exception));
      } catch (const std::exception&) {
        // There is no memory to say even that. Who was to hear of it, the responder and the
        // observer, goes with the last of it, unanswered.
        over_ = true;
        waiting_.clear();
      }
    }
  }

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
      if (!Submitted(index, Submit(index))) {
        return;
      }
    }
  }

  Result<GenerationId> Submit(std::size_t index) {
    try {
      return place_.service.Submit(
          work_.generations[index],
          [self = shared_from_this(), index](GenerationEvent event) {
            // Each by itself: who is told may fail, and what has ended is counted all the same.
            self->Guarded([&] { self->Tell(index, event); });
            self->Guarded([&] { self->OnEvent(index, std::move(event)); });
          },
          begun_.get());
    } catch (...) {
      const std::lock_guard lock(mutex_);
      --in_service_;  // it did not come to be there
      throw;
    }
  }

  // Whether to go on submitting.
  bool Submitted(std::size_t index, const Result<GenerationId>& id) {
    const std::lock_guard lock(mutex_);
    if (!id.ok()) {
      --in_service_;
      Stop(ProblemOfRefusal(id.error(), work_.generations[index].tenant));
      return false;
    }
    if (stopped_ || over_) {
      place_.service.Cancel(*id);
      return false;
    }
    if (open_[index] > 0) {
      ids_.emplace(index, *id);
    }
    return true;
  }

  void Tell(std::size_t index, const GenerationEvent& event) const {
    if (observer_.on_event) {
      observer_.on_event(index, event);
    }
  }

  void OnEvent(std::size_t index, GenerationEvent event) {
    std::unique_lock lock(mutex_);
    const bool ended = event.end != GenerationEnd::kNone && --open_[index] == 0;
    if (ended) {
      ids_.erase(index);
      --in_service_;
      ++ended_;
    }
    if (event.usage.begun) {
      usage_.Take(static_cast<int>(index), event);
      TakeTimes(event.usage, !event.tokens.empty());
    }
    plans_.Take(static_cast<int>(index), event);
    if (stopped_ || over_) {
      EndIfLetGo();
      return;
    }
    if (event.thrown) {
      std::rethrow_exception(event.thrown);
    }
    if (event.end != GenerationEnd::kNone) {
      finish_reason_ = kEndNames[static_cast<std::size_t>(event.end)];
    }
    if (event.end == GenerationEnd::kCancelled || event.end == GenerationEnd::kTimeout ||
        event.end == GenerationEnd::kFailed) {
      Stop(ProblemOfEnd(event));
      return;
    }
    const std::string out = work_.answer->Take(static_cast<int>(index), event);
    const bool gone = !out.empty() && !WriteStream(out);
    const bool done = ended_ == work_.generations.size();
    if (gone) {
      Stop({.status = kClientGone});
    } else if (done && work_.stream) {
      const std::string last = work_.answer->End();
      BeginStream();
      responder_->End(last, Ending(200));
    } else if (done || (ended && !waiting_.empty())) {
      lock.unlock();
      // Not here: a large answer takes time to write, and Submit may not be called back into.
      place_.queue.PostMore(
          place_.tenant,
          {.run = [self = shared_from_this(),
                   done] { self->Guarded([&] { done ? self->SendWhole() : self->SubmitMore(); }); },
           .let_go =
               [self = shared_from_this(), done] {
                 self->Guarded([&] { done ? self->SendWhole() : self->GiveUp(ShuttingDown()); });
               }});
    }
  }

  void SendWhole() {
    const std::lock_guard lock(mutex_);
    if (!stopped_ && !over_) {
      HttpResponse response = JsonResponse(work_.answer->Whole());
      AddPlans(response.headers);
      responder_->Send(std::move(response), Ending(200));
    }
  }

  void AddPlans(HttpHeaders& headers) const {
    if (std::string plans = plans_.Names(); !plans.empty()) {
      headers.push_back({std::string(kPlanHeader), std::move(plans)});
    }
  }

  void BeginStream() {
    if (!streaming_) {
      HttpHeaders headers = {{"Cache-Control", "no-cache"}};
      AddPlans(headers);
      responder_->BeginStream(200, kEventStreamType, std::move(headers));
      streaming_ = true;
    }
  }

  bool WriteStream(std::string_view text) {
    BeginStream();
    return responder_->Write(text);
  }

  void GiveUp(Problem problem) {
    const std::lock_guard lock(mutex_);
    Stop(std::move(problem));
  }

  // ---- All that follows requires mutex_

  // Begins no more of it, and cancels what runs. `problem` is what the client is told then.
  void Stop(Problem problem) {
    if (!stopped_ && !over_) {
      if (problem.status == kClientGone) {
        finish_reason_ = "cancelled";
      }
      stopped_ = std::move(problem);
      waiting_.clear();
      for (const auto& [index, id] : std::exchange(ids_, {})) {
        place_.service.Cancel(id);
      }
    }
    EndIfLetGo();
  }

  // The client is told, by a status or, in mid-stream, by an event.
  void EndIfLetGo() {
    if (over_ || in_service_ > 0) {
      return;
    }
    if (streaming_) {
      responder_->End(work_.answer->Fail(*stopped_), Ending(stopped_->status));
    } else {
      responder_->Send(stopped_->Response(), Ending(stopped_->status));
    }
  }

  // What is to be done when the end of the answer is sure. Nothing is answered by others from there
  // on; and what the request held is given back before its client can know that it is over, and ask
  // again.
  std::function<void()> Ending(int status) {
    return [this, outcome = WorkOutcome{.status = status,
                                        .finish_reason = finish_reason_,
                                        .exception = exception_,
                                        .queue_seconds = queue_seconds_,
                                        .prefill_seconds = prefill_seconds_,
                                        .prompt_tokens = usage_.prompt_tokens(),
                                        .cached_tokens = usage_.cached_tokens(),
                                        .completion_tokens = usage_.completion_tokens()}] {
      over_ = true;
      const auto begun = std::move(begun_);
      if (observer_.on_end) {
        observer_.on_end(outcome);
      }
    };
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
  std::string exception_;
  std::optional<double> queue_seconds_;
  double prefill_seconds_ = 0;
  bool streaming_ = false;
  std::optional<Problem> stopped_;  // what will be answered when the service has let go of it
  bool over_ = false;               // answered, or nobody can be
};

}  // namespace

void StartWork(WorkPlace place, std::unique_ptr<BegunRequest> begun, Work work,
               std::shared_ptr<HttpResponder> responder, WorkObserver observer) {
  std::make_shared<WorkRun>(std::move(place), std::move(begun), std::move(work),
                            std::move(responder), std::move(observer))
      ->Start();
}

}  // namespace ashlar
