#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/expert_names.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kOlmoeAttention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"qk_norm", "rms_all_heads"},
};

}  // namespace

constinit const Architecture kOlmoe{
    .model_type = "olmoe",
    .class_name = "OlmoeForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kOlmoeAttention},
    .mlp = {kLlamaMlp},
    .mixture = {.block = {kQwenExperts, kNormalized},
                .experts = {{{"num_experts", "num_local_experts"}}, 64},
                .experts_per_token = {kExpertsPerToken, 8},
                .channels = {}},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5},
    .max_positions = 4096,
};

}  // namespace ashlar
