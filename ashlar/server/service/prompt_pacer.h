// PromptPacer says how many rows of prompts a step may read while others decode, so that their
// tokens keep coming: a step should take no more than a few times as long as one that only decodes.
#pragma once

#include <cstdint>

namespace ashlar::internal {

// It begins with few rows and takes half as many more from step to step while there is time for
// them. What it goes by are steps that decode and read at most one row, of which it has every
// eighth be one, and what the rows of the others took beyond that: more counts at once, less by
// and by. Confined.
class PromptPacer {
 public:
  // A step may take `stretch` times as long as one that only decodes. Rows lie in
  // [min_rows, max_rows].
  PromptPacer(double stretch, std::int64_t min_rows, std::int64_t max_rows)
      : stretch_(stretch), min_rows_(min_rows), max_rows_(max_rows) {
    Restart();
  }

  // Of prompts, in the next step.
  std::int64_t rows() const;
  // A step with so many rows of sequences that decode, and so many of prompts, has taken so long.
  void Observe(std::int64_t decoding, std::int64_t prompt, double seconds);
  // Another network begins to run: what is known of the others says little of it.
  void Restart();

 private:
  const double stretch_;
  const std::int64_t min_rows_;
  const std::int64_t max_rows_;
  double allowed_ = 0;   // rows
  double decoding_ = 0;  // seconds of a step that only decodes; 0: not known
  double each_ = 0;      // seconds of a row of a prompt; 0: not known
  int since_measured_ = 0;
};

}  // namespace ashlar::internal
