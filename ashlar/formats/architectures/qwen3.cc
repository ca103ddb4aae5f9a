#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {

constinit const Architecture kQwen3{
    .model_type = "qwen3",
    .class_name = "Qwen3ForCausalLM",
    .embed = kLlamaEmbed,
    .attention = kLlamaAttention,
    .mlp = kLlamaMlp,
    .norm = kLlamaNorm,
    .head = kLlamaHead,
    .qkv_bias = {.field = "attention_bias"},
    .output_bias = {.field = "attention_bias"},
    .qk_norm = true,
    .windows = Windows::kByLayerType,
    .max_positions = 32'768,
    .key_value_heads = 32,
    .head_dim = 128,
    .sliding_window = 4096,
};

}  // namespace ashlar
