#include "ashlar/server/api/work_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ashlar {

namespace {

void Guarded(const std::function<void()>& part) {
  try {
    part();
  } catch (const std::exception&) {  // the header says what becomes of it
  }
}

}  // namespace

WorkQueue::WorkQueue(const WorkQueueOptions& options)
    : one_tenant_(options.one_tenant),
      most_of_several_(std::max(1, options.threads - 1)),
      line_(options.places) {
  for (int i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

WorkQueue::~WorkQueue() {
  Close();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void WorkQueue::Close() {
  std::list<Task> waiting;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [tenant, lane] : lanes_) {
      waiting.splice(waiting.end(), lane.tasks);
    }
  }
  wake_.notify_all();
  for (; !waiting.empty(); waiting.pop_front()) {
    Guarded(waiting.front().task.let_go);
  }
}

std::optional<std::int64_t> WorkQueue::Post(const std::string& tenant, QueuedTask task) {
  std::list<Task> one;
  one.push_back({std::move(task), true});
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      const std::int64_t now = clock_.NowMicros();
      Lane& lane = lanes_[tenant];
      if (line_.Join(tenant, 1, now)) {
        return line_.RetrySeconds(tenant, now);
      }
      lane.tasks.splice(lane.tasks.end(), one);  // which cannot fail: it has its place
      wake_.notify_one();
      return std::nullopt;
    }
  }
  Guarded(one.front().task.let_go);
  return std::nullopt;
}

void WorkQueue::PostMore(const std::string& tenant, QueuedTask task) {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      lanes_[tenant].tasks.push_front({std::move(task), false});
      wake_.notify_one();
      return;
    }
  }
  Guarded(task.let_go);
}

// Of those that may have one more thread, that which had none for longest.
std::map<std::string, WorkQueue::Lane>::iterator WorkQueue::NextLane() {
  const auto may_have_one_more = [this](const Lane& lane) {
    return !lane.tasks.empty() && (lane.running < most_of_several_ || one_tenant_());
  };
  auto next = lanes_.end();
  for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
    if (may_have_one_more(lane->second) &&
        (next == lanes_.end() || lane->second.turn < next->second.turn)) {
      next = lane;
    }
  }
  return next;
}

void WorkQueue::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    auto lane = NextLane();
    while (lane == lanes_.end() && !closed_) {
      wake_.wait(lock);
      lane = NextLane();
    }
    if (closed_) {
      return;
    }
    {
      std::list<Task> one;
      one.splice(one.end(), lane->second.tasks, lane->second.tasks.begin());
      lane->second.turn = ++turns_;
      ++lane->second.running;
      if (one.front().in_line) {
        line_.Begin(lane->first, clock_.NowMicros());
      }
      lock.unlock();
      Guarded(one.front().task.run);
    }
    lock.lock();
    --lane->second.running;
  }
}

}  // namespace ashlar
