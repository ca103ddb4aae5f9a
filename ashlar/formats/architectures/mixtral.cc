#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/expert_names.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kMixtralExperts[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"router", "model.layers.{}.block_sparse_moe.gate.weight"},
    {.tensor = "experts.{}.gate",
     .checkpoint = "model.layers.{}.block_sparse_moe.experts.{}.w1.weight",
     .each = kByExpert},
    {.tensor = "experts.{}.up",
     .checkpoint = "model.layers.{}.block_sparse_moe.experts.{}.w3.weight",
     .each = kByExpert},
    {.tensor = "experts.{}.down",
     .checkpoint = "model.layers.{}.block_sparse_moe.experts.{}.w2.weight",
     .each = kByExpert},
};
constexpr Setting kMixtralMixture[] = {{"normalized", 1}};

}  // namespace

constinit const Architecture kMixtral{
    .model_type = "mixtral",
    .class_name = "MixtralForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention},
    .mlp = {kLlamaMlp},
    .mixture = {.block = {kMixtralExperts, kMixtralMixture},
                .experts = {{{"num_local_experts", "num_experts"}}, 8},
                .experts_per_token = {kExpertsPerToken, 2},
                .channels = {}},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5},
    .rope = {.default_theta = 1'000'000},
    .windows = {.which = Windows::kEveryLayer},
    .max_positions = 131'072,
    .key_value_heads = 8,
};

}  // namespace ashlar
