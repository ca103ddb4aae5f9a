// Metrics counts what happens, for Prometheus to read (text exposition format 0.0.4).
//
//   Family<Counter>& requests = metrics.Counters("ashlar_requests_total", "Requests that ended.",
//                                                {"model", "tenant"});
//   requests.With({"lab", "alice"}).Add();
//
// A family's series are made as they are named, at most so many: once there are that many, new ones
// are all counted as one whose labels say "other". So nobody's names can use up the memory here or
// in Prometheus. Series stay for ever, and so do references to them; what comes and goes (loaded
// networks, say) is read when asked for, by Sampled.
//
// Thread-safe. To count is an atomic addition; With takes a lock that is shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/check.h"

namespace ashlar {

using LabelNames = std::vector<std::string>;
using LabelValues = std::vector<std::string>;  // one for each name

// Grows, from 0.
class Counter {
 public:
  void Add(std::uint64_t count = 1) { count_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t value() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_ = 0;
};

// How often values were at most as large as each of some bounds; also their number and their sum.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds);

  void Observe(double value);
  std::span<const double> bounds() const { return bounds_; }
  // For each bound how many values were at most that, then how many there were in all.
  std::vector<std::uint64_t> cumulative() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::span<const double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;  // in each interval; the last has no bound
  std::atomic<double> sum_ = 0;
};

// Increasing; seconds of requests, seconds between tokens and of steps, numbers of tokens or rows.
inline constexpr double kRequestSeconds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                             1,     2.5,  5,     10,   30,  60,   300};
inline constexpr double kTokenSeconds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                                           0.15,  0.2,    0.3,   0.5,  1,     2.5,  5};
inline constexpr double kTokenCounts[] = {1,   2,   4,    8,    16,   32,   64,    128,
                                          256, 512, 1024, 2048, 4096, 8192, 16384, 65536};

// The series of one name.
template <class Series>
class Family {
 public:
  using Make = std::function<std::unique_ptr<Series>()>;
  Family(std::size_t label_count, std::size_t max_series, Make make)
      : label_count_(label_count), max_series_(max_series), make_(std::move(make)) {}

  // Requires: as many values as the family has labels.
  Series& With(const LabelValues& values) {
    CHECK_EQ(values.size(), label_count_);
    {
      const std::shared_lock lock(mutex_);
      if (const auto found = series_.find(values); found != series_.end()) {
        return *found->second;
      }
    }
    const std::unique_lock lock(mutex_);
    const bool full = series_.size() >= max_series_ && !series_.contains(values);
    std::unique_ptr<Series>& series = series_[full ? LabelValues(label_count_, "other") : values];
    if (series == nullptr) {
      series = make_();
    }
    return *series;
  }

  template <class Visit>
  void ForEach(Visit visit) const {
    const std::shared_lock lock(mutex_);
    for (const auto& [values, series] : series_) {
      visit(values, *series);
    }
  }

 private:
  const std::size_t label_count_;
  const std::size_t max_series_;
  const Make make_;
  mutable std::shared_mutex mutex_;
  std::map<LabelValues, std::unique_ptr<Series>> series_;
};

struct Sample {
  LabelValues labels;
  double value = 0;
};

enum class SampledType { kCounter, kGauge };

class Metrics {
 public:
  // `max_series` bounds each family.
  explicit Metrics(std::size_t max_series = 1'000) : max_series_(max_series) {}

  // Each name once; of letters, digits and '_', in base units (seconds, bytes); that of a counter
  // ends in "_total". What is returned lives as long as this. `bounds` must too.
  Family<Counter>& Counters(std::string name, std::string help, LabelNames labels = {});
  Family<Histogram>& Histograms(std::string name, std::string help, std::span<const double> bounds,
                                LabelNames labels = {});
  // Values that somebody else keeps: `read` is called for each exposition, on any thread.
  void Sampled(std::string name, std::string help, SampledType type, LabelNames labels,
               std::function<std::vector<Sample>()> read);
  void Sampled(std::string name, std::string help, SampledType type, std::function<double()> read);

  // All of it, in the order in which it was registered.
  std::string Text() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Entry {
    std::string name;
    std::function<void(std::string& out)> write;
  };
  void Register(std::string name, std::string help, std::string_view type, const LabelNames& labels,
                std::function<void(std::string& out)> write);

  const std::size_t max_series_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace ashlar
