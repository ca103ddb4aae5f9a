// What config.json says of a decoder's layers, once a family's row has said which fields mean what:
// sizes, windows, and how each layer turns queries and keys.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ashlar/formats/internal/config_reader.h"
#include "ashlar/formats/recipe.h"

namespace ashlar::internal {

using BlockAttributes = std::map<std::string, AttributeValue, std::less<>>;

struct Sizes {
  std::int64_t width, channels, layers, heads, key_value_heads, head_dim, vocabulary, positions;
};
Result<Sizes> ReadSizes(ConfigReader& config, const Architecture& architecture);

// How the layers of one sort turn queries and keys: attributes of their attention and, where each
// pair has a factor of its own, the tensors with them.
struct Rotation {
  BlockAttributes attributes;  // empty: they do not
  std::map<std::string, std::vector<float>, std::less<>> numbers;
  double score_factor = 1;  // of the scores' scale
};
struct Rotations {
  Rotation whole;     // of layers that see everything
  Rotation windowed;  // of layers with a window
};
Result<Rotations> ReadRotations(ConfigReader& config, const Architecture& architecture,
                                const Sizes& sizes);

struct LayerConfig {
  std::int64_t window = 0;  // 0: it sees everything
  bool rotated = false;
  bool recurrent = false;  // a block with a carried state, instead of attention
  bool mixture = false;    // of experts, instead of an MLP
};
// In order.
Result<std::vector<LayerConfig>> ReadLayers(ConfigReader& config, const Architecture& architecture,
                                            const Sizes& sizes);

// Puts the experts, and how they are chosen, into the attributes of a mixture that has those of an
// MLP.
Status ReadExperts(ConfigReader& config, const MixtureRow& row, BlockAttributes& attributes);
// Which layers have a mixture.
Result<std::vector<bool>> ReadMixtureLayers(ConfigReader& config, const MixtureRow& row,
                                            std::size_t layers);

}  // namespace ashlar::internal
