#include "ashlar/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <sched.h>

#include "ashlar/base/check.h"
#include "ashlar/base/usable_cores.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ashlar {
namespace {

using SpinClock = std::chrono::steady_clock;

// How many ranges each thread would take if all were as large as the first. The last ones are
// smaller, no more than an even share of what is left, so that all threads end at about one time.
//
// Of uneven items many, so that neither a few heavy ones nor a thread that the system interrupts
// holds up the rest. Handing one out costs a locked instruction, some 20 ns when contended; 8 keeps
// that below the work of even a small loop. Of items that are alike few: whoever streams weights
// begins anew with each range, since nobody knows which one comes next. Measured on two threads, a
// network of 29 million weights: with 2 in place of 8 equal ones a step of one row takes 7 % less.
constexpr std::uint32_t RangesPerThread(ThreadPool::Items items) {
  return items == ThreadPool::Items::kAlike ? 2 : 8;
}
constexpr std::uint32_t kMostRangesPerThread = 8;

// A ticket is (loop number, next unit to hand out) in one word, so that a thread takes a range and
// checks that the loop is still the one it looked at in a single step. A unit is one grain, or
// several of a long loop.
constexpr int kUnitBits = 16;
constexpr std::uint64_t kUnitMask = (1u << kUnitBits) - 1;
constexpr std::int64_t kMaxUnits = 1 << 15;
constexpr int kMaxThreads = 1024;
static_assert(kMaxThreads * kMostRangesPerThread <= kMaxUnits && kMaxUnits < kUnitMask);

// Of eight pauses and a look at the clock: some 6 us, or less where pauses are short.
constexpr int kTurnsBeforeYield = 12;
constexpr std::chrono::milliseconds kBetweenYields{1};

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

void YieldNowAndThen() {
  thread_local SpinClock::time_point last;
  if (const auto now = SpinClock::now(); now - last >= kBetweenYields) {
    last = now;
    sched_yield();
  }
}

// Calls `done` until it is true, for at most `limit`. Whether it came true.
//
// A thread that has computed all the time is not interrupted for one that wakes up on its core
// until its slice is over: that one, with the tokens of the last step to send, waited a tick of 4
// ms when a spinning thread went on to the next loop. So whoever waits for more than the ends of a
// loop lets others have the core first, but not soon again: each time may cost a slice where they
// compute too.
template <class Done>
bool SpinUntil(std::chrono::microseconds limit, const Done& done) {
  if (done()) {
    return true;
  }
  const auto deadline = SpinClock::now() + limit;
  int turns = 0;
  do {
    if (++turns == kTurnsBeforeYield) {
      YieldNowAndThen();
    }
    for (int i = 0; i < 8; ++i) {  // the clock costs about as much as one pause
      Pause();
      if (done()) {
        return true;
      }
    }
  } while (SpinClock::now() < deadline);
  return false;
}

}  // namespace

// How a loop runs. The caller closes the old ticket, writes the loop's description, then a new
// ticket; each thread takes ranges by advancing the ticket, and the caller returns when as many
// units are done as there are. It does not wait for the workers themselves: one that is late, or
// asleep, finds the ticket used up or closed, and goes on waiting. It may have read half of an old
// description and half of a new one by then, so the fields are atomic; but it uses what it read
// only if it can advance the very ticket that it loaded before, and as long as that one stands no
// description is written. (A ticket that is merely used up would not do: beside the unit count of
// a new, longer loop it looks like one with units left.)
struct ThreadPool::State {
  // The ticket alone in its cache line: it is what everybody spins on.
  alignas(64) std::atomic<std::uint64_t> ticket = 0;
  alignas(64) std::atomic<Invoke> invoke = nullptr;
  std::atomic<const void*> context = nullptr;
  std::atomic<std::int64_t> count = 0;
  std::atomic<std::int64_t> unit_size = 0;
  std::atomic<std::uint32_t> units = 0;
  std::atomic<std::uint32_t> most_units = 1;  // of a range
  alignas(64) std::atomic<std::uint32_t> units_done = 0;
  // Changes whenever there is a new ticket, or the pool ends; what sleeping workers wait on.
  alignas(64) std::atomic<std::uint32_t> wakeups = 0;
  std::atomic<bool> stopping = false;
  std::atomic<bool> running = false;  // guards the contract: one loop at a time
  std::chrono::microseconds spin{0};
  std::uint32_t threads = 1;
  std::vector<std::thread> workers;

  // Runs one range of the loop of `seen`, when one is left. Whether `seen` was worth a try.
  bool RunRange(std::uint64_t seen, int thread);
  // Runs ranges until none is left. Returns the last ticket seen.
  std::uint64_t RunRanges(int thread);
  void Work(int thread);
};

