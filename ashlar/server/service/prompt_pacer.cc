#include "ashlar/server/service/prompt_pacer.h"

#include <algorithm>
#include <cmath>

namespace ashlar::internal {
namespace {

// The newest step counts for so much: some ten steps decide, so that one slow step does not.
constexpr double kNewest = 0.1;

void Average(double& average, double newest) {
  average = average == 0 ? newest : average + kNewest * (newest - average);
}

}  // namespace

void PromptPacer::Observe(std::int64_t decoding_rows, std::int64_t prompt_rows, double seconds) {
  if (prompt_rows == 0) {
    Average(decoding_seconds_, seconds);
    return;
  }
  const double decoding = decoding_rows > 0 ? decoding_seconds_ : 0;
  Average(prompt_row_seconds_,
          std::max(seconds - decoding, 0.0) / static_cast<double>(prompt_rows));
}

std::int64_t PromptPacer::rows() const {
  if (decoding_seconds_ == 0 || prompt_row_seconds_ == 0) {
    return min_rows_;
  }
  const double rows = (stretch_ - 1) * decoding_seconds_ / prompt_row_seconds_;
  return static_cast<std::int64_t>(
      std::clamp(rows, static_cast<double>(min_rows_), static_cast<double>(max_rows_)));
}

}  // namespace ashlar::internal
