#include "ashlar/kinds/profile.h"

#include <algorithm>
#include <numeric>

#include "ashlar/base/check.h"

namespace ashlar {

std::string_view KernelName(Kernel kernel) {
  switch (kernel) {
    case Kernel::kLinear:
      return "linear";
    case Kernel::kAttention:
      return "attention";
    case Kernel::kQuantizeRows:
      return "quantize_rows";
    case Kernel::kSplitRows:
      return "split_rows";
    case Kernel::kNorm:
      return "norm";
    case Kernel::kRope:
      return "rope";
    case Kernel::kStore:
      return "store";
    case Kernel::kScan:
      return "scan";
    case Kernel::kActivation:
      return "activation";
    case Kernel::kDecode:
      return "decode";
    case Kernel::kAddScaled:
      return "add_scaled";
  }
  CHECK(false);
}

std::int64_t Profile::kernel_nanos() const {
  std::int64_t nanos = 0;
  for (const Part& part : parts_) {
    nanos = std::accumulate(part.kernel_nanos.begin(), part.kernel_nanos.end(), nanos);
  }
  return nanos;
}

std::size_t Profile::IndexOf(std::string_view name) {
  const auto found = std::ranges::find(parts_, name, &Part::name);
  if (found != parts_.end()) {
    return found - parts_.begin();
  }
  parts_.push_back({.name = name});
  return parts_.size() - 1;
}

StepTimer::~StepTimer() {
  if (profile_ != nullptr) {
    profile_->nanos_ += Profile::Now() - start_;
    ++profile_->steps_;
  }
}

PartTimer::PartTimer(Profile* profile, std::string_view name) : profile_(profile) {
  if (profile_ != nullptr) {
    profile_->current_ = profile_->IndexOf(name);
    start_ = Profile::Now();
  }
}

PartTimer::~PartTimer() {
  if (profile_ != nullptr) {
    Profile::Part& part = profile_->parts_[profile_->current_];
    part.nanos += Profile::Now() - start_;
    ++part.calls;
  }
}

}  // namespace ashlar
