// What config.json has for the rotation of a network's attention: rope_config.cc backwards.
#pragma once

#include "ashlar/base/json.h"
#include "ashlar/formats/architecture.h"
#include "ashlar/formats/internal/decoder_facts.h"

namespace ashlar::internal {

// The part of each head that turns. Requires: some of it.
double PartialRotation(const DecoderNode& attention);

// `rope_parameters`, the base first.
Json RopeParameters(const Architecture& row, const DecoderNode& attention);

}  // namespace ashlar::internal
