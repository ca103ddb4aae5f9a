// A Profile is where the time of steps goes, as the thread that runs them sees it: by part of a
// step (the blocks of one kind, sampling, ...), and inside by kernel.
//
// All time of that thread is accounted for: what is in no kernel (collecting rows, handing out
// loops, waiting for other threads that still compute) is overhead. Whoever is timed is given a
// Profile* that is usually null; then a timer costs a branch. Confined to the thread that runs the
// step.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ashlar {

enum class Kernel : std::uint8_t {
  kLinear,
  kAttention,
  kQuantizeRows,
  kSplitRows,
  kNorm,
  kRope,
  kStore,       // of keys and values
  kScan,        // of carried state, row by row
  kActivation,  // and other element-wise work of a block
  kDecode,      // of embeddings
  kAddScaled,   // sums between blocks
};
inline constexpr std::size_t kKernelCount = 11;
std::string_view KernelName(Kernel kernel);  // "linear"

class Profile {
 public:
  struct Part {
    std::string_view name;
    std::int64_t calls = 0;
    std::int64_t nanos = 0;
    std::array<std::int64_t, kKernelCount> kernel_nanos = {};  // by Kernel; their sum <= nanos
  };

  const std::vector<Part>& parts() const { return parts_; }  // in order of appearance
  std::int64_t steps() const { return steps_; }
  std::int64_t nanos() const { return nanos_; }  // of all steps
  std::int64_t kernel_nanos() const;             // of all kernels in all parts

 private:
  friend class StepTimer;
  friend class PartTimer;
  friend class KernelTimer;
  static std::int64_t Now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  std::size_t IndexOf(std::string_view name);

  std::vector<Part> parts_;
  std::size_t current_ = 0;  // the part that runs
  std::int64_t steps_ = 0;
  std::int64_t nanos_ = 0;
};

// Times a step, as long as it lives.
class StepTimer {
 public:
  explicit StepTimer(Profile* profile)
      : profile_(profile), start_(profile == nullptr ? 0 : Profile::Now()) {}
  ~StepTimer();
  StepTimer(const StepTimer&) = delete;
  StepTimer& operator=(const StepTimer&) = delete;

 private:
  Profile* const profile_;
  const std::int64_t start_;
};

// Times a part of a step, as long as it lives. Parts do not nest. `name` must outlive the profile.
class PartTimer {
 public:
  PartTimer(Profile* profile, std::string_view name);
  ~PartTimer();
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;

 private:
  Profile* const profile_;
  std::int64_t start_ = 0;
};

// Times kernels in the body of a parallel loop, on the calling thread (number 0) alone: Lap says
// what the time since the last Lap, or since the beginning, was spent in.
class KernelTimer {
 public:
  KernelTimer(Profile* profile, int thread) : profile_(thread == 0 ? profile : nullptr) {
    if (profile_ != nullptr) {
      last_ = Profile::Now();
    }
  }
  void Lap(Kernel kernel) {
    if (profile_ != nullptr) {
      const std::int64_t now = Profile::Now();
      profile_->parts_[profile_->current_].kernel_nanos[static_cast<std::size_t>(kernel)] +=
          now - last_;
      last_ = now;
    }
  }

 private:
  Profile* const profile_;
  std::int64_t last_ = 0;
};

}  // namespace ashlar
