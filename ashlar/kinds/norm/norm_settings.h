// The norm that a block of kind `norm` is.
#pragma once

#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {

inline NormSettings SettingsOfNorm(const Attributes& attributes) {
  return {.type = ParseNormType(attributes.Choice("type")),
          .eps = attributes.Real("eps"),
          .offset = attributes.Real("offset"),
          .bias = IsSet(attributes, "bias")};
}

}  // namespace ashlar::internal
