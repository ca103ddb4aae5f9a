#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kGlm4AttentionTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.q_proj.weight"},
    {"k", "model.layers.{}.self_attn.k_proj.weight"},
    {"v", "model.layers.{}.self_attn.v_proj.weight"},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"q.bias", "model.layers.{}.self_attn.q_proj.bias"},
    {"k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {"post_norm.weight", "model.layers.{}.post_self_attn_layernorm.weight"},
};
constexpr TensorName kGlm4MlpTensors[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"gate", "model.layers.{}.mlp.gate_up_proj.weight", &kGateUp},
    {"up", "model.layers.{}.mlp.gate_up_proj.weight", &kGateUp},
    {"down", "model.layers.{}.mlp.down_proj.weight"},
    {"post_norm.weight", "model.layers.{}.post_mlp_layernorm.weight"},
};
constexpr Setting kGlm4Attention[] = {{"qkv_bias", 1, "attention_bias"}};

}  // namespace

constinit const Architecture kGlm4{
    .model_type = "glm4",
    .class_name = "Glm4ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kGlm4AttentionTensors, kGlm4Attention},
    .mlp = {kGlm4MlpTensors},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1.5625e-7, .after = true},
    .rope = {.default_partial = 0.5, .neighbours = {.otherwise = true}},
    .max_positions = 131'072,
    .key_value_heads = 2,
    .head_dim = 128,
};

}  // namespace ashlar
