#include "ashlar/server/service/prompt_pacer.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

constexpr int kMeasureEvery = 8;  // steps
constexpr double kGrowth = 1.5;
constexpr double kNewest = 0.2;  // of what falls

// `average` moved to what is newest: at once where that is more, else by a part.
double RaisedOrEased(double average, double newest) {
  return newest > average ? newest : average + kNewest * (newest - average);
}

}  // namespace

void PromptPacer::Restart() {
  allowed_ = static_cast<double>(min_rows_);
  decoding_ = 0;
  each_ = 0;
  since_measured_ = kMeasureEvery;
}

std::int64_t PromptPacer::rows() const {
  return since_measured_ >= kMeasureEvery ? 1 : static_cast<std::int64_t>(allowed_);
}

void PromptPacer::Observe(std::int64_t decoding, std::int64_t prompt, double seconds) {
  if (decoding == 0) {
    return;  // nobody waited for a token
  }
  if (prompt <= 1) {
    since_measured_ = 0;
    // Less counts at once: it is what the gaps are compared with.
    decoding_ = decoding_ == 0 ? seconds : -RaisedOrEased(-decoding_, -seconds);
    return;
  }
  ++since_measured_;
  const double newest = std::max(seconds - decoding_, 0.0) / static_cast<double>(prompt);
  each_ = RaisedOrEased(each_, newest);
  const double in_time =
      each_ == 0 ? static_cast<double>(max_rows_) : (stretch_ - 1) * decoding_ / each_;
  allowed_ = std::clamp(std::min(in_time, allowed_ * kGrowth), static_cast<double>(min_rows_),
                        static_cast<double>(max_rows_));
}

}  // namespace ashlar::internal
