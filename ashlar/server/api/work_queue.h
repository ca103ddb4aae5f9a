// A WorkQueue runs tasks on a few threads, so that those of the network never wait: reading a
// request of 32 MB, writing its prompt, or making a network takes seconds.
//
// Those who ask take turns: who has little to do does not wait for all that another one has. And
// nobody has all of its threads, where there are several: what somebody else asks finds one that is
// free, or that is about to be.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/server/service/waiting_line.h"

namespace ashlar {

// Thread-safe.
class WorkQueue {
 public:
  // Of the tasks that no thread has begun, `places` are divided as those of a WaitingLine.
  WorkQueue(int threads, std::int64_t places);
  // Runs what waits, then ends.
  ~WorkQueue();

  // Nothing, or in how many seconds to come again, when too much waits of what `tenant` asks.
  std::optional<std::int64_t> Post(const std::string& tenant, std::function<void()> task);
  // The rest of work that was taken before: never refused, and the tenant's next.
  void PostMore(const std::string& tenant, std::function<void()> task);

 private:
  struct Task {
    std::function<void()> run;
    bool in_line;  // it has a place in the line
  };
  // Of a tenant that ever asked, of which there are as many as keys: who comes back has had turns.
  struct Lane {
    std::deque<Task> tasks;
    int running = 0;
    std::uint64_t turn = 0;  // when it last had one
  };

  void Run();
  std::map<std::string, Lane>::iterator NextLane();

  const SteadyClock clock_{};
  const int most_of_one_;  // threads
  std::mutex mutex_;
  std::condition_variable wake_;
  internal::WaitingLine line_;
  std::map<std::string, Lane> lanes_;
  std::uint64_t turns_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ashlar
