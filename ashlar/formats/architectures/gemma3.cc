#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/conversions.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kGemma3Embed[] = {{"multiplier", 1.0, "hidden_size", kRoot}};
constexpr Setting kGemma3Attention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"scale", 256.0, "query_pre_attn_scalar", kInverseRoot},
    {"qk_norm", "rms_per_head"},
};
constexpr Setting kGemma3Head[] = {{"soft_cap", 0.0, "final_logit_softcapping"}};
constexpr std::string_view kGemma3Ignored[] = {"hidden_act"};

}  // namespace

constinit const Architecture kGemma3{
    .model_type = "gemma3_text",
    .class_name = "Gemma3ForCausalLM",
    .embed = {kLlamaEmbed, kGemma3Embed},
    .attention = {kLlamaAttention, kGemma3Attention},
    .mlp = {kSandwichMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead, kGemma3Head},
    .norms = {.offset = 1, .after = true},
    .rope = {.default_theta = 1'000'000, .windowed_theta = {{"rope_local_base_freq"}}},
    .windows = {.which = Windows::kByLayerType,
                .default_window = 4096,
                .every = {{"sliding_window_pattern", "_sliding_window_pattern"}},
                .default_every = 6},
    .activation = {{"hidden_activation"}},
    .default_activation = "gelu_pytorch_tanh",
    .max_positions = 131'072,
    .key_value_heads = 4,
    .head_dim = 256,
    .tied = true,
    .ignored_fields = kGemma3Ignored,
};

}  // namespace ashlar
