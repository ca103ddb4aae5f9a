#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kHunyuanTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.q_proj.weight"},
    {"k", "model.layers.{}.self_attn.k_proj.weight"},
    {"v", "model.layers.{}.self_attn.v_proj.weight"},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"q.bias", "model.layers.{}.self_attn.q_proj.bias"},
    {"k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {"o.bias", "model.layers.{}.self_attn.o_proj.bias"},
    {"q_norm.weight", "model.layers.{}.self_attn.query_layernorm.weight"},
    {"k_norm.weight", "model.layers.{}.self_attn.key_layernorm.weight"},
};
constexpr Setting kHunyuanAttention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"qk_norm", "rms_per_head"},
    {"qk_norm_after_rope", 1},
};

}  // namespace

constinit const Architecture kHunyuanDense{
    .model_type = "hunyuan_v1_dense",
    .class_name = "HunYuanDenseV1ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kHunyuanTensors, kHunyuanAttention},
    .mlp = {kLlamaMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5},
    .rope = {.dynamic_alpha = true},
};

}  // namespace ashlar
