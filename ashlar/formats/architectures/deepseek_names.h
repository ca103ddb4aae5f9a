// What DeepSeek V2 and V3 have in common.
#pragma once

#include "ashlar/formats/architecture.h"
#include "ashlar/formats/architectures/expert_names.h"

namespace ashlar {

inline constexpr std::string_view kKeyValueParts[] = {"q_latent", "v"};
inline constexpr Joined kKeyValue{.parts = kKeyValueParts, .turned = "q_latent"};
inline constexpr std::string_view kByHead = "heads";

inline constexpr TensorName kDeepSeekAttention[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q_down", "model.layers.{}.self_attn.q_a_proj.weight"},
    {"q_down.bias", "model.layers.{}.self_attn.q_a_proj.bias"},
    {"q_norm.weight", "model.layers.{}.self_attn.q_a_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.q_b_proj.weight"},
    {"kv_down", "model.layers.{}.self_attn.kv_a_proj_with_mqa.weight"},
    {"kv_down.bias", "model.layers.{}.self_attn.kv_a_proj_with_mqa.bias"},
    {"kv_norm.weight", "model.layers.{}.self_attn.kv_a_layernorm.weight"},
    {.tensor = "heads.{}.q_latent",
     .checkpoint = "model.layers.{}.self_attn.kv_b_proj.weight",
     .joined = &kKeyValue,
     .each = kByHead,
     .flat = true},
    {.tensor = "heads.{}.v",
     .checkpoint = "model.layers.{}.self_attn.kv_b_proj.weight",
     .joined = &kKeyValue,
     .each = kByHead,
     .flat = true},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"o.bias", "model.layers.{}.self_attn.o_proj.bias"},
};
// Queries without a latent of their own.
inline constexpr TensorName kDeepSeekAttentionOfTheInput[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.q_proj.weight"},
    {"kv_down", "model.layers.{}.self_attn.kv_a_proj_with_mqa.weight"},
    {"kv_down.bias", "model.layers.{}.self_attn.kv_a_proj_with_mqa.bias"},
    {"kv_norm.weight", "model.layers.{}.self_attn.kv_a_layernorm.weight"},
    {.tensor = "heads.{}.q_latent",
     .checkpoint = "model.layers.{}.self_attn.kv_b_proj.weight",
     .joined = &kKeyValue,
     .each = kByHead,
     .flat = true},
    {.tensor = "heads.{}.v",
     .checkpoint = "model.layers.{}.self_attn.kv_b_proj.weight",
     .joined = &kKeyValue,
     .each = kByHead,
     .flat = true},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"o.bias", "model.layers.{}.self_attn.o_proj.bias"},
};
inline constexpr TensorName kDeepSeekExperts[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"router", "model.layers.{}.mlp.gate.weight"},
    {"router.selection_bias", "model.layers.{}.mlp.gate.e_score_correction_bias"},
    {.tensor = "experts.{}.gate",
     .checkpoint = "model.layers.{}.mlp.experts.{}.gate_proj.weight",
     .each = kByExpert},
    {.tensor = "experts.{}.up",
     .checkpoint = "model.layers.{}.mlp.experts.{}.up_proj.weight",
     .each = kByExpert},
    {.tensor = "experts.{}.down",
     .checkpoint = "model.layers.{}.mlp.experts.{}.down_proj.weight",
     .each = kByExpert},
    {"shared.gate", "model.layers.{}.mlp.shared_experts.gate_proj.weight"},
    {"shared.up", "model.layers.{}.mlp.shared_experts.up_proj.weight"},
    {"shared.down", "model.layers.{}.mlp.shared_experts.down_proj.weight"},
};
inline constexpr Setting kDeepSeekAttentionSettings[] = {
    {"latent_dim", 512, "kv_lora_rank"},
    {"plain_dim", 128, "qk_nope_head_dim"},
    {"value_dim", 128, "v_head_dim"},
    {.attribute = "query_latent_dim", .value = 1536, .field = "q_lora_rank", .null = 0},
    {"latent_norm_eps", 1e-6},
    {"down_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
};

// Queries without a latent of their own.
inline constexpr Condition kQueriesOfTheInput{
    .field = "q_lora_rank", .is = 0, .otherwise = 1536, .null = 0};

// Sums of other fields.
inline constexpr std::string_view kDeepSeekIgnored[] = {"head_dim", "qk_head_dim"};

}  // namespace ashlar
