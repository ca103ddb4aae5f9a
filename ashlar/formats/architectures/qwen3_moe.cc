#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/expert_names.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kQwen3MoeAttention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"qk_norm", "rms_per_head"},
};

}  // namespace

constinit const Architecture kQwen3Moe{
    .model_type = "qwen3_moe",
    .class_name = "Qwen3MoeForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kQwen3MoeAttention},
    .mlp = {kLlamaMlp},
    .mixture = {.block = {kQwenExperts, kNormalized},
                .experts = {{{"num_experts", "num_local_experts"}}, 128},
                .experts_per_token = {kExpertsPerToken, 8},
                .channels = {{{"moe_intermediate_size"}}, 768},
                .dense_layers = kQwenDenseLayers,
                .every = kQwenEvery},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .windows = {.which = Windows::kEveryLayer,
                .default_window = 4096,
                .used = {.field = "use_sliding_window"}},
    .max_positions = 32'768,
    .key_value_heads = 4,
};

}  // namespace ashlar
