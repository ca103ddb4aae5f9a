#include "ashlar/server/api/work_run.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "ashlar/server/http/event_stream.h"

namespace ashlar {
namespace {

constexpr std::size_t kAtOnce = 32;

class WorkRun : public std::enable_shared_from_this<WorkRun> {
 public:
  WorkRun(WorkPlace place, Work work, std::shared_ptr<HttpResponder> responder,
          WorkObserver observer)
      : place_(place),
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
        if (over_ || waiting_.empty() || in_service_ == kAtOnce) {
          return;
        }
        index = waiting_.front();
        waiting_.pop_front();
        ++in_service_;
      }
      const Result<GenerationId> id = place_.service.Submit(
          work_.generations[index], [self = shared_from_this(), index](GenerationEvent event) {
            self->OnEvent(index, std::move(event));
          });
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
      if (id.error().code == ErrorCode::kConflict && in_service_ > 0 && !over_) {
        waiting_.push_front(index);  // again when one of those has ended
        return false;
      }
      Problem problem = ProblemOf(id.error());
      if (problem.status == 429) {
        problem.retry_after_seconds =
            static_cast<double>(place_.service.RetrySeconds(work_.generations[index].tenant));
      }
      Fail(std::move(lock), problem);
      return false;
    }
    if (over_) {
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
    usage_.Take(static_cast<int>(index), event);
    plans_.Take(static_cast<int>(index), event);
    TakeTimes(event);
    const bool ended = event.end != GenerationEnd::kNone && --open_[index] == 0;
    if (ended) {
      ids_.erase(index);
      --in_service_;
      ++ended_;
    }
    if (over_) {
      return;
    }
    if (event.end == GenerationEnd::kCancelled || event.end == GenerationEnd::kTimeout ||
        event.end == GenerationEnd::kFailed) {
      Fail(std::move(lock), ProblemOfEnd(event));
      return;
    }
    const std::string out = work_.answer->Take(static_cast<int>(index), event);
    const bool gone = !out.empty() && !WriteStream(out);
    const bool done = ended_ == work_.generations.size();
    if (gone) {
      End(std::move(lock), kClientGone);
    } else if (done && work_.stream) {
      const std::string last = work_.answer->End();
      End(std::move(lock), 200);
      WriteStream(last);
      responder_->End();
    } else if (done || (ended && !waiting_.empty())) {
      // Not here: a large answer takes time to write, and Submit may not be called back into.
      place_.queue.PostMore(
          [self = shared_from_this(), done] { done ? self->SendWhole() : self->SubmitMore(); });
    }
  }

  void SendWhole() {
    std::unique_lock lock(mutex_);
    if (!over_) {
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

  void ClientGone() {
    std::unique_lock lock(mutex_);
    if (!over_) {
      End(std::move(lock), kClientGone);
    }
  }

  // The client is told, by a status or, in mid-stream, by an event.
  void Fail(std::unique_lock<std::mutex> lock, const Problem& problem) {
    if (over_) {
      return;
    }
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
                              .finish_reason = status == kClientGone ? "cancelled" : finish_reason_,
                              .queue_seconds = queue_seconds_,
                              .prefill_seconds = prefill_seconds_,
                              .prompt_tokens = usage_.prompt_tokens(),
                              .cached_tokens = usage_.cached_tokens(),
                              .completion_tokens = usage_.completion_tokens()};
    const auto ids = std::exchange(ids_, {});
    lock.unlock();
    for (const auto& [index, id] : ids) {
      place_.service.Cancel(id);
    }
    if (observer_.on_end) {
      observer_.on_end(outcome);
    }
  }

  void TakeTimes(const GenerationEvent& event) {
    constexpr std::string_view kEndNames[] = {"",          "stop",    "length",
                                              "cancelled", "timeout", "error"};
    if (event.end != GenerationEnd::kNone) {
      finish_reason_ = kEndNames[static_cast<std::size_t>(event.end)];
    }
    if (queue_seconds_ == 0) {
      queue_seconds_ = event.usage.queue_seconds;
    }
    if (prefill_seconds_ == 0 && !event.tokens.empty()) {
      prefill_seconds_ = event.usage.prompt_seconds;
    }
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

  static constexpr int kClientGone = 499;

  WorkPlace place_;
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
  double queue_seconds_ = 0;
  double prefill_seconds_ = 0;
  bool streaming_ = false;
  bool over_ = false;  // answered, or nobody is there to answer
};

}  // namespace

void StartWork(WorkPlace place, Work work, std::shared_ptr<HttpResponder> responder,
               WorkObserver observer) {
  std::make_shared<WorkRun>(place, std::move(work), std::move(responder), std::move(observer))
      ->Start();
}

}  // namespace ashlar
