// A Soak keeps something under random load for as long as one likes, and tells of everything that
// went wrong meanwhile.
//
//   Soak soak({.seconds = SoakSeconds(), .rounds = 4, .seed = TestSeed()});
//   soak.AddClients(6, [&] { return [&](std::mt19937_64& random) { ... }; });
//   soak.Disturb("keys", 0.3, [&](std::mt19937_64& random) { ... });
//   soak.Run([&] { ... });
//   EXPECT_EQ(soak.failures(), std::vector<std::string>());
//
// It goes in rounds. In a round each client asks again and again, on a thread of its own; meanwhile
// the disturbances come, one at a time, on the thread of Run. Then all rest: what is given to Run
// is called, and what the process has in memory is written down.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <malloc.h>

#include "ashlar/base/clock.h"
#include "ashlar/base/sanitized.h"
#include "ashlar/server/memory/memory_readings.h"

namespace ashlar::testing_soak {

// How long: $ASHLAR_SOAK_SECONDS, or what a test may take.
inline double SoakSeconds() {
  const char* const given = std::getenv("ASHLAR_SOAK_SECONDS");
  return given != nullptr ? std::atof(given) : kSanitized ? 6 : 20;
}
inline bool LongSoak() {
  return SoakSeconds() > 60;
}

struct SoakOptions {
  double seconds = 20;
  int rounds = 4;
  std::uint64_t seed = 1;
};

class Soak {
 public:
  using Client = std::function<void(std::mt19937_64&)>;  // asks once
  using Disturbance = std::function<void(std::mt19937_64&)>;

  explicit Soak(const SoakOptions& options) : options_(options) {}

  // In each round so many clients are made anew, each on its thread.
  void AddClients(int count, std::function<Client()> make) {
    clients_ = count;
    make_client_ = std::move(make);
  }
  // What is done at random times, `mean_seconds` apart.
  void Disturb(std::string name, double mean_seconds, Disturbance disturb) {
    disturbances_.push_back({std::move(name), mean_seconds, true, std::move(disturb)});
  }
  // What is done each `seconds`.
  void Every(std::string name, double seconds, Disturbance disturb) {
    disturbances_.push_back({std::move(name), seconds, false, std::move(disturb)});
  }

  void Run(const std::function<void()>& rest) {
    for (int round = 0; round < options_.rounds; ++round) {
      RunRound(round);
      rest();
      ::malloc_trim(0);
      resident_at_rest_.push_back(ResidentBytes());
    }
    for (const auto& [what, count] : counts_) {
      std::printf("%s: %lld\n", what.c_str(), static_cast<long long>(count));
    }
    std::printf("resident at rest, MB:");
    for (const std::uint64_t bytes : resident_at_rest_) {
      std::printf(" %.1f", static_cast<double>(bytes) * 1e-6);
    }
    std::printf("\n");
  }

  const std::vector<std::string>& failures() const { return failures_; }
  std::int64_t count(const std::string& what) const {
    const auto found = counts_.find(what);
    return found == counts_.end() ? 0 : found->second;
  }
  // Of the process, after each round.
  const std::vector<std::uint64_t>& resident_at_rest() const { return resident_at_rest_; }

  // ---- For clients and disturbances, on any thread
  void Fail(std::string what) {
    const std::lock_guard lock(mutex_);
    if (failures_.size() < kMostFailures) {
      failures_.push_back(std::move(what));
    }
  }
  void Count(const std::string& what) {
    const std::lock_guard lock(mutex_);
    ++counts_[what];
  }

 private:
  static constexpr std::size_t kMostFailures = 20;

  struct TimedDisturbance {
    std::string name;
    double seconds;
    bool random;
    Disturbance disturb;
    std::int64_t due = 0;
  };

  void RunRound(int round) {
    stop_ = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < clients_; ++i) {
      threads.emplace_back([this, seed = options_.seed + 1000 * round + i] {
        std::mt19937_64 random(seed);
        const Client ask = make_client_();
        while (!stop_) {
          ask(random);
        }
      });
    }
    std::mt19937_64 random(options_.seed + 1000 * round + 999);
    const std::int64_t begin = clock_.NowMicros();
    for (TimedDisturbance& each : disturbances_) {
      each.due = begin + Pause(each, random);
    }
    const auto end =
        begin + static_cast<std::int64_t>(options_.seconds / options_.rounds * kSecond);
    while (clock_.NowMicros() < end) {
      for (TimedDisturbance& each : disturbances_) {
        if (clock_.NowMicros() >= each.due) {
          each.disturb(random);
          each.due = clock_.NowMicros() + Pause(each, random);
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    stop_ = true;
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  static std::int64_t Pause(const TimedDisturbance& each, std::mt19937_64& random) {
    const double seconds = each.random
                               ? std::exponential_distribution<double>(1 / each.seconds)(random)
                               : each.seconds;
    return static_cast<std::int64_t>(seconds * kSecond);
  }

  static constexpr double kSecond = 1e6;  // microseconds

  const SoakOptions options_;
  const SteadyClock clock_;
  int clients_ = 0;
  std::function<Client()> make_client_;
  std::vector<TimedDisturbance> disturbances_;
  std::atomic<bool> stop_ = false;
  std::vector<std::uint64_t> resident_at_rest_;

  std::mutex mutex_;  // of what follows
  std::vector<std::string> failures_;
  std::map<std::string, std::int64_t> counts_;
};

}  // namespace ashlar::testing_soak
