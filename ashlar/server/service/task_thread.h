// A thread that does what it is given, one thing after the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace ashlar::internal {

// Post is thread-safe. The destructor waits until all that was posted is done.
class TaskThread {
 public:
  TaskThread() : thread_([this] { Run(); }) {}
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;
  ~TaskThread() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void Post(std::function<void()> task) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = tasks_.empty();  // else it knows that there is something
      tasks_.push_back(std::move(task));
    }
    if (first) {
      changed_.notify_one();
    }
  }

 private:
  void Run() {
    while (true) {
      std::deque<std::function<void()>> tasks;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
        tasks.swap(tasks_);
      }
      if (tasks.empty()) {
        return;
      }
      for (; !tasks.empty(); tasks.pop_front()) {
        tasks.front()();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace ashlar::internal
