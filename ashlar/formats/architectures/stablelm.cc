#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kStableLmAttentionTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"norm.bias", "model.layers.{}.input_layernorm.bias"},
    {"q", "model.layers.{}.self_attn.q_proj.weight"},
    {"k", "model.layers.{}.self_attn.k_proj.weight"},
    {"v", "model.layers.{}.self_attn.v_proj.weight"},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"q.bias", "model.layers.{}.self_attn.q_proj.bias"},
    {"k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {.tensor = "q_norm.weight",
     .checkpoint = "model.layers.{}.self_attn.q_layernorm.norms.{}.weight",
     .stacked_by = "heads"},
    {.tensor = "k_norm.weight",
     .checkpoint = "model.layers.{}.self_attn.k_layernorm.norms.{}.weight",
     .stacked_by = "kv_heads"},
};
// In parallel, both read what the attention's norm gives.
constexpr TensorName kStableLmParallelMlp[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"norm.bias", "model.layers.{}.input_layernorm.bias"},
    {"gate", "model.layers.{}.mlp.gate_proj.weight"},
    {"up", "model.layers.{}.mlp.up_proj.weight"},
    {"down", "model.layers.{}.mlp.down_proj.weight"},
};
constexpr Setting kStableLmAttention[] = {
    {"qkv_bias", 0, "use_qkv_bias"},
    {.attribute = "qk_norm",
     .value = "none",
     .field = "qk_layernorm",
     .on = "layer_of_each_head",
     .off = "none"},
};
constexpr Condition kStableLmIsParallel[] = {{"use_parallel_residual", 1, 0}};

constexpr Architecture StableLm(bool parallel) {
  Architecture stablelm{
      .model_type = "stablelm",
      .class_name = "StableLmForCausalLM",
      .embed = {kLlamaEmbed},
      .attention = {kStableLmAttentionTensors, kStableLmAttention},
      .mlp = {kLlamaMlp},
      .norm = {kLlamaNorm},
      .head = {kLlamaHead},
      .norms = {.type = "layer", .eps = {{"layer_norm_eps"}}, .default_eps = 1e-5, .bias = true},
      .rope = {.default_partial = 0.25},
      .max_positions = 4096,
      .key_value_heads = 32,
  };
  if (parallel) {
    stablelm.when = kStableLmIsParallel;
    stablelm.mlp = {kStableLmParallelMlp};
    stablelm.parallel = {.otherwise = true};
  }
  return stablelm;
}

}  // namespace

constinit const Architecture kStableLmParallel = StableLm(true);
constinit const Architecture kStableLm = StableLm(false);

}  // namespace ashlar
