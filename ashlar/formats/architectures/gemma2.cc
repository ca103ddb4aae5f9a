#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/conversions.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kGemma2Embed[] = {{"multiplier", 1.0, "hidden_size", kRoot}};
constexpr Setting kGemma2Attention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"scale", 256.0, "query_pre_attn_scalar", kInverseRoot},
    {.attribute = "soft_cap", .value = 50.0, .field = "attn_logit_softcapping", .null = 0.0},
};
constexpr Setting kGemma2Head[] = {
    {.attribute = "soft_cap", .value = 30.0, .field = "final_logit_softcapping", .null = 0.0}};
constexpr std::string_view kGemma2Ignored[] = {"hidden_act", "sliding_window_size"};

}  // namespace

constinit const Architecture kGemma2{
    .model_type = "gemma2",
    .class_name = "Gemma2ForCausalLM",
    .embed = {kLlamaEmbed, kGemma2Embed},
    .attention = {kLlamaAttention, kGemma2Attention},
    .mlp = {kSandwichMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead, kGemma2Head},
    .norms = {.offset = 1, .after = true},
    .windows = {.which = Windows::kByLayerType, .default_window = 4096, .default_every = 2},
    .activation = {{"hidden_activation"}},
    .default_activation = "gelu_pytorch_tanh",
    .max_positions = 8192,
    .key_value_heads = 4,
    .head_dim = 256,
    .tied = true,
    .ignored_fields = kGemma2Ignored,
};

}  // namespace ashlar
