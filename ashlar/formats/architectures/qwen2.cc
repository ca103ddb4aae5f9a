#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {

constinit const Architecture kQwen2{
    .model_type = "qwen2",
    .class_name = "Qwen2ForCausalLM",
    .embed = kLlamaEmbed,
    .attention = kLlamaAttention,
    .mlp = kLlamaMlp,
    .norm = kLlamaNorm,
    .head = kLlamaHead,
    .qkv_bias = {.otherwise = true},
    .windows = Windows::kByLayerType,
    .max_positions = 32'768,
    .key_value_heads = 32,
    .sliding_window = 4096,
};

}  // namespace ashlar
