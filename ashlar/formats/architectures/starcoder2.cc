#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kStarcoder2MlpTensors[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"norm.bias", "model.layers.{}.post_attention_layernorm.bias"},
    {"up", "model.layers.{}.mlp.c_fc.weight"},
    {"down", "model.layers.{}.mlp.c_proj.weight"},
    {"up.bias", "model.layers.{}.mlp.c_fc.bias"},
    {"down.bias", "model.layers.{}.mlp.c_proj.bias"},
};
constexpr Setting kStarcoder2Attention[] = {
    {"qkv_bias", 1, "use_bias"},
    {"o_bias", 1, "use_bias"},
};
constexpr Setting kStarcoder2Mlp[] = {
    {"form", "plain"},
    {"bias", 1, "use_bias"},
};
// (Published ones name them beside those that are read.)
constexpr std::string_view kStarcoder2Ignored[] = {
    "activation_function", "attention_softmax_in_fp32",       "layer_norm_epsilon", "mlp_type",
    "norm_type",           "scale_attention_softmax_in_fp32", "scale_attn_weights"};

}  // namespace

constinit const Architecture kStarcoder2{
    .model_type = "starcoder2",
    .class_name = "Starcoder2ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kStarcoder2Attention},
    .mlp = {kStarcoder2MlpTensors, kStarcoder2Mlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.type = "layer", .eps = {{"norm_epsilon"}}, .default_eps = 1e-5, .bias = true},
    .windows = {.which = Windows::kEveryLayer},
    .default_activation = "gelu_pytorch_tanh",
    .max_positions = 4096,
    .key_value_heads = 2,
    .tied = true,
    .ignored_fields = kStarcoder2Ignored,
};

}  // namespace ashlar
