#include "ashlar/server/api/work_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ashlar {

WorkQueue::WorkQueue(const WorkQueueOptions& options)
    : most_of_one_(options.one_tenant ? options.threads : std::max(1, options.threads - 1)),
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
  std::vector<Task> waiting;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto& [tenant, lane] : lanes_) {
      std::ranges::move(std::exchange(lane.tasks, {}), std::back_inserter(waiting));
    }
  }
  wake_.notify_all();
  for (const Task& each : waiting) {
    each.task.let_go();
  }
}

std::optional<std::int64_t> WorkQueue::Post(const std::string& tenant, QueuedTask task) {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      const std::int64_t now = clock_.NowMicros();
      if (line_.Join(tenant, 1, now)) {
        return line_.RetrySeconds(tenant, now);
      }
      lanes_[tenant].tasks.push_back({std::move(task), true});
      wake_.notify_one();
      return std::nullopt;
    }
  }
  task.let_go();
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
  task.let_go();
}

// Of those that may have one more thread, that which had none for longest.
std::map<std::string, WorkQueue::Lane>::iterator WorkQueue::NextLane() {
  auto next = lanes_.end();
  for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
    if (!lane->second.tasks.empty() && lane->second.running < most_of_one_ &&
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
      const Task next = std::move(lane->second.tasks.front());
      lane->second.tasks.pop_front();
      lane->second.turn = ++turns_;
      ++lane->second.running;
      if (next.in_line) {
        line_.Begin(lane->first, clock_.NowMicros());
      }
      lock.unlock();
      next.task.run();
    }
    lock.lock();
    --lane->second.running;
  }
}

}  // namespace ashlar
