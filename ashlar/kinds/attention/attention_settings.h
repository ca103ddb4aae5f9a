// Parts of an attention block's attributes that its declaration and its forward both read.
#pragma once

#include "ashlar/kinds/internal/norm_attributes.h"
#include "ashlar/kinds/rope_tables.h"

namespace ashlar::internal {

// How wavelengths are stretched; in the order of RopeScaling.
inline constexpr std::string_view kRopeScalings[] = {"none", "linear", "dynamic", "llama3", "yarn"};

// The norm of each query head and of each key head.
NormSettings SettingsOfQkNorm(const Attributes& attributes);

// Requires: rope_dims is not 0.
RopeParameters RopeParametersOf(const Attributes& attributes);

}  // namespace ashlar::internal
