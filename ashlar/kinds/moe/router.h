// A Router chooses the experts of each row, and gathers for each expert the rows that chose it.
//
//   s = softmax(router n) or sigmoid(router n)
// The experts with the largest s + selection_bias are chosen (of equal ones the first), among the
// experts of the best groups when there are groups (a group is as good as the sum of its two best
// experts, or as its best one). What an expert computes is weighed by its s, divided by the sum
// over the chosen ones when normalized, times `scaling`. (With softmax, normalized is softmax over
// the chosen logits.)
//
// DeepSeek-AI 2024, "DeepSeek-V2", section 2.2.2; DeepSeek-AI 2024, "DeepSeek-V3", eq. 12-16 and
// section 2.1.2; Jiang et al. 2024, "Mixtral".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ashlar/kernels/softmax/softmax.h"
#include "ashlar/kinds/internal/projection.h"

namespace ashlar::internal {

// "experts.17": what an expert's tensors are named under.
std::string ExpertName(std::int64_t expert);

// 1 / (1 + exp(-x)), in doubles: the same bits whatever form of expf the system has.
float Sigmoid(float x);

// Which rows go where. A *pair* is a row with one of its experts; pairs are numbered by expert,
// and by row within an expert. All arrays are scratch.
struct Routes {
  std::int64_t pairs;        // rows * experts per row
  std::int32_t* experts;     // [rows, experts per row], ascending in each row
  float* weights;            // [rows, experts per row]
  std::int32_t* pair_of;     // [rows, experts per row]
  std::int32_t* row_of;      // [pairs]
  std::int32_t* first_pair;  // [experts + 1]: those of expert e are first_pair[e], ... up to the
                             // next one's
};

class Router {
 public:
  // Binds "router", "router.bias" and "router.selection_bias" of a block with the attributes of
  // kind moe.
  static Result<Router> Bind(const Attributes& attributes, const BoundTensors& tensors, Isa isa);

  std::int64_t experts() const { return logits_.outputs(); }
  std::int64_t per_row() const { return per_row_; }
  WantedForms wanted() const { return logits_.wanted(); }

  // Valid until the arena is rewound. When the arena counts, only `pairs` is right.
  Routes Route(const InputRows& x, const Workshop& workshop) const;

 private:
  // The scratch of one row, [experts] each: logits and then scores, what they are compared by, and
  // whether the expert may still be chosen.
  struct Candidates {
    float* scores;
    float* ranks;
    std::uint8_t* open;
  };
  void Choose(const Candidates& row, std::int32_t* chosen, float* weights) const;
  void CloseGroups(const Candidates& row) const;
  void NumberPairs(std::int64_t rows, const Routes& routes) const;

  std::int64_t per_row_ = 0;
  std::int64_t groups_ = 0;
  std::int64_t groups_per_row_ = 0;
  bool by_best_ = false;  // groups are compared by their best expert, not by two
  bool sigmoid_ = false;
  bool normalized_ = false;
  float scaling_ = 1;
  Projection logits_;
  std::vector<float> selection_bias_;  // empty: none
  SoftmaxFn softmax_ = nullptr;
};

}  // namespace ashlar::internal
