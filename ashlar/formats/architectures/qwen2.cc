#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kQwen2Attention[] = {{"qkv_bias", 1}};

}  // namespace

constinit const Architecture kQwen2{
    .model_type = "qwen2",
    .class_name = "Qwen2ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kQwen2Attention},
    .mlp = {kLlamaMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .windows = {.which = Windows::kByLayerType,
                .default_window = 4096,
                .used = {.field = "use_sliding_window"},
                .rule = WindowRule::kFromLayer},
    .max_positions = 32'768,
    .key_value_heads = 32,
};

}  // namespace ashlar
