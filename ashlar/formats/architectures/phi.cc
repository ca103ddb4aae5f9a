#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kPhiAttentionTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"norm.bias", "model.layers.{}.input_layernorm.bias"},
    {"q", "model.layers.{}.self_attn.q_proj.weight"},
    {"k", "model.layers.{}.self_attn.k_proj.weight"},
    {"v", "model.layers.{}.self_attn.v_proj.weight"},
    {"o", "model.layers.{}.self_attn.dense.weight"},
    {"q.bias", "model.layers.{}.self_attn.q_proj.bias"},
    {"k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {"o.bias", "model.layers.{}.self_attn.dense.bias"},
    {"q_norm.weight", "model.layers.{}.self_attn.q_layernorm.weight"},
    {"q_norm.bias", "model.layers.{}.self_attn.q_layernorm.bias"},
    {"k_norm.weight", "model.layers.{}.self_attn.k_layernorm.weight"},
    {"k_norm.bias", "model.layers.{}.self_attn.k_layernorm.bias"},
};
constexpr TensorName kPhiMlpTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"norm.bias", "model.layers.{}.input_layernorm.bias"},
    {"up", "model.layers.{}.mlp.fc1.weight"},
    {"down", "model.layers.{}.mlp.fc2.weight"},
    {"up.bias", "model.layers.{}.mlp.fc1.bias"},
    {"down.bias", "model.layers.{}.mlp.fc2.bias"},
};
constexpr TensorName kPhiNorm[] = {
    {"weight", "model.final_layernorm.weight"},
    {"bias", "model.final_layernorm.bias"},
};
constexpr TensorName kPhiHeadTensors[] = {
    {"weight", "lm_head.weight"},
    {"bias", "lm_head.bias"},
};

constexpr Setting kPhiAttention[] = {
    {"qkv_bias", 1},
    {"o_bias", 1},
    {.attribute = "qk_norm",
     .value = "none",
     .field = "qk_layernorm",
     .on = "layer_per_head",
     .off = "none"},
    {"qk_norm_bias", 0, "qk_layernorm"},
};
constexpr Setting kPhiMlp[] = {
    {"form", "plain"},
    {"bias", 1},
};
constexpr Setting kPhiHead[] = {{"bias", 1}};

}  // namespace

constinit const Architecture kPhi{
    .model_type = "phi",
    .class_name = "PhiForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kPhiAttentionTensors, kPhiAttention},
    .mlp = {kPhiMlpTensors, kPhiMlp},
    .norm = {kPhiNorm},
    .head = {kPhiHeadTensors, kPhiHead},
    .norms = {.type = "layer", .eps = {{"layer_norm_eps"}}, .default_eps = 1e-5, .bias = true},
    .parallel = {.otherwise = true},
    .rope = {.default_partial = 0.5},
    .default_activation = "gelu_new",
};

}  // namespace ashlar
