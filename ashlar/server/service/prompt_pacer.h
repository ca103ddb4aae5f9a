// PromptPacer says how much of prompts a step may read while others decode, so that their tokens
// keep coming: a step should take no more than a few times as long as one that only decodes. (The
// engine asks nobody's leave beside answers that have just begun: see its scheduler.)
#pragma once

#include <array>
#include <cstdint>

#include "ashlar/runtime/engine.h"

namespace ashlar::internal {

// What it goes by are steps that only decode, of which it has one follow every sixteen others, and
// what the others took beyond that, by the work that they did for prompts: so a row that attends to
// much counts for more, and one of a larger network, before the first of them has run. Where work
// does not tell, rows do: there are a quarter more of them from step to step at most.
//
// Times are noisy where others use the machine, and a step that only decodes takes longer amid a
// prompt, which has had the caches. It is taken to last as long as the fastest of the last sixteen,
// so that those from before the prompt count for some 270 steps, lest slow ones excuse slow ones;
// and a unit of work its median, so that one step that was held up does not count. Confined.
class PromptPacer {
 public:
  // Of prompts, as Engine::set_prompts_beside_decoding takes it.
  struct Allowance {
    std::int64_t rows;
    double work;
  };

  // A step may take `stretch` times as long as one that only decodes.
  explicit PromptPacer(double stretch) : stretch_(stretch) {}

  // In the next step.
  Allowance allowed() const;
  // A step has taken so long.
  void Observe(const StepWork& step, double seconds);
  // Another network begins to run: what is known of the prompts of others says little of it.
  void Restart();
  // Steps take otherwise than before at the same work: weights have another precision.
  void Forget();

 private:
  // The last few of a number.
  template <int kCount>
  class Last {
   public:
    int size() const { return count_; }
    void Add(double value);
    void Clear() { count_ = 0; }
    double Least() const { return Sorted()[0]; }
    double Median() const { return Sorted()[count_ / 2]; }
    double Most() const { return Sorted()[count_ - 1]; }

   private:
    std::array<double, kCount> Sorted() const;
    std::array<double, kCount> values_ = {};  // the newest first
    int count_ = 0;
  };

  const double stretch_;
  Last<16> decoding_;  // seconds of steps that only decode about so much:
  double decoding_work_ = 0;
  Last<3> each_;            // seconds of a unit of prompts' work
  Last<3> rows_;            // of prompts
  int since_measured_ = 0;  // steps since one that only decoded
};

}  // namespace ashlar::internal
