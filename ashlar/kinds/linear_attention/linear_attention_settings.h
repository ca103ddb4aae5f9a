// Sizes of linear attention that its declaration and its forward both read.
#pragma once

#include "ashlar/kinds/internal/causal_conv.h"
#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {

struct LinearAttentionSizes {
  explicit LinearAttentionSizes(const Attributes& attributes)
      : width(attributes.Integer("width")),
        key_heads(attributes.Integer("key_heads")),
        heads(attributes.Integer("heads")),
        key_dim(attributes.Integer("key_dim")),
        value_dim(attributes.Integer("value_dim")) {}

  std::int64_t width, key_heads, heads, key_dim, value_dim;

  std::int64_t keys() const { return key_heads * key_dim; }
  std::int64_t values() const { return heads * value_dim; }
  std::int64_t head_floats() const { return key_dim * value_dim; }
  std::int64_t convolved() const { return 2 * keys() + values(); }
};

// The norm of the values that a head gives, the same for each head.
inline NormSettings ValueNormOf(const Attributes& attributes) {
  return {.type = ParseNormType(attributes.Choice("value_norm")),
          .eps = attributes.Real("norm_eps")};
}

}  // namespace ashlar::internal
