#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kOlmo2Attention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"qk_norm", "rms_all_heads"},
};

}  // namespace

constinit const Architecture kOlmo2{
    .model_type = "olmo2",
    .class_name = "Olmo2ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kOlmo2Attention},
    .mlp = {kLlamaMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5, .before = false, .after = true},
};

}  // namespace ashlar
