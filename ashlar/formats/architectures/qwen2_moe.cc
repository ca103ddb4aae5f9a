#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/expert_names.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kQwen2MoeAttention[] = {{"qkv_bias", 1, "qkv_bias"}};
constexpr Setting kQwen2MoeMixture[] = {
    {"normalized", 0, "norm_topk_prob"},
    {"shared_gate", 1},
};

}  // namespace

constinit const Architecture kQwen2Moe{
    .model_type = "qwen2_moe",
    .class_name = "Qwen2MoeForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kQwen2MoeAttention},
    .mlp = {kLlamaMlp},
    .mixture = {.block = {kQwenExperts, kQwen2MoeMixture},
                .experts = {{{"num_experts", "num_local_experts"}}, 60},
                .experts_per_token = {kExpertsPerToken, 4},
                .channels = {{{"moe_intermediate_size"}}, 1408},
                .shared_channels = {{{"shared_expert_intermediate_size"}}, 5632},
                .dense_layers = kQwenDenseLayers,
                .every = kQwenEvery},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .windows = {.which = Windows::kByLayerType,
                .default_window = 4096,
                .used = {.field = "use_sliding_window"},
                .rule = WindowRule::kAlternating},
    .max_positions = 32'768,
    .key_value_heads = 16,
};

}  // namespace ashlar
