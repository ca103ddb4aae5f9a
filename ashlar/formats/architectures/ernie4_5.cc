#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kErnieAttention[] = {
    {"qkv_bias", 0, "use_bias"},
    {"o_bias", 0, "use_bias"},
};
constexpr Setting kErnieMlp[] = {{"bias", 0, "use_bias"}};

}  // namespace

constinit const Architecture kErnie4_5{
    .model_type = "ernie4_5",
    .class_name = "Ernie4_5ForCausalLM",
    .former_class_name = "Ernie4_5_ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kErnieAttention},
    .mlp = {kLlamaMlp, kErnieMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5},
    .rope = {.default_theta = 500'000, .neighbours = {.otherwise = true}},
    .max_positions = 131'072,
    .key_value_heads = 2,
    .head_dim = 128,
    .tied = true,
};

}  // namespace ashlar
