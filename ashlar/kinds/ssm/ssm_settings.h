// Sizes of a state space that its declaration and its forward both read.
#pragma once

#include "ashlar/kinds/internal/causal_conv.h"
#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {

struct SsmSizes {
  explicit SsmSizes(const Attributes& attributes)
      : width(attributes.Integer("width")),
        heads(attributes.Integer("heads")),
        head_dim(attributes.Integer("head_dim")),
        groups(attributes.Integer("groups")),
        state_dim(attributes.Integer("state_dim")),
        step_rank(attributes.Integer("step_rank")) {}

  std::int64_t width, heads, head_dim, groups, state_dim, step_rank;

  std::int64_t channels() const { return heads * head_dim; }
  std::int64_t vectors() const { return groups * state_dim; }  // floats of all b, and of all c
  // Whether steps, b and c are made from the convolved x; else from the block's input.
  bool selects_convolved() const { return step_rank > 0; }
  std::int64_t scan_floats() const { return channels() * state_dim; }
};

// The norm of the gated rows: of a row, or of the channels of each group's heads by themselves.
inline NormSettings GateNormOf(const Attributes& attributes) {
  return {.type = ParseNormType(attributes.Choice("gate_norm")),
          .eps = attributes.Real("norm_eps"),
          .parts = IsSet(attributes, "gate_norm_by_group") ? attributes.Integer("groups") : 1};
}

}  // namespace ashlar::internal
