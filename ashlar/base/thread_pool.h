// A ThreadPool runs one parallel loop at a time over a fixed number of threads, the caller's among
// them. Between loops that follow each other closely the workers spin, for at most `spin_us`, and
// then sleep; so a decoding step of hundreds of small loops wakes nobody through the kernel, and
// an idle engine burns nothing.
//
// Confined: ParallelFor is called by one thread at a time, and never from inside a loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace ashlar {

class ThreadPool {
 public:
  // `threads` >= 1 counts the caller. 1 makes every loop run inline.
  explicit ThreadPool(int threads, int spin_us = 50);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // What a loop is over: kAlike says that all items take about the same time, and that beginning a
  // range costs something, so that fewer and larger ranges are better.
  enum class Items : std::uint8_t { kUneven, kAlike };

  // Calls body(begin, end, thread) on disjoint ranges that cover [0, count), thread in
  // [0, threads()), and returns when all are done. Ranges begin at multiples of `grain`, hold at
  // least `grain` items (the last may hold fewer) and are handed out in order; who gets which is
  // not deterministic, so a body must write results that do not depend on it. `body` must not
  // throw. One thread calls all of the loop, inline, when `count` <= `grain`.
  template <class Body>
  void ParallelFor(std::int64_t count, std::int64_t grain, const Body& body,
                   Items items = Items::kUneven) noexcept {
    Run(
        count, grain, items,
        [](const void* context, std::int64_t begin, std::int64_t end, int thread) {
          (*static_cast<const Body*>(context))(begin, end, thread);
        },
        &body);
  }

  // Physical cores that this process may use: those of its affinity mask, at most as many as the
  // CPU quota of its cgroup (v1 or v2) pays for, and at least 1.
  static int UsableCores();

 private:
  using Invoke = void (*)(const void* context, std::int64_t begin, std::int64_t end, int thread);
  void Run(std::int64_t count, std::int64_t grain, Items items, Invoke invoke,
           const void* context) noexcept;

  struct State;
  const int threads_;
  const std::unique_ptr<State> state_;
};

}  // namespace ashlar
