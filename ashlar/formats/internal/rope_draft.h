// What config.json has for the rotation of a network's attention: rope_config.cc backwards.
#pragma once

#include "ashlar/base/json.h"
#include "ashlar/formats/architecture.h"
#include "ashlar/formats/internal/decoder_facts.h"

namespace ashlar::internal {

// The part of a head's dims of which a configuration's reader makes `dims`: it rounds down.
double PartOf(std::int64_t head_dim, std::int64_t dims);

// The part of each head that turns. Requires: some of it.
double PartialRotation(const DecoderNode& attention);

// `rope_parameters`, the base first.
Json RopeParameters(const Architecture& row, const DecoderNode& attention);

}  // namespace ashlar::internal
