#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kCohereMlpTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"gate", "model.layers.{}.mlp.gate_proj.weight"},
    {"up", "model.layers.{}.mlp.up_proj.weight"},
    {"down", "model.layers.{}.mlp.down_proj.weight"},
};
constexpr Setting kCohereAttention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {.attribute = "qk_norm",
     .value = "none",
     .field = "use_qk_norm",
     .on = "layer_of_each_head",
     .off = "none"},
};
constexpr Setting kCohereHead[] = {{"multiplier", 0.0625, "logit_scale"}};

}  // namespace

constinit const Architecture kCohere{
    .model_type = "cohere",
    .class_name = "CohereForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kCohereAttention},
    .mlp = {kCohereMlpTensors},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead, kCohereHead},
    .norms = {.type = "layer", .eps = {{"layer_norm_eps"}}, .default_eps = 1e-5},
    .parallel = {.otherwise = true},
    .rope = {.default_theta = 500'000, .neighbours = {.otherwise = true}},
    .max_positions = 8192,
    .tied = true,
};

}  // namespace ashlar