bool ThreadPool::State::RunRange(std::uint64_t seen, int thread) {
  const auto first = static_cast<std::uint32_t>(seen & kUnitMask);
  const std::uint32_t all = units.load(std::memory_order_relaxed);
  if (first >= all) {
    return false;
  }
  const std::uint32_t taken = std::clamp<std::uint32_t>((all - first) / threads, 1,
                                                        most_units.load(std::memory_order_relaxed));
  const Invoke call = invoke.load(std::memory_order_relaxed);
  const void* call_context = context.load(std::memory_order_relaxed);
  const std::int64_t size = unit_size.load(std::memory_order_relaxed);
  const std::int64_t items = count.load(std::memory_order_relaxed);
  if (ticket.compare_exchange_strong(seen, seen + taken, std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
    const std::int64_t begin = first * size;
    call(call_context, begin, std::min(items, begin + taken * size), thread);
    if (units_done.fetch_add(taken, std::memory_order_acq_rel) + taken == all) {
      units_done.notify_one();
    }
  }
  return true;
}

std::uint64_t ThreadPool::State::RunRanges(int thread) {
  for (;;) {
    const std::uint64_t seen = ticket.load(std::memory_order_acquire);
    if (!RunRange(seen, thread)) {
      return seen;
    }
  }
}

void ThreadPool::State::Work(int thread) {
  for (;;) {
    const std::uint64_t used_up = RunRanges(thread);
    const auto has_news = [&] {
      return ticket.load(std::memory_order_acquire) != used_up ||
             stopping.load(std::memory_order_relaxed);
    };
    if (!SpinUntil(spin, has_news)) {
      // Whoever has news changes `wakeups` after it; so either it is seen here, or the wait ends.
      const std::uint32_t before = wakeups.load();
      if (!has_news()) {
        wakeups.wait(before);
      }
    }
    if (stopping.load(std::memory_order_relaxed)) {
      return;
    }
  }
}

ThreadPool::ThreadPool(int threads, int spin_us)
    : threads_(threads), state_(std::make_unique<State>()) {
  CHECK(threads >= 1 && threads <= kMaxThreads);
  CHECK_GE(spin_us, 0);
  state_->spin = std::chrono::microseconds(spin_us);
  state_->threads = static_cast<std::uint32_t>(threads);
  for (int thread = 1; thread < threads; ++thread) {
    state_->workers.emplace_back([this, thread] { state_->Work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stopping = true;
  ++state_->wakeups;
  state_->wakeups.notify_all();
  for (std::thread& worker : state_->workers) {
    worker.join();
  }
}

void ThreadPool::Run(std::int64_t count, std::int64_t grain, Items items, Invoke invoke,
                     const void* context) noexcept {
  CHECK_GE(count, 0);
  CHECK_GE(grain, 1);
  State& state = *state_;
  // Also for loops that run inline: a nested one must fail on a machine with one core too.
  CHECK(!state.running.exchange(true, std::memory_order_acquire));
  if (threads_ == 1 || count <= grain) {
    if (count > 0) {
      invoke(context, 0, count, /*thread=*/0);
    }
  } else {
    const std::int64_t grains = 1 + (count - 1) / grain;
    const std::int64_t unit_size = grain * (1 + (grains - 1) / kMaxUnits);
    const auto units = static_cast<std::uint32_t>(1 + (count - 1) / unit_size);
    // Closed: its unit is past those of any loop. Acquire, so that what a worker read before it
    // advanced the old ticket was not what is written below.
    const std::uint64_t last = state.ticket.fetch_or(kUnitMask, std::memory_order_acq_rel);
    state.invoke.store(invoke, std::memory_order_relaxed);
    state.context.store(context, std::memory_order_relaxed);
    state.count.store(count, std::memory_order_relaxed);
    state.unit_size.store(unit_size, std::memory_order_relaxed);
    state.units.store(units, std::memory_order_relaxed);
    state.most_units.store(1 + (units - 1) / (state.threads * RangesPerThread(items)),
                           std::memory_order_relaxed);
    state.units_done.store(0, std::memory_order_relaxed);
    state.ticket.store(((last >> kUnitBits) + 1) << kUnitBits, std::memory_order_release);
    ++state.wakeups;
    state.wakeups.notify_all();

    state.RunRanges(/*thread=*/0);
    const auto all_done = [&] { return state.units_done.load(std::memory_order_acquire) == units; };
    if (!SpinUntil(state.spin, all_done)) {
      std::uint32_t done = 0;
      while ((done = state.units_done.load(std::memory_order_acquire)) != units) {
        state.units_done.wait(done, std::memory_order_acquire);
      }
    }
  }
  state.running.store(false, std::memory_order_release);
}

int ThreadPool::UsableCores() {
  return internal::CountUsableCores(internal::AffinityMask(), "/");
}

}  // namespace ashlar
