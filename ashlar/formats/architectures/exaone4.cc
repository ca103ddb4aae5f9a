#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kExaone4Attention[] = {{"qk_norm", "rms_per_head"}};

}  // namespace

constinit const Architecture kExaone4{
    .model_type = "exaone4",
    .class_name = "Exaone4ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kExaone4Attention},
    .mlp = {kLlamaMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5, .before = false, .after = true},
    .rope = {.layers = RotatedLayers::kWindowed},
    .windows = {.which = Windows::kByLayerType,
                .default_window = 4096,
                .every = {{"sliding_window_pattern"}},
                .default_every = 4},
    .key_value_heads = 32,
};

}  // namespace ashlar
