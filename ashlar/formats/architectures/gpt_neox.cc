#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kGptNeoXEmbed[] = {{"weight", "gpt_neox.embed_in.weight"}};
constexpr TensorName kGptNeoXAttentionTensors[] = {
    {"norm.weight", "gpt_neox.layers.{}.input_layernorm.weight"},
    {"norm.bias", "gpt_neox.layers.{}.input_layernorm.bias"},
    {"q", "gpt_neox.layers.{}.attention.query_key_value.weight", &kQkvByHead},
    {"k", "gpt_neox.layers.{}.attention.query_key_value.weight", &kQkvByHead},
    {"v", "gpt_neox.layers.{}.attention.query_key_value.weight", &kQkvByHead},
    {"o", "gpt_neox.layers.{}.attention.dense.weight"},
    {"q.bias", "gpt_neox.layers.{}.attention.query_key_value.bias", &kQkvByHead},
    {"k.bias", "gpt_neox.layers.{}.attention.query_key_value.bias", &kQkvByHead},
    {"v.bias", "gpt_neox.layers.{}.attention.query_key_value.bias", &kQkvByHead},
    {"o.bias", "gpt_neox.layers.{}.attention.dense.bias"},
};
constexpr TensorName kGptNeoXMlpTensors[] = {
    {"norm.weight", "gpt_neox.layers.{}.post_attention_layernorm.weight"},
    {"norm.bias", "gpt_neox.layers.{}.post_attention_layernorm.bias"},
    {"up", "gpt_neox.layers.{}.mlp.dense_h_to_4h.weight"},
    {"down", "gpt_neox.layers.{}.mlp.dense_4h_to_h.weight"},
    {"up.bias", "gpt_neox.layers.{}.mlp.dense_h_to_4h.bias"},
    {"down.bias", "gpt_neox.layers.{}.mlp.dense_4h_to_h.bias"},
};
constexpr TensorName kGptNeoXNorm[] = {
    {"weight", "gpt_neox.final_layer_norm.weight"},
    {"bias", "gpt_neox.final_layer_norm.bias"},
};
constexpr TensorName kGptNeoXHead[] = {{"weight", "embed_out.weight"}};

constexpr Setting kGptNeoXAttention[] = {
    {"qkv_bias", 1, "attention_bias"},
    {"o_bias", 1, "attention_bias"},
};
constexpr Setting kGptNeoXMlp[] = {
    {"form", "plain"},
    {"bias", 1},
};
constexpr std::string_view kGptNeoXIgnored[] = {"num_key_value_heads"};
constexpr std::string_view kGptNeoXMasks[] = {".attention.bias", ".attention.masked_bias"};

}  // namespace

constinit const Architecture kGptNeoX{
    .model_type = "gpt_neox",
    .class_name = "GPTNeoXForCausalLM",
    .base_prefix = "gpt_neox.",
    .embed = {kGptNeoXEmbed},
    .attention = {kGptNeoXAttentionTensors, kGptNeoXAttention},
    .mlp = {kGptNeoXMlpTensors, kGptNeoXMlp},
    .norm = {kGptNeoXNorm},
    .head = {kGptNeoXHead},
    .norms = {.type = "layer", .eps = {{"layer_norm_eps"}}, .default_eps = 1e-5, .bias = true},
    .parallel = {.otherwise = true, .field = "use_parallel_residual"},
    .rope = {.theta = {{"rope_theta", "rotary_emb_base"}},
             .partial = {{"partial_rotary_factor", "rotary_pct"}},
             .default_partial = 0.25},
    .sizes = {.key_value_heads = {}, .head_dim = {}},
    .default_activation = "gelu",
    .ignored_fields = kGptNeoXIgnored,
    .ignored_tensors = kGptNeoXMasks,
};

}  // namespace ashlar
