#include "ashlar/server/service/prompt_pacer.h"

#include <algorithm>
#include <cmath>

namespace ashlar::internal {
namespace {

constexpr int kMeasureEvery = 16;    // steps
constexpr int kMeasuresAtFirst = 2;  // steps: one of them may have been held up
constexpr std::int64_t kFirstRows = 4;
constexpr std::int64_t kGrowth = 4;  // a quarter
// Steps whose work of decoding differs by no more than this part are alike.
constexpr double kAlike = 0.25;

}  // namespace

template <int kCount>
void PromptPacer::Last<kCount>::Add(double value) {
  std::shift_right(values_.begin(), values_.end(), 1);
  values_[0] = value;
  count_ = std::min(count_ + 1, kCount);
}

template <int kCount>
std::array<double, kCount> PromptPacer::Last<kCount>::Sorted() const {
  std::array<double, kCount> sorted = values_;
  std::sort(sorted.begin(), sorted.begin() + count_);
  return sorted;
}

void PromptPacer::Restart() {
  each_.Clear();
  rows_.Clear();
}

void PromptPacer::Forget() {
  Restart();
  decoding_.Clear();
}

PromptPacer::Allowance PromptPacer::allowed() const {
  if (decoding_.size() < kMeasuresAtFirst || since_measured_ >= kMeasureEvery) {
    return {.rows = 0, .work = 0};
  }
  if (each_.size() == 0) {  // as if a row of a prompt took as long as one that decodes, or less
    return {.rows = kFirstRows, .work = (stretch_ - 1) * decoding_work_};
  }
  const auto rows = static_cast<std::int64_t>(rows_.Most());
  return {.rows = std::max(kFirstRows, rows + (rows + kGrowth - 1) / kGrowth),
          .work = (stretch_ - 1) * decoding_.Least() / each_.Median()};
}

void PromptPacer::Observe(const StepWork& step, double seconds) {
  if (step.decoding_rows == 0) {
    return;  // nobody waited for a token
  }
  const bool alike = std::abs(step.decoding - decoding_work_) <= kAlike * decoding_work_;
  if (step.prompt_rows == 0) {
    if (!alike) {
      decoding_.Clear();
      decoding_work_ = step.decoding;
    }
    decoding_.Add(seconds);
    since_measured_ = 0;
    return;
  }
  if (decoding_.size() == 0) {
    return;
  }
  if (step.decoding < decoding_work_ && !alike) {  // who is left is used to shorter steps
    since_measured_ = kMeasureEvery;
    return;
  }
  ++since_measured_;
  rows_.Add(static_cast<double>(step.prompt_rows));
  if (seconds <= decoding_.Least()) {  // without the prompts it would have taken no longer
    decoding_.Add(seconds);
  } else if (step.prompt > 0) {
    each_.Add((seconds - decoding_.Least()) / step.prompt);
  }
}

}  // namespace ashlar::internal
