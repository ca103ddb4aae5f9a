#include "ashlar/server/api/work_queue.h"

#include <algorithm>
#include <utility>

namespace ashlar {

WorkQueue::WorkQueue(int threads, std::int64_t places)
    : most_of_one_(std::max(1, threads - 1)), line_(places) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

WorkQueue::~WorkQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

std::optional<std::int64_t> WorkQueue::Post(const std::string& tenant, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = clock_.NowMicros();
    if (line_.Join(tenant, 1, now)) {
      return line_.RetrySeconds(tenant, now);
    }
    lanes_[tenant].tasks.push_back({std::move(task), true});
  }
  wake_.notify_one();
  return std::nullopt;
}

void WorkQueue::PostMore(const std::string& tenant, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    lanes_[tenant].tasks.push_front({std::move(task), false});
  }
  wake_.notify_one();
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
    while (lane == lanes_.end() && !ending_) {
      wake_.wait(lock);
      lane = NextLane();
    }
    if (lane == lanes_.end()) {
      return;  // what still waits is its tenant's whose threads run: they see to it
    }
    {
      const Task task = std::move(lane->second.tasks.front());
      lane->second.tasks.pop_front();
      lane->second.turn = ++turns_;
      ++lane->second.running;
      if (task.in_line) {
        line_.Begin(lane->first, clock_.NowMicros());
      }
      lock.unlock();
      task.run();
    }
    lock.lock();
    --lane->second.running;
  }
}

}  // namespace ashlar
