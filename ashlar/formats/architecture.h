// An Architecture says how a family's checkpoints become blocks: which tensor is which, and what
// each field of config.json means. It is a row of data; nothing of it is left when the network
// runs.
//
// To add a family: a file in formats/architectures with a constant Architecture, and its line in
// all_architectures.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

// A tensor of a block and its name in the checkpoint; {} stands for the layer. A row may list
// tensors that only some configurations have: the block's attributes decide.
struct TensorName {
  std::string_view tensor;
  std::string_view checkpoint;
};

// How a family's configuration decides something that is on or off.
struct Switch {
  bool otherwise = false;       // what holds when there is no field, or it is absent
  std::string_view field = {};  // the boolean field of config.json that decides
};

// Which layers attend to a sliding window only.
enum class Windows : std::uint8_t {
  kNone,         // every layer sees everything
  kEveryLayer,   // `sliding_window` (null: none) holds for every layer
  kByLayerType,  // `layer_types` says; when absent, the layers from `max_window_layers` on if
                 // `use_sliding_window`
};

struct Architecture {
  std::string_view model_type;  // config.json's
  std::string_view class_name;  // config.json's architectures[0]

  std::span<const TensorName> embed;
  std::span<const TensorName> attention;
  std::span<const TensorName> mlp;
  std::span<const TensorName> norm;  // the last one
  std::span<const TensorName> head;  // when it is not tied to the embedding

  Switch qkv_bias;
  Switch output_bias;
  Switch mlp_bias;
  bool qk_norm = false;  // RMS norm of each query and key head before the rotation
  Windows windows = Windows::kNone;

  // Defaults of the family's configuration class, for fields that are absent.
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  std::int64_t max_positions = 2048;
  std::optional<std::int64_t> key_value_heads;  // none: as many as query heads
  std::optional<std::int64_t> head_dim;         // none: width / heads
  std::optional<std::int64_t> sliding_window;
};

std::span<const Architecture* const> AllArchitectures();
// kUnsupported, listing the known ones.
Result<const Architecture*> FindArchitecture(std::string_view model_type);

}  // namespace ashlar
