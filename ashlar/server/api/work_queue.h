// A WorkQueue runs tasks on a few threads, so that those of the network never wait: reading a
// request of 32 MB, writing its prompt, or making a network takes seconds.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ashlar {

// Thread-safe.
class WorkQueue {
 public:
  WorkQueue(int threads, std::size_t most_waiting);
  // Runs what waits, then ends.
  ~WorkQueue();

  // False when too much waits already.
  bool Post(std::function<void()> task);
  // The rest of work that was taken before: never refused.
  void PostMore(std::function<void()> task);

 private:
  void Run();

  std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ashlar
