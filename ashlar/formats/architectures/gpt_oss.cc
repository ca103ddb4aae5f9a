#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/expert_names.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

// Rows of gate and up take turns, and matrices are [inputs, outputs].
constexpr Joined kGateUpByRow{kGateUpParts, "channels"};

constexpr TensorName kGptOssAttention[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.q_proj.weight"},
    {"k", "model.layers.{}.self_attn.k_proj.weight"},
    {"v", "model.layers.{}.self_attn.v_proj.weight"},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"q.bias", "model.layers.{}.self_attn.q_proj.bias"},
    {"k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {"o.bias", "model.layers.{}.self_attn.o_proj.bias"},
    {"sinks", "model.layers.{}.self_attn.sinks"},
};
constexpr std::string_view kGateUpNames[] = {"model.layers.{}.mlp.experts.gate_up_proj",
                                             "model.layers.{}.mlp.experts.gate_up_proj_bias"};
constexpr TensorName kGptOssExperts[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"router", "model.layers.{}.mlp.router.weight"},
    {"router.bias", "model.layers.{}.mlp.router.bias"},
    {.tensor = "experts.{}.gate",
     .checkpoint = kGateUpNames[0],
     .joined = &kGateUpByRow,
     .transposed = true,
     .each = kByExpert},
    {.tensor = "experts.{}.up",
     .checkpoint = kGateUpNames[0],
     .joined = &kGateUpByRow,
     .transposed = true,
     .each = kByExpert},
    {.tensor = "experts.{}.gate.bias",
     .checkpoint = kGateUpNames[1],
     .joined = &kGateUpByRow,
     .each = kByExpert},
    {.tensor = "experts.{}.up.bias",
     .checkpoint = kGateUpNames[1],
     .joined = &kGateUpByRow,
     .each = kByExpert},
    {.tensor = "experts.{}.down",
     .checkpoint = "model.layers.{}.mlp.experts.down_proj",
     .transposed = true,
     .each = kByExpert},
    {.tensor = "experts.{}.down.bias",
     .checkpoint = "model.layers.{}.mlp.experts.down_proj_bias",
     .each = kByExpert},
};
constexpr Setting kGptOssAttentionSettings[] = {
    {"qkv_bias", 1, "attention_bias"},
    {"o_bias", 1, "attention_bias"},
    {"sinks", 1},
};
constexpr Setting kGptOssMixture[] = {
    {"normalized", 1},
    {"router_bias", 1},
    {"bias", 1},
    {"gate_gain", 1.702, "swiglu_alpha"},
    {"clamp", 7.0, "swiglu_limit"},
    {"up_offset", 1.0},
};
// Its function is fixed, whatever the word for it.
constexpr std::string_view kGptOssIgnored[] = {"experts_per_token", "hidden_act",
                                               "initial_context_length"};

}  // namespace

constinit const Architecture kGptOss{
    .model_type = "gpt_oss",
    .class_name = "GptOssForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kGptOssAttention, kGptOssAttentionSettings},
    .mlp = {kLlamaMlp},
    .mixture = {.block = {kGptOssExperts, kGptOssMixture},
                .experts = {{{"num_local_experts", "num_experts"}}, 128},
                .experts_per_token = {kExpertsPerToken, 4},
                .channels = {}},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5},
    .rope = {.default_theta = 150'000,
             .default_parameters = R"({"rope_type": "yarn", "factor": 32.0, "truncate": false,
                                       "original_max_position_embeddings": 4096})"},
    .windows = {.which = Windows::kByLayerType, .default_window = 128},
    .activation = {},
    .max_positions = 131'072,
    .key_value_heads = 8,
    .head_dim = 64,
    .ignored_fields = kGptOssIgnored,
};

}  // namespace ashlar
