// A GGUF file's hyper-parameters as the config.json that they came from: so a family is described
// once (architecture.h), whichever file its network lies in.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/formats/gguf_read.h"
#include "ashlar/formats/internal/gguf_families.h"

namespace ashlar::internal {

// Of a file, what its configuration is read from: one that is there, or one that might be written.
struct GgufOutline {
  const GgufFields& fields;
  std::function<const GgufEntry*(std::string_view tensor)> find;  // null when there is none
};
// The file must outlive it.
inline GgufOutline OutlineOf(const GgufFile& file) {
  return {file.fields(), [&file](std::string_view tensor) { return file.Find(tensor); }};
}

struct GgufConfig {
  Json json;  // config.json
  const GgufFamily* family;
  std::set<std::string, std::less<>> tensors;  // whose numbers it has
  std::vector<std::string> remarks;            // what it takes for granted
};

// What the llama3 scaling divides the frequencies of pairs by.
inline constexpr std::string_view kRopeFrequencies = "rope_freqs.weight";
// What the frequencies of pairs are divided by, within the context that a network was first trained
// for and beyond it: config.json has these numbers itself.
inline constexpr std::string_view kShortRopeFactors = "rope_factors_short.weight";
inline constexpr std::string_view kLongRopeFactors = "rope_factors_long.weight";

// The usual length of vectors that yarn turned, of which `rope.scaling.attn_factor` is a multiple.
double YarnLength(double factor);

// kUnsupported names an architecture, or a key of it, that cannot be imported: no key that might
// change the result is ignored. kInvalid names one that is missing or outside its bounds.
Result<GgufConfig> ReadGgufConfig(const GgufOutline& file);

}  // namespace ashlar::internal
