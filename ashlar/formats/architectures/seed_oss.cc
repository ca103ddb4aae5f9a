#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kSeedOssAttention[] = {
    {"qkv_bias", 1, "attention_bias"},
    {"o_bias", 0, "attention_out_bias"},
};

}  // namespace

constinit const Architecture kSeedOss{
    .model_type = "seed_oss",
    .class_name = "SeedOssForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kSeedOssAttention},
    .mlp = {kLlamaMlp, kMlpBias},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .max_positions = 524'288,
    .key_value_heads = 8,
    .head_dim = 128,
};

}  // namespace ashlar
