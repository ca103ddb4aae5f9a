#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {

constinit const Architecture kSmolLm3{
    .model_type = "smollm3",
    .class_name = "SmolLM3ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kAttentionBias},
    .mlp = {kLlamaMlp, kMlpBias},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .rope = {.default_theta = 2'000'000, .layers = RotatedLayers::kListed},
    .windows = {.which = Windows::kByLayerType,
                .used = {.field = "use_sliding_window"},
                .rule = WindowRule::kNotRotated},
    .max_positions = 32'768,
    .key_value_heads = 4,
    .tied = true,
};

}  // namespace ashlar
