// PromptPacer says how many rows of prompts a step may read while others decode, so that their
// tokens keep coming: a step should take no more than a few times as long as one that only decodes.
#pragma once

#include <cstdint>

namespace ashlar::internal {

// Learns from the steps that were run what a decoding step and a row of a prompt take. Confined.
class PromptPacer {
 public:
  // A step may take `stretch` times as long as one that only decodes. Rows lie in
  // [min_rows, max_rows].
  PromptPacer(double stretch, std::int64_t min_rows, std::int64_t max_rows)
      : stretch_(stretch), min_rows_(min_rows), max_rows_(max_rows) {}

  // A step with so many rows of sequences that decode, and so many of prompts, has taken so long.
  void Observe(std::int64_t decoding_rows, std::int64_t prompt_rows, double seconds);
  std::int64_t rows() const;

 private:
  const double stretch_;
  const std::int64_t min_rows_;
  const std::int64_t max_rows_;
  double decoding_seconds_ = 0;    // of a step without prompts; 0: not known
  double prompt_row_seconds_ = 0;  // of a row more; 0: not known
};

}  // namespace ashlar::internal
