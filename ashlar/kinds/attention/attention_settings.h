// Parts of an attention block's attributes that its declaration and its forward both read.
#pragma once

#include <vector>

#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {

// The norms of queries and keys, and whether the weight is of all heads: else it is of one, and the
// same for each.
inline constexpr std::string_view kQkNorms[] = {"none", "rms_per_head", "layer_per_head",
                                                "layer_of_each_head", "rms_all_heads"};

// The norm of queries and of keys, as it is declared: over one weight.
NormSettings SettingsOfQkNorm(const Attributes& attributes);
// The floats of that weight for `heads` heads.
std::int64_t WidthOfQkNorm(const Attributes& attributes, std::int64_t heads);

// What the score of each head falls by with each position of distance (Press et al. 2022, section
// 3, and its appendix for heads that are no power of two). Empty without ALiBi.
std::vector<float> AlibiSlopes(const Attributes& attributes);

// The scores' factor.
double ScaleOf(const Attributes& attributes);

}  // namespace ashlar::internal
