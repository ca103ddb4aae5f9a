#include "ashlar/formats/internal/gguf_families.h"

namespace ashlar::internal {
namespace {

constexpr GgufBiasField kLlamaBiases[] = {{"attention_bias", "blk.0.attn_output.bias"},
                                          {"mlp_bias", "blk.0.ffn_up.bias"}};
constexpr GgufFixedField kNoAttentionBias[] = {{"attention_bias", false}};

constexpr GgufKey kGemmaKeys[] = {
    {"attention.sliding_window", "sliding_window"},
    {"attn_logit_softcapping", "attn_logit_softcapping", GgufKeyType::kReal},
    {"final_logit_softcapping", "final_logit_softcapping", GgufKeyType::kReal},
};
constexpr GgufKey kWindowKeys[] = {
    {"attention.sliding_window", "sliding_window"},
};
constexpr GgufBiasField kStarcoder2Biases[] = {{"use_bias", "blk.0.attn_output.bias"}};

constexpr GgufKey kMixtralKeys[] = {
    {"expert_count", "num_local_experts", GgufKeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", GgufKeyType::kInteger, true},
};
constexpr GgufKey kQwenMoeKeys[] = {
    {"expert_count", "num_experts", GgufKeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", GgufKeyType::kInteger, true},
    {"expert_feed_forward_length", "moe_intermediate_size", GgufKeyType::kInteger, true},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
};
constexpr GgufFixedField kQwen2MoeFixed[] = {{"norm_topk_prob", false}};
constexpr GgufFixedField kQwen3MoeFixed[] = {{"norm_topk_prob", true}, {"attention_bias", false}};

// Falcon's attention and MLP read the same norm, or each its own.
constexpr GgufName kFalconOneNorm[] = {
    {"mlp", "norm.weight", "blk.{}.attn_norm.weight"},
    {"mlp", "norm.bias", "blk.{}.attn_norm.bias"},
};
constexpr GgufName kFalconTwoNorms[] = {
    {"attention", "norm.weight", "blk.{}.attn_norm_2.weight"},
    {"attention", "norm.bias", "blk.{}.attn_norm_2.bias"},
    {"mlp", "norm.weight", "blk.{}.attn_norm.weight"},
    {"mlp", "norm.bias", "blk.{}.attn_norm.bias"},
};
constexpr GgufFixedField kFalconOne[] = {{"new_decoder_architecture", true},
                                         {"num_ln_in_parallel_attn", std::int64_t{1}},
                                         {"parallel_attn", true},
                                         {"alibi", false},
                                         {"bias", false}};
constexpr GgufFixedField kFalconTwo[] = {{"new_decoder_architecture", true},
                                         {"num_ln_in_parallel_attn", std::int64_t{2}},
                                         {"parallel_attn", true},
                                         {"alibi", false},
                                         {"bias", false}};

constexpr GgufFamily kFamilies[] = {
    {.architecture = "llama",
     .model_type = "mixtral",
     .turns_neighbours = true,
     .keys = kMixtralKeys,
     .needs = "blk.0.ffn_gate_inp.weight",
     .frequency_factors = true},
    // Biases of q, k and v alone, where the architecture qwen2 has no room for something else.
    {.architecture = "llama",
     .model_type = "qwen2",
     .turns_neighbours = true,
     .needs = "blk.0.attn_q.bias",
     .lacks = "blk.0.attn_output.bias",
     .last = true,
     .frequency_factors = true},
    {.architecture = "llama",
     .model_type = "llama",
     .turns_neighbours = true,
     .biases = kLlamaBiases,
     .frequency_factors = true},
    {.architecture = "qwen2", .model_type = "qwen2", .square = true},
    {.architecture = "qwen3", .model_type = "qwen3", .fixed = kNoAttentionBias},
    {.architecture = "qwen2moe",
     .model_type = "qwen2_moe",
     .keys = kQwenMoeKeys,
     .fixed = kQwen2MoeFixed,
     .square = true},
    {.architecture = "qwen3moe",
     .model_type = "qwen3_moe",
     .keys = kQwenMoeKeys,
     .fixed = kQwen3MoeFixed},
    {.architecture = "gemma2",
     .model_type = "gemma2",
     .norms_hold_offset = true,
     .keys = kGemmaKeys,
     .scores = {"query_pre_attn_scalar", 46},
     .windows = true},
    {.architecture = "gemma3",
     .model_type = "gemma3_text",
     .norms_hold_offset = true,
     .keys = kGemmaKeys,
     .scores = {"query_pre_attn_scalar", 62},
     .windows = true},
    {.architecture = "phi3",
     .model_type = "phi3",
     .keys = kWindowKeys,
     .joins = true,
     .square = true},
    {.architecture = "olmo2", .model_type = "olmo2", .fixed = kNoAttentionBias, .square = true},
    {.architecture = "gpt2", .model_type = "gpt2", .joins = true, .square = true},
    {.architecture = "starcoder2",
     .model_type = "starcoder2",
     .biases = kStarcoder2Biases,
     .square = true},
    {.architecture = "falcon",
     .model_type = "falcon",
     .fixed = kFalconTwo,
     .names = kFalconTwoNorms,
     .needs = "blk.0.attn_norm_2.weight",
     .joins = true,
     .square = true},
    {.architecture = "falcon",
     .model_type = "falcon",
     .fixed = kFalconOne,
     .names = kFalconOneNorm,
     .lacks = "blk.0.attn_norm_2.weight",
     .joins = true,
     .square = true},
};

}  // namespace

std::span<const GgufFamily> AllGgufFamilies() {
  return kFamilies;
}

}  // namespace ashlar::internal
