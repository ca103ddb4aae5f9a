#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kQwen3Attention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"qk_norm", "rms_per_head"},
};

}  // namespace

constinit const Architecture kQwen3{
    .model_type = "qwen3",
    .class_name = "Qwen3ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kQwen3Attention},
    .mlp = {kLlamaMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .windows = {.which = Windows::kByLayerType,
                .default_window = 4096,
                .used = {.field = "use_sliding_window"},
                .rule = WindowRule::kFromLayer},
    .max_positions = 32'768,
    .key_value_heads = 32,
    .head_dim = 128,
};

}  // namespace ashlar
