#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/expert_names.h"
#include "ashlar/formats/architectures/llama_names.h"
#include "ashlar/formats/architectures/mamba_names.h"

namespace ashlar {
namespace {

// The rows of each head's query and gate together; and those of each key head's query, key, values
// and gates.
constexpr std::string_view kQueryGateParts[] = {"q", "gate"};
constexpr Joined kQueryGate{kQueryGateParts, "heads"};
constexpr std::string_view kDeltaInParts[] = {"q", "k", "v", "gate"};
constexpr Joined kDeltaIn{kDeltaInParts, "key_heads"};
constexpr std::string_view kDeltaScalarParts[] = {"write", "step"};
constexpr Joined kDeltaScalars{kDeltaScalarParts, "key_heads"};
constexpr std::string_view kDeltaConvParts[] = {"q", "k", "v"};
constexpr Joined kDeltaConv{kDeltaConvParts};

constexpr TensorName kQwen3NextAttentionTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.q_proj.weight", &kQueryGate},
    {"gate", "model.layers.{}.self_attn.q_proj.weight", &kQueryGate},
    {"k", "model.layers.{}.self_attn.k_proj.weight"},
    {"v", "model.layers.{}.self_attn.v_proj.weight"},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"q.bias", "model.layers.{}.self_attn.q_proj.bias", &kQueryGate},
    {"gate.bias", "model.layers.{}.self_attn.q_proj.bias", &kQueryGate},
    {"k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {"o.bias", "model.layers.{}.self_attn.o_proj.bias"},
    {"q_norm.weight", "model.layers.{}.self_attn.q_norm.weight"},
    {"k_norm.weight", "model.layers.{}.self_attn.k_norm.weight"},
};
constexpr TensorName kQwen3NextDeltaTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.linear_attn.in_proj_qkvz.weight", &kDeltaIn},
    {"k", "model.layers.{}.linear_attn.in_proj_qkvz.weight", &kDeltaIn},
    {"v", "model.layers.{}.linear_attn.in_proj_qkvz.weight", &kDeltaIn},
    {"gate", "model.layers.{}.linear_attn.in_proj_qkvz.weight", &kDeltaIn},
    {"write", "model.layers.{}.linear_attn.in_proj_ba.weight", &kDeltaScalars},
    {"step", "model.layers.{}.linear_attn.in_proj_ba.weight", &kDeltaScalars},
    {"step_offset", "model.layers.{}.linear_attn.dt_bias"},
    {"decay_log", "model.layers.{}.linear_attn.A_log"},
    {.tensor = "conv.q",
     .checkpoint = "model.layers.{}.linear_attn.conv1d.weight",
     .joined = &kDeltaConv,
     .dims = kConvolutionDims},
    {.tensor = "conv.k",
     .checkpoint = "model.layers.{}.linear_attn.conv1d.weight",
     .joined = &kDeltaConv,
     .dims = kConvolutionDims},
    {.tensor = "conv.v",
     .checkpoint = "model.layers.{}.linear_attn.conv1d.weight",
     .joined = &kDeltaConv,
     .dims = kConvolutionDims},
    {"value_norm.weight", "model.layers.{}.linear_attn.norm.weight"},
    {"o", "model.layers.{}.linear_attn.out_proj.weight"},
};

constexpr Setting kQwen3NextAttention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"qk_norm", "rms_per_head"},
    {"o_gate", 1},
};
constexpr Setting kQwen3NextDelta[] = {
    {"heads", 32, "linear_num_value_heads"},    {"key_heads", 16, "linear_num_key_heads"},
    {"key_dim", 128, "linear_key_head_dim"},    {"value_dim", 128, "linear_value_head_dim"},
    {"conv_taps", 4, "linear_conv_kernel_dim"}, {"value_norm", "rms"},
};
constexpr Setting kQwen3NextMixture[] = {
    {"normalized", 1, "norm_topk_prob"},
    {"shared_gate", 1},
};
// Layers that predict further tokens.
constexpr std::string_view kQwen3NextExtra[] = {"mtp."};

}  // namespace

constinit const Architecture kQwen3Next{
    .model_type = "qwen3_next",
    .class_name = "Qwen3NextForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kQwen3NextAttentionTensors, kQwen3NextAttention},
    .recurrent = {.kind = "linear_attention",
                  .block = {kQwen3NextDeltaTensors, kQwen3NextDelta},
                  .every = {{{"full_attention_interval"}}, 4}},
    .mlp = {kLlamaMlp},
    .mixture = {.block = {kQwenExperts, kQwen3NextMixture},
                .experts = {{{"num_experts", "num_local_experts"}}, 512},
                .experts_per_token = {kExpertsPerToken, 10},
                .channels = {{{"moe_intermediate_size"}}, 512},
                .shared_channels = {{{"shared_expert_intermediate_size"}}, 512},
                .dense_layers = kQwenDenseLayers,
                .every = kQwenEvery},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.offset = 1},
    .rope = {.default_partial = 0.25},
    .max_positions = 32'768,
    .key_value_heads = 2,
    .head_dim = 256,
    .ignored_prefixes = kQwen3NextExtra,
};

}  // namespace ashlar
