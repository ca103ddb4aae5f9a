// A thread that does what it is given, one thing after the other; and the end of one that cannot.
#pragma once

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace ashlar::internal {

// Does what a thread is there for. What a library throws there, and nobody knew a request for that
// fails by it, leaves what the thread was in the middle of in no known state, and others waiting
// for it for ever. So the process says so and ends, for whoever runs it to start it anew. `whose`:
// "the engine's".
template <class Part>
void RunOrEnd(std::string_view whose, const Part& part) {
  try {
    part();
  } catch (const std::exception& exception) {
    std::fprintf(stderr,  // which needs no memory
                 "ashlar: %.*s thread met what it cannot go on from (%s): the process ends, and is "
                 "to be started again\n",
                 static_cast<int>(whose.size()), whose.data(), exception.what());
    std::abort();
  }
}

// `whose` it is, of static storage, is for RunOrEnd. Post is thread-safe. The destructor waits
// until all that was posted is done.
class TaskThread {
 public:
  explicit TaskThread(std::string_view whose)
      : thread_([this, whose] { RunOrEnd(whose, [this] { Run(); }); }) {}
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
