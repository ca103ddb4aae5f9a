// A WorkQueue runs tasks on a few threads, so that those of the network never wait: reading a
// request of 32 MB, writing its prompt, or making a network takes seconds.
//
// Those who ask take turns: who has little to do does not wait for all that another one has. And
// where there are several threads and several tenants, none has all of them: what somebody else
// asks finds one that is free, or that is about to be.
//
// When it closes, what no thread has begun is let go: an end waits for what runs, and never for
// what waits.
//
// What a task throws ends that task alone, which goes: so what it held is to say by its end that
// nothing came of it, as a responder and a trace do.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/server/service/waiting_line.h"

namespace ashlar {

struct WorkQueueOptions {
  int threads = 1;
  std::int64_t places = 1;  // of tasks that no thread has begun, divided as those of a WaitingLine
  // There is but one, who may have every thread: asked each time, as that may change. Quick, and
  // calls nothing here.
  std::function<bool()> one_tenant = [] { return false; };
};

// One of the two is called, once.
struct QueuedTask {
  std::function<void()> run;     // on a thread of the queue
  std::function<void()> let_go;  // the queue was closed first; on the thread that closes or posts
};

// Thread-safe.
class WorkQueue {
 public:
  explicit WorkQueue(const WorkQueueOptions& options);
  // Closes, and waits for what runs.
  ~WorkQueue();

  // Nothing, or in how many seconds to come again, when too much waits of what `tenant` asks; then
  // neither is called. Where it throws (std::bad_alloc) neither is, and nothing has changed.
  std::optional<std::int64_t> Post(const std::string& tenant, QueuedTask task);
  // The rest of work that was taken before: never refused, and the tenant's next.
  void PostMore(const std::string& tenant, QueuedTask task);

  // Lets go of what waits, and from now on of all that comes.
  void Close();

 private:
  struct Task {
    QueuedTask task;
    bool in_line;  // it has a place in the line
  };
  // Of a tenant that ever asked, of which there are as many as keys: who comes back has had turns.
  struct Lane {
    std::list<Task> tasks;
    int running = 0;
    std::uint64_t turn = 0;  // when it last had one
  };

  void Run();
  std::map<std::string, Lane>::iterator NextLane();

  const SteadyClock clock_{};
  const std::function<bool()> one_tenant_;
  const int most_of_several_;  // threads of each
  std::mutex mutex_;
  std::condition_variable wake_;
  internal::WaitingLine line_;
  std::map<std::string, Lane> lanes_;
  std::uint64_t turns_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ashlar
