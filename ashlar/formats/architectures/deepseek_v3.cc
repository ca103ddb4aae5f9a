#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/expert_names.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr std::string_view kKeyValueParts[] = {"q_latent", "v"};
constexpr Joined kKeyValue{.parts = kKeyValueParts, .turned = "q_latent"};
constexpr std::string_view kByHead = "heads";

constexpr TensorName kDeepSeekAttention[] = {
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
constexpr TensorName kDeepSeekAttentionOfTheInput[] = {
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
constexpr TensorName kDeepSeekExperts[] = {
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
constexpr Setting kDeepSeekAttentionSettings[] = {
    {"latent_dim", 512, "kv_lora_rank"},
    {"plain_dim", 128, "qk_nope_head_dim"},
    {"value_dim", 128, "v_head_dim"},
    {.attribute = "query_latent_dim", .value = 1536, .field = "q_lora_rank", .null = 0},
    {"latent_norm_eps", 1e-6},
    {"down_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
};
constexpr Setting kDeepSeekMixture[] = {
    {"scoring", "sigmoid"},
    {"selection_bias", 1},
    {"normalized", 1, "norm_topk_prob"},
    {"scaling", 2.5, "routed_scaling_factor"},
};
constexpr FixedWord kDeepSeekWords[] = {
    {"scoring_func", "sigmoid"},
    {"topk_method", "noaux_tc"},
};
// Sums of other fields.
constexpr std::string_view kDeepSeekIgnored[] = {"head_dim", "qk_head_dim"};

constexpr Architecture DeepSeekV3(std::span<const TensorName> attention,
                                  std::span<const Condition> when) {
  return {
      .model_type = "deepseek_v3",
      .class_name = "DeepseekV3ForCausalLM",
      .when = when,
      .embed = {kLlamaEmbed},
      .attention = {attention, kDeepSeekAttentionSettings},
      .mlp = {kLlamaMlp},
      .mixture = {.block = {kDeepSeekExperts, kDeepSeekMixture},
                  .experts = {{{"n_routed_experts", "num_local_experts"}}, 256},
                  .experts_per_token = {kExpertsPerToken, 8},
                  .channels = {{{"moe_intermediate_size"}}, 2048},
                  .shared_experts = {{{"n_shared_experts"}}, 1},
                  .groups = {{{"n_group"}}, 8},
                  .groups_per_token = {{{"topk_group"}}, 4},
                  .first_dense = {{{"first_k_dense_replace"}}, 3},
                  .multiples_of = {{{"moe_layer_freq"}}, 1}},
      .norm = {kLlamaNorm},
      .head = {kLlamaHead},
      .latent = true,
      .rope = {.neighbours = {.otherwise = true, .field = "rope_interleave"},
               .scores_scaled = true},
      .sizes = {.head_dim = {{"qk_rope_head_dim"}}},
      .max_positions = 4096,
      .head_dim = 64,
      .extra_layers = {{"num_nextn_predict_layers"}},
      .fixed_words = kDeepSeekWords,
      .ignored_fields = kDeepSeekIgnored,
  };
}

constexpr Condition kQueriesOfTheInput[] = {
    {.field = "q_lora_rank", .is = 0, .otherwise = 1536, .null = 0},
};

}  // namespace

constinit const Architecture kDeepSeekV3OfTheInput =
    DeepSeekV3(kDeepSeekAttentionOfTheInput, kQueriesOfTheInput);
constinit const Architecture kDeepSeekV3 = DeepSeekV3(kDeepSeekAttention, {});

}  // namespace ashlar
