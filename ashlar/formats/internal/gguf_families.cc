#include "ashlar/formats/internal/gguf_families.h"

#include "ashlar/formats/internal/gguf_recurrent_families.h"

namespace ashlar::internal {
namespace {

constexpr GgufPartField kLlamaBiases[] = {{"attention_bias", "blk.0.attn_output.bias"},
                                          {"mlp_bias", "blk.0.ffn_up.bias"}};
constexpr GgufFixedField kNoAttentionBias[] = {{"attention_bias", false}};

constexpr GgufKey kGemma2Keys[] = {
    {"attention.sliding_window", "sliding_window"},
    {"attn_logit_softcapping", "attn_logit_softcapping", GgufKeyType::kReal},
    {"final_logit_softcapping", "final_logit_softcapping", GgufKeyType::kReal},
};
constexpr GgufKey kGemma3Keys[] = {
    {.key = "attention.sliding_window", .field = "sliding_window", .least = 0},
    {"attn_logit_softcapping", "attn_logit_softcapping", GgufKeyType::kReal},
    {"final_logit_softcapping", "final_logit_softcapping", GgufKeyType::kReal},
    {"rope.freq_base_swa", "rope_local_base_freq", GgufKeyType::kReal},
};
// Without the key it has windows all the same, of so many positions.
constexpr GgufFixedField kGemma2Fixed[] = {{"sliding_window", std::int64_t{4096}}};
constexpr GgufKey kWindowKeys[] = {
    {.key = "attention.sliding_window", .field = "sliding_window", .least = 0},
};
constexpr GgufPartField kStarcoder2Biases[] = {{"use_bias", "blk.0.attn_output.bias"}};

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

// The layout that llama.cpp computes latent attention in: keys and values made from the latent lie
// apart, a matrix for each head.
constexpr GgufKey kDeepSeekKeys[] = {
    {"attention.kv_lora_rank", "kv_lora_rank", GgufKeyType::kInteger, true},
    {.key = "leading_dense_block_count", .field = "first_k_dense_replace", .least = 0},
    {"expert_count", "n_routed_experts", GgufKeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", GgufKeyType::kInteger, true},
    {"expert_shared_count", "n_shared_experts"},
    {"expert_feed_forward_length", "moe_intermediate_size", GgufKeyType::kInteger, true},
    {.key = "expert_group_count", .field = "n_group", .without = "its experts are one group"},
    {"expert_group_used_count", "topk_group"},
    {"expert_weights_scale", "routed_scaling_factor", GgufKeyType::kReal},
    {"expert_weights_norm", "norm_topk_prob", GgufKeyType::kBool},
    {"attention.q_lora_rank", "q_lora_rank"},
};
constexpr GgufConstant kDeepSeekConstants[] = {
    {"expert_gating_func", 2, "sigmoid"},
};
// Files before there were other ways to choose do not name theirs.
constexpr GgufConstant kDeepSeekV2Constants[] = {
    {.key = "expert_gating_func", .value = 1, .meaning = "softmax", .required = false},
    {.key = "expert_weights_norm",
     .value = 0,
     .meaning = "weights of experts as they are",
     .type = GgufKeyType::kBool,
     .required = false},
};
constexpr GgufKey kDeepSeekV2Keys[] = {
    {"attention.kv_lora_rank", "kv_lora_rank", GgufKeyType::kInteger, true},
    {.key = "leading_dense_block_count", .field = "first_k_dense_replace", .least = 0},
    {"expert_count", "n_routed_experts", GgufKeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", GgufKeyType::kInteger, true},
    {"expert_shared_count", "n_shared_experts"},
    {"expert_feed_forward_length", "moe_intermediate_size", GgufKeyType::kInteger, true},
    {"expert_group_count", "n_group"},
    {"expert_group_used_count", "topk_group"},
    {"expert_weights_scale", "routed_scaling_factor", GgufKeyType::kReal},
    {"attention.q_lora_rank", "q_lora_rank"},
};
constexpr GgufFixedField kDeepSeekV2Fixed[] = {
    {"q_lora_rank", std::int64_t{0}},
    {"first_k_dense_replace", std::int64_t{0}},
    {"n_shared_experts", std::int64_t{0}},
    {"n_group", std::int64_t{1}},
    {"topk_group", std::int64_t{1}},
    {"topk_method", std::string_view("group_limited_greedy")},
    {"routed_scaling_factor", 1.0},
    {"attention_bias", false},
};
// A q_lora_rank of 0: queries without a latent of their own.
constexpr GgufFixedField kDeepSeekFixed[] = {
    {"q_lora_rank", std::int64_t{0}},
    {"first_k_dense_replace", std::int64_t{0}},
    {"n_shared_experts", std::int64_t{0}},
    {"n_group", std::int64_t{1}},
    {"topk_group", std::int64_t{1}},
    {"routed_scaling_factor", 1.0},
    {"norm_topk_prob", false},
    {"attention_bias", false},
    {"rope_interleave", true},
};
constexpr GgufName kQueriesOfTheInput[] = {
    {"latent_attention", "q", "blk.{}.attn_q.weight"},
};

// Attention and MLP read the same norm.
constexpr GgufName kOneNorm[] = {
    {"mlp", "norm.weight", "blk.{}.attn_norm.weight"},
    {"mlp", "norm.bias", "blk.{}.attn_norm.bias"},
};
constexpr GgufName kNormAfterAttention[] = {
    {"mlp", "norm.weight", "blk.{}.post_attention_norm.weight"},
    {"moe", "norm.weight", "blk.{}.post_attention_norm.weight"},
};

constexpr GgufConstant kNoExtraLayers[] = {
    {.key = "nextn_predict_layers",
     .value = 0,
     .meaning = "no layers that predict further tokens",
     .required = false},
};

constexpr GgufKey kOlmoeKeys[] = {
    {"expert_count", "num_experts", GgufKeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", GgufKeyType::kInteger, true},
};
constexpr GgufKey kGraniteKeys[] = {
    {"attention.scale", "attention_multiplier", GgufKeyType::kReal, true},
    {"embedding_scale", "embedding_multiplier", GgufKeyType::kReal, true},
    {"residual_scale", "residual_multiplier", GgufKeyType::kReal, true},
    {"logit_scale", "logits_scaling", GgufKeyType::kReal, true},
};
constexpr GgufKey kCommandRKeys[] = {
    {"logit_scale", "logit_scale", GgufKeyType::kReal, true},
};
constexpr GgufKey kParallelKeys[] = {
    {"use_parallel_residual", "use_parallel_residual", GgufKeyType::kBool, true},
};
constexpr GgufKey kGptOssKeys[] = {
    {"expert_count", "num_local_experts", GgufKeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", GgufKeyType::kInteger, true},
    {"expert_feed_forward_length", "intermediate_size"},
    {"attention.sliding_window", "sliding_window", GgufKeyType::kInteger, true},
};
// llama.cpp knows them apart by the second norm, whatever files say: its converter writes true when
// config.json says nothing, where the configuration class has false.
constexpr GgufConstant kStableLmSequential[] = {
    {.key = "use_parallel_residual",
     .value = 0,
     .meaning = "two norms, one after the other",
     .type = GgufKeyType::kBool,
     .required = false,
     .decides = false},
};
constexpr GgufConstant kStableLmParallel[] = {
    {.key = "use_parallel_residual",
     .value = 1,
     .meaning = "one norm for both",
     .type = GgufKeyType::kBool,
     .required = false,
     .decides = false},
};
constexpr GgufFixedField kStableLmTwo[] = {{"use_parallel_residual", false}};
constexpr GgufFixedField kStableLmOne[] = {{"use_parallel_residual", true}};
// Norms of queries and keys are a matrix, a row for each head.
constexpr std::string_view kOfKeyHeads[] = {"kv_heads", ""};
constexpr GgufName kStableLmTwoNorms[] = {
    {"attention", "q_norm.weight", "blk.{}.attn_q_norm.weight", nullptr, kOfHeads},
    {"attention", "k_norm.weight", "blk.{}.attn_k_norm.weight", nullptr, kOfKeyHeads},
};
constexpr GgufName kOneNormAndHeadNorms[] = {
    {"attention", "q_norm.weight", "blk.{}.attn_q_norm.weight", nullptr, kOfHeads},
    {"attention", "k_norm.weight", "blk.{}.attn_k_norm.weight", nullptr, kOfKeyHeads},
    {"mlp", "norm.weight", "blk.{}.attn_norm.weight"},
    {"mlp", "norm.bias", "blk.{}.attn_norm.bias"},
};
constexpr GgufFixedField kOlmoeFixed[] = {{"norm_topk_prob", false}, {"attention_bias", false}};
constexpr GgufFixedField kNoBiases[] = {{"attention_bias", false}, {"mlp_bias", false}};
constexpr GgufFixedField kErnieFixed[] = {{"use_bias", false}};
constexpr GgufFixedField kSeedOssFixed[] = {{"attention_out_bias", false}, {"mlp_bias", false}};
constexpr GgufFixedField kAttentionBias[] = {{"attention_bias", true}};
constexpr GgufFixedField kSmolLm3Fixed[] = {
    {"use_sliding_window", false}, {"attention_bias", false}, {"mlp_bias", false}};
constexpr GgufPartField kQkvBias[] = {{"attention_bias", "blk.0.attn_q.bias"},
                                      {"attention_bias", "blk.0.attn_qkv.bias"}};
constexpr GgufPartField kCommandRParts[] = {{"use_qk_norm", "blk.0.attn_q_norm.weight"}};
constexpr GgufPartField kPhi2Parts[] = {{"qk_layernorm", "blk.0.attn_q_norm.weight"}};
constexpr GgufPartField kStableLmParts[] = {{"use_qkv_bias", "blk.0.attn_q.bias"},
                                            {"qk_layernorm", "blk.0.attn_q_norm.weight"}};

// Rows of q and k as Meta's files have them: `turns_neighbours`.
constexpr std::string_view kMetaLayout = "Meta AI original pth";

constexpr GgufFamily kFamilies[] = {
    {.architecture = "llama",
     .model_type = "mixtral",
     .layout = kMetaLayout,
     .turns_neighbours = true,
     .keys = kMixtralKeys,
     .needs = "blk.0.ffn_gate_inp.weight",
     .frequency_factors = true},
    // Biases of q, k and v alone, where the architecture qwen2 has no room for something else.
    {.architecture = "llama",
     .model_type = "qwen2",
     .layout = kMetaLayout,
     .turns_neighbours = true,
     .needs = "blk.0.attn_q.bias",
     .lacks = "blk.0.attn_output.bias",
     .last = true,
     .frequency_factors = true},
    {.architecture = "llama",
     .model_type = "llama",
     .layout = kMetaLayout,
     .turns_neighbours = true,
     .parts = kLlamaBiases,
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
     .keys = kGemma2Keys,
     .fixed = kGemma2Fixed,
     .scores = {"query_pre_attn_scalar", 46},
     .windows = true},
    {.architecture = "gemma3",
     .model_type = "gemma3_text",
     .norms_hold_offset = true,
     .keys = kGemma3Keys,
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
     .parts = kStarcoder2Biases,
     .square = true,
     .biased = true},
    {.architecture = "falcon",
     .model_type = "falcon",
     .layout = "jploski",
     .fixed = kFalconTwo,
     .names = kFalconTwoNorms,
     .needs = "blk.0.attn_norm_2.weight",
     .joins = true,
     .square = true},
    {.architecture = "falcon",
     .model_type = "falcon",
     .layout = "jploski",
     .fixed = kFalconOne,
     .names = kFalconOneNorm,
     .lacks = "blk.0.attn_norm_2.weight",
     .joins = true,
     .square = true},
    {.architecture = "olmoe",
     .model_type = "olmoe",
     .keys = kOlmoeKeys,
     .fixed = kOlmoeFixed,
     .square = true,
     .key_of_each_head = true},
    {.architecture = "granite",
     .model_type = "granite",
     .turns_neighbours = true,
     .keys = kGraniteKeys,
     .fixed = kNoBiases},
    {.architecture = "command-r",
     .model_type = "cohere",
     .keys = kCommandRKeys,
     .fixed = kNoAttentionBias,
     .parts = kCommandRParts,
     .names = kOneNormAndHeadNorms,
     .square = true,
     .head_norms_from = 64},
    {.architecture = "phi2",
     .model_type = "phi",
     .parts = kPhi2Parts,
     .names = kOneNorm,
     .square = true},
    {.architecture = "gptneox",
     .model_type = "gpt_neox",
     .keys = kParallelKeys,
     .fixed = kAttentionBias,
     .joins = true,
     .square = true},
    {.architecture = "stablelm",
     .model_type = "stablelm",
     .fixed = kStableLmTwo,
     .constants = kStableLmSequential,
     .parts = kStableLmParts,
     .names = kStableLmTwoNorms,
     .needs = "blk.0.ffn_norm.weight",
     .square = true},
    {.architecture = "stablelm",
     .model_type = "stablelm",
     .fixed = kStableLmOne,
     .constants = kStableLmParallel,
     .parts = kStableLmParts,
     .names = kOneNormAndHeadNorms,
     .lacks = "blk.0.ffn_norm.weight",
     .square = true},
    {.architecture = "glm4",
     .model_type = "glm4",
     .parts = kQkvBias,
     .joins = true,
     .square = true},
    {.architecture = "ernie4_5", .model_type = "ernie4_5", .fixed = kErnieFixed},
    {.architecture = "seed_oss",
     .model_type = "seed_oss",
     .fixed = kSeedOssFixed,
     .parts = kQkvBias,
     .names = kNormAfterAttention},
    {.architecture = "gpt-oss",
     .model_type = "gpt_oss",
     .fractional_ramp = true,
     .keys = kGptOssKeys,
     .fixed = kAttentionBias,
     .names = kNormAfterAttention,
     .windows = true},
    {.architecture = "smollm3",
     .model_type = "smollm3",
     .turns_neighbours = true,
     .fixed = kSmolLm3Fixed},
    {.architecture = "hunyuan-dense", .model_type = "hunyuan_v1_dense", .fixed = kNoAttentionBias},
    {.architecture = "deepseek2",
     .model_type = "deepseek_v3",
     .keys = kDeepSeekKeys,
     .fixed = kDeepSeekFixed,
     .constants = kDeepSeekConstants,
     .needs = "blk.0.attn_q_a.weight",
     .light = false},
    {.architecture = "deepseek2",
     .model_type = "deepseek_v3",
     .keys = kDeepSeekKeys,
     .fixed = kDeepSeekFixed,
     .constants = kDeepSeekConstants,
     .names = kQueriesOfTheInput,
     .lacks = "blk.0.attn_q_a.weight",
     .light = true},
    {.architecture = "deepseek2",
     .model_type = "deepseek_v2",
     .keys = kDeepSeekV2Keys,
     .fixed = kDeepSeekV2Fixed,
     .constants = kDeepSeekV2Constants,
     .needs = "blk.0.attn_q_a.weight",
     .ranks_two = true,
     .light = false},
    {.architecture = "deepseek2",
     .model_type = "deepseek_v2",
     .keys = kDeepSeekV2Keys,
     .fixed = kDeepSeekV2Fixed,
     .constants = kDeepSeekV2Constants,
     .names = kQueriesOfTheInput,
     .lacks = "blk.0.attn_q_a.weight",
     .ranks_two = true,
     .light = true},
    {.architecture = "exaone4",
     .model_type = "exaone4",
     .keys = kWindowKeys,
     .constants = kNoExtraLayers,
     .layer_types = {"attention.sliding_window_pattern", "sliding_attention", "full_attention"},
     .frequency_factors = true,
     .windows = true,
     .windows_of = 64},
    {.architecture = "mamba",
     .model_type = "mamba",
     .keys = kMambaKeys,
     .fixed = kMambaFixed,
     .constants = kMambaConstants,
     .parts = kMambaParts,
     .names = kMambaNames,
     .doubles_width = true},
    {.architecture = "mamba2",
     .model_type = "mamba2",
     .keys = kMamba2Keys,
     .fixed = kMambaFixed,
     .products = kMamba2Products,
     .parts = kMambaParts,
     .names = kMamba2Names},
    {.architecture = "qwen3next",
     .model_type = "qwen3_next",
     .norms_hold_offset = true,
     .keys = kQwen3NextKeys,
     .fixed = kQwen3NextFixed,
     .constants = kNoExtraLayers,
     .products = kQwen3NextProducts,
     .layer_types = {"attention.recurrent_layers", "linear_attention", "full_attention"},
     .names = kQwen3NextNames},
};

}  // namespace

std::span<const GgufFamily> AllGgufFamilies() {
  return kFamilies;
}

}  // namespace ashlar::internal
