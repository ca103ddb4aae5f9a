// The config.json that a family would have for a network: its row (architecture.h) run backwards.
#pragma once

#include "ashlar/base/json.h"
#include "ashlar/formats/architecture.h"
#include "ashlar/formats/internal/decoder_facts.h"

namespace ashlar::internal {

// What each field must be for the row to give these facts, if it can give them at all: whoever
// drafts reads the draft again (ReadRecipe) and compares. kUnsupported when the row has no place
// for a kind of block.
Result<Json> DraftConfig(const Architecture& row, const DecoderFacts& facts);

}  // namespace ashlar::internal
