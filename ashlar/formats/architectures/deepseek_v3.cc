#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/deepseek_names.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

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

constexpr Condition kOfTheInput[] = {kQueriesOfTheInput};

}  // namespace

constinit const Architecture kDeepSeekV3OfTheInput =
    DeepSeekV3(kDeepSeekAttentionOfTheInput, kOfTheInput);
constinit const Architecture kDeepSeekV3 = DeepSeekV3(kDeepSeekAttention, {});

}  // namespace ashlar
