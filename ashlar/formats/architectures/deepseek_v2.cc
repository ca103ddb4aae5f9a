#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/deepseek_names.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kDeepSeekV2Mixture[] = {
    {"scaling", 1.0, "routed_scaling_factor"},
};
constexpr FixedWord kDeepSeekV2Words[] = {{"scoring_func", "softmax"}};
// Experts are chosen from all, whatever groups there are.
constexpr std::string_view kIgnoredOfAll[] = {"head_dim", "qk_head_dim", "n_group", "topk_group"};

// Scores are scaled for the stretch of positions as in the authors' implementation (and in V3); a
// later one in transformers leaves that out.
constexpr Architecture DeepSeekV2(std::span<const TensorName> attention,
                                  std::span<const Condition> when) {
  return {
      .model_type = "deepseek_v2",
      .class_name = "DeepseekV2ForCausalLM",
      .when = when,
      .embed = {kLlamaEmbed},
      .attention = {attention, kDeepSeekAttentionSettings},
      .mlp = {kLlamaMlp},
      .mixture = {.block = {kDeepSeekExperts, kDeepSeekV2Mixture},
                  .experts = {{{"n_routed_experts", "num_local_experts", "num_experts"}}, 64},
                  .experts_per_token = {kExpertsPerToken},
                  .channels = {{{"moe_intermediate_size"}}, 1407},
                  .shared_experts = {{{"n_shared_experts"}}, 2},
                  .first_dense = {{{"first_k_dense_replace"}}, 0},
                  .multiples_of = {{{"moe_layer_freq"}}, 1}},
      .norm = {kLlamaNorm},
      .head = {kLlamaHead},
      .latent = true,
      .rope = {.neighbours = {.otherwise = true}, .scores_scaled = true},
      .sizes = {.head_dim = {{"qk_rope_head_dim"}}},
      .head_dim = 64,
      .fixed_words = kDeepSeekV2Words,
      .ignored_fields = kIgnoredOfAll,
  };
}

// Only the best groups of experts are chosen from, each as good as its best expert.
constexpr Architecture InGroups(Architecture row) {
  row.mixture.groups = {{{"n_group"}}, 0};
  row.mixture.groups_per_token = {{{"topk_group"}}, 0};
  row.mixture.group_rank = "best";
  row.ignored_fields = kDeepSeekIgnored;
  return row;
}

constexpr Condition kGreedy{.field = "topk_method", .is = 1, .otherwise = 1, .word = "greedy"};
constexpr Condition kInGroups{
    .field = "topk_method", .is = 1, .otherwise = 0, .word = "group_limited_greedy"};
constexpr Condition kGreedyOfTheInput[] = {kGreedy, kQueriesOfTheInput};
constexpr Condition kGreedyOfLatents[] = {kGreedy};
constexpr Condition kInGroupsOfTheInput[] = {kInGroups, kQueriesOfTheInput};
constexpr Condition kInGroupsOfLatents[] = {kInGroups};

}  // namespace

constinit const Architecture kDeepSeekV2OfTheInput =
    DeepSeekV2(kDeepSeekAttentionOfTheInput, kGreedyOfTheInput);
constinit const Architecture kDeepSeekV2 = DeepSeekV2(kDeepSeekAttention, kGreedyOfLatents);
constinit const Architecture kDeepSeekV2InGroupsOfTheInput =
    InGroups(DeepSeekV2(kDeepSeekAttentionOfTheInput, kInGroupsOfTheInput));
constinit const Architecture kDeepSeekV2InGroups =
    InGroups(DeepSeekV2(kDeepSeekAttention, kInGroupsOfLatents));

}  // namespace ashlar
