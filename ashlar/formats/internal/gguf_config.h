// A GGUF file's hyper-parameters as the config.json that they came from: so a family is described
// once (architecture.h), whichever file its network lies in.
#pragma once

#include "ashlar/base/json.h"
#include "ashlar/formats/gguf_read.h"
#include "ashlar/formats/internal/gguf_names.h"

namespace ashlar::internal {

struct GgufConfig {
  Json json;  // config.json
  // Rows of q and k stand in the order that llama.cpp's rotation of neighbours wants: row 2i of a
  // head was row i, and 2i + 1 was i + d / 2.
  bool turns_neighbours = false;
  // Weights of norms have what the family adds to them already in them.
  bool norms_hold_offset = false;
  std::span<const GgufName> names = {};  // of its own, before those of all architectures
};

// kUnsupported names an architecture, or a key of it, that cannot be imported: no key that might
// change the result is ignored. kInvalid names one that is missing or outside its bounds.
Result<GgufConfig> ReadGgufConfig(const GgufFile& file);

}  // namespace ashlar::internal
