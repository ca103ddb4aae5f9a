// What config.json says of mixtures of experts, and of attention over latents.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/formats/recipe.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json MixtureConfig(const std::string& model_type, Json::Object fields = {}) {
  Json config = Json::Of({{"model_type", model_type},
                          {"hidden_size", 64},
                          {"intermediate_size", 160},
                          {"num_hidden_layers", 4},
                          {"num_attention_heads", 4},
                          {"vocab_size", 384}});
  for (const auto& [key, value] : fields) {
    config.Set(key, value);
  }
  return config;
}

Result<Recipe> ReadMixtureRecipe(const std::string& model_type, Json::Object fields = {}) {
  const Json config = MixtureConfig(model_type, std::move(fields));
  return ReadRecipe(JsonCursor(config, "config.json"));
}

// Kind of the second block of each layer.
std::vector<std::string> LayerKinds(const std::string& model_type, Json::Object fields = {}) {
  const auto recipe = ReadMixtureRecipe(model_type, std::move(fields));
  EXPECT_TRUE(recipe.ok()) << recipe.error().message;
  std::vector<std::string> kinds;
  for (int layer = 0; recipe.ok() && layer < 4; ++layer) {
    kinds.push_back(recipe->blocks[static_cast<std::size_t>(2 + 2 * layer)].kind);
  }
  return kinds;
}

std::string MixtureError(const std::string& model_type, Json::Object fields) {
  const auto recipe = ReadMixtureRecipe(model_type, std::move(fields));
  return recipe.ok() ? "no error" : recipe.error().message;
}

// An attribute of the last layer's attention, or of its mixture; nothing when it is not set.
template <class T>
std::optional<T> LastLayer(std::size_t block_from_end, std::string_view name,
                           const std::string& model_type, Json::Object fields) {
  const auto recipe = ReadMixtureRecipe(model_type, std::move(fields));
  EXPECT_TRUE(recipe.ok()) << recipe.error().message;
  if (!recipe.ok()) {
    return std::nullopt;
  }
  const auto& attributes = recipe->blocks[recipe->blocks.size() - block_from_end].attributes;
  const auto found = attributes.find(name);
  return found == attributes.end() ? std::nullopt : std::optional(std::get<T>(found->second));
}
template <class T = std::int64_t>
std::optional<T> OfMixture(std::string_view name, const std::string& model_type,
                           Json::Object fields = {}) {
  return LastLayer<T>(3, name, model_type, std::move(fields));
}
template <class T = std::int64_t>
std::optional<T> OfAttention(std::string_view name, const std::string& model_type,
                             Json::Object fields = {}) {
  return LastLayer<T>(4, name, model_type, std::move(fields));
}

TEST(MixtureConfig, SaysWhichLayersHaveAnMlp) {
  EXPECT_THAT(LayerKinds("mixtral"), ElementsAre("moe", "moe", "moe", "moe"));
  EXPECT_THAT(LayerKinds("qwen3_moe", {{"decoder_sparse_step", 2}}),
              ElementsAre("mlp", "moe", "mlp", "moe"));
  EXPECT_THAT(LayerKinds("qwen2_moe", {{"mlp_only_layers", Json::Array{0, 3, 7}}}),
              ElementsAre("mlp", "moe", "moe", "mlp"));
  EXPECT_THAT(LayerKinds("qwen2_moe", {{"mlp_only_layers", nullptr}}),
              ElementsAre("moe", "moe", "moe", "moe"));
  EXPECT_THAT(LayerKinds("qwen3_moe", {{"num_experts", 0}}),
              ElementsAre("mlp", "mlp", "mlp", "mlp"));
  EXPECT_THAT(LayerKinds("deepseek_v3"), ElementsAre("mlp", "mlp", "mlp", "moe"));
  EXPECT_THAT(LayerKinds("deepseek_v3", {{"first_k_dense_replace", 1}, {"moe_layer_freq", 2}}),
              ElementsAre("mlp", "mlp", "moe", "mlp"));
  EXPECT_THAT(MixtureError("qwen3_moe", {{"decoder_sparse_step", 0}}),
              HasSubstr("decoder_sparse_step must be at least 1"));
}

TEST(MixtureConfig, TakesAbsentFieldsFromTheFamily) {
  EXPECT_EQ(OfMixture("experts", "mixtral"), 8);
  EXPECT_EQ(OfMixture("experts_per_token", "mixtral"), 2);
  EXPECT_EQ(OfMixture("channels", "mixtral"), 160);  // intermediate_size is theirs
  EXPECT_EQ(OfMixture("normalized", "mixtral"), 1);
  EXPECT_EQ(OfMixture("experts", "qwen2_moe"), 60);
  EXPECT_EQ(OfMixture("channels", "qwen2_moe"), 1408);
  EXPECT_EQ(OfMixture("shared_channels", "qwen2_moe"), 5632);
  EXPECT_EQ(OfMixture("normalized", "qwen2_moe"), 0);
  EXPECT_EQ(OfMixture("experts", "qwen3_moe"), 128);
  EXPECT_EQ(OfMixture("shared_channels", "qwen3_moe"), 0);
  EXPECT_EQ(OfMixture("experts", "olmoe"), 64);
  EXPECT_EQ(OfMixture("experts_per_token", "olmoe"), 8);
  EXPECT_EQ(OfMixture<double>("clamp", "gpt_oss"), 7.0);
  EXPECT_EQ(OfMixture<std::string>("activation", "gpt_oss", {{"hidden_act", "gelu"}}), "silu");
}

TEST(MixtureConfig, HasOldSpellingsAndNew) {
  EXPECT_EQ(OfMixture("experts", "qwen3_moe", {{"num_experts", 6}}), 6);
  EXPECT_EQ(OfMixture("experts", "qwen3_moe", {{"num_local_experts", 6}}), 6);
  EXPECT_EQ(OfMixture("experts", "mixtral", {{"num_experts", 6}}), 6);
  EXPECT_EQ(OfMixture("experts", "deepseek_v3", {{"num_local_experts", 6}}), 6);
}

TEST(MixtureConfig, GroupsExpertsWhereThatChoosesAmongThem) {
  EXPECT_EQ(OfMixture("groups", "deepseek_v3"), 8);
  EXPECT_EQ(OfMixture("groups_per_token", "deepseek_v3"), 4);
  EXPECT_EQ(OfMixture("groups", "deepseek_v3", {{"n_group", 1}, {"topk_group", 1}}), std::nullopt);
  EXPECT_EQ(OfMixture("groups", "deepseek_v3", {{"n_group", 4}}), std::nullopt);
  EXPECT_EQ(OfMixture("groups", "deepseek_v3", {{"n_group", nullptr}}), std::nullopt);
}

TEST(MixtureConfig, SharedExpertsJoinTheirChannels) {
  const Json::Object three = {{"moe_intermediate_size", 48}, {"n_shared_experts", 3}};
  EXPECT_EQ(OfMixture("shared_channels", "deepseek_v3", three), 144);
  EXPECT_EQ(OfMixture("shared_channels", "deepseek_v3", {{"n_shared_experts", nullptr}}), 0);
}

TEST(MixtureConfig, RefusesWhatItDoesNotCompute) {
  EXPECT_THAT(MixtureError("deepseek_v3", {{"scoring_func", "softmax"}}),
              HasSubstr("scoring_func \"softmax\" cannot be imported; known: sigmoid"));
  EXPECT_THAT(MixtureError("deepseek_v3", {{"topk_method", "greedy"}}),
              HasSubstr("topk_method \"greedy\" cannot be imported; known: noaux_tc"));
  EXPECT_THAT(MixtureError("olmoe", {{"clip_qkv", 8.0}}), HasSubstr("config.json.clip_qkv"));
  EXPECT_EQ(MixtureError("olmoe", {{"clip_qkv", nullptr}}), "no error");
}

TEST(MixtureConfig, NumbersTensorsOfExpertsByNameOrInOneStack) {
  const Recipe named = *ReadMixtureRecipe("qwen3_moe");
  const TensorSource by_name = SourceOf(named.blocks[4], "experts.17.down");
  EXPECT_THAT(by_name.tensors, ElementsAre("model.layers.1.mlp.experts.17.down_proj.weight"));
  EXPECT_EQ(by_name.stack, 0);
  const Recipe stacked = *ReadMixtureRecipe("gpt_oss");
  const TensorSource in_stack = SourceOf(stacked.blocks[4], "experts.17.up.bias");
  EXPECT_THAT(in_stack.tensors, ElementsAre("model.layers.1.mlp.experts.gate_up_proj_bias"));
  EXPECT_EQ(in_stack.stack, 128);
  EXPECT_EQ(in_stack.index, 17);
}

TEST(MixtureConfig, GptOssHasItsStretchAndWindowsWithoutAField) {
  EXPECT_EQ(OfAttention<std::string>("rope_scaling", "gpt_oss"), "yarn");
  EXPECT_EQ(OfAttention("rope_fractional_ramp", "gpt_oss"), 1);
  EXPECT_EQ(OfAttention<double>("rope_factor", "gpt_oss"), 32.0);
  EXPECT_EQ(OfAttention("window", "gpt_oss"), 0);  // of the last of four layers
  const Recipe recipe = *ReadMixtureRecipe("gpt_oss");
  EXPECT_EQ(std::get<std::int64_t>(recipe.blocks[1].attributes.find("window")->second), 128);
}

TEST(MixtureConfig, Qwen2MoeAlternatesWindowsUpToALayer) {
  const Json::Object windows = {
      {"use_sliding_window", true}, {"sliding_window", 16}, {"max_window_layers", 2}};
  const Recipe recipe = *ReadMixtureRecipe("qwen2_moe", windows);
  std::vector<std::int64_t> found;
  for (std::size_t layer = 0; layer < 4; ++layer) {
    found.push_back(
        std::get<std::int64_t>(recipe.blocks[1 + 2 * layer].attributes.find("window")->second));
  }
  EXPECT_THAT(found, ElementsAre(16, 0, 0, 0));
}

TEST(LatentConfig, ReadsItsSizes) {
  EXPECT_EQ(OfAttention("latent_dim", "deepseek_v3"), 512);
  EXPECT_EQ(OfAttention("plain_dim", "deepseek_v3"), 128);
  EXPECT_EQ(OfAttention("value_dim", "deepseek_v3"), 128);
  EXPECT_EQ(OfAttention("rope_dims", "deepseek_v3"), 64);
  EXPECT_EQ(OfAttention("query_latent_dim", "deepseek_v3"), 1536);
  EXPECT_EQ(OfAttention("query_latent_dim", "deepseek_v3", {{"q_lora_rank", nullptr}}), 0);
  EXPECT_EQ(OfAttention("rope_dims", "deepseek_v3", {{"qk_rope_head_dim", 32}, {"head_dim", 7}}),
            32);
  EXPECT_EQ(OfAttention<std::string>("rope_pairs", "deepseek_v3"), "neighbours");
  EXPECT_EQ(OfAttention<std::string>("rope_pairs", "deepseek_v3", {{"rope_interleave", false}}),
            std::nullopt);
  EXPECT_EQ(OfAttention("window", "deepseek_v3"), std::nullopt);
}

TEST(LatentConfig, QueriesComeFromOneMatrixWhenTheyHaveNoLatent) {
  const Recipe latent = *ReadMixtureRecipe("deepseek_v3");
  EXPECT_THAT(SourceOf(latent.blocks[1], "q").tensors,
              ElementsAre("model.layers.0.self_attn.q_b_proj.weight"));
  const Recipe direct = *ReadMixtureRecipe("deepseek_v3", {{"q_lora_rank", nullptr}});
  EXPECT_THAT(SourceOf(direct.blocks[1], "q").tensors,
              ElementsAre("model.layers.0.self_attn.q_proj.weight"));
}

TEST(LatentConfig, YarnScalesTheScoresByItsMscaleOfAllDims) {
  const auto scaling = [](double all) {
    return Json::Object{{"rope_scaling", Json::Of({{"type", "yarn"},
                                                   {"factor", 40.0},
                                                   {"mscale", 1.0},
                                                   {"mscale_all_dim", all},
                                                   {"original_max_position_embeddings", 4096}})}};
  };
  const double mscale = 0.1 * std::log(40.0) + 1;
  EXPECT_NEAR(*OfAttention<double>("scale", "deepseek_v3", scaling(1.0)),
              mscale * mscale / std::sqrt(128.0 + 64), 1e-12);
  EXPECT_NEAR(*OfAttention<double>("rope_attention_factor", "deepseek_v3", scaling(1.0)), 1, 1e-12);
  EXPECT_EQ(OfAttention<double>("scale", "deepseek_v3", scaling(0)), std::nullopt);
}

TEST(LatentConfig, LayersThatPredictFurtherTokensAreNotAskedFor) {
  const Recipe recipe = *ReadMixtureRecipe("deepseek_v3", {{"num_nextn_predict_layers", 2}});
  EXPECT_THAT(recipe.ignored_prefixes, ElementsAre("model.layers.4.", "model.layers.5."));
}

TEST(DeepSeekV2Config, TakesAbsentFieldsFromItsConfigurationClass) {
  const Json::Object least = {{"num_experts_per_tok", 6}};
  EXPECT_EQ(OfMixture("experts", "deepseek_v2", least), 64);
  EXPECT_EQ(OfMixture("channels", "deepseek_v2", least), 1407);
  EXPECT_EQ(OfMixture("shared_channels", "deepseek_v2", least), 2 * 1407);
  EXPECT_EQ(OfMixture<double>("scaling", "deepseek_v2", least), 1.0);
  EXPECT_EQ(OfMixture("normalized", "deepseek_v2", least), std::nullopt);
  EXPECT_THAT(LayerKinds("deepseek_v2", least), ElementsAre("moe", "moe", "moe", "moe"));
  EXPECT_EQ(OfAttention("query_latent_dim", "deepseek_v2", least), 1536);
  EXPECT_EQ(OfAttention("latent_dim", "deepseek_v2", least), 512);
  EXPECT_EQ(OfAttention("plain_dim", "deepseek_v2", least), 128);
  EXPECT_EQ(OfAttention("rope_dims", "deepseek_v2", least), 64);
  EXPECT_EQ(OfAttention("value_dim", "deepseek_v2", least), 128);
  EXPECT_EQ(OfMixture("experts", "deepseek_v2", {{"num_experts_per_tok", 6}, {"num_experts", 8}}),
            8);
}

TEST(DeepSeekV2Config, ChoosesByTheBestOfGroupsOrFromAll) {
  const Json::Object groups = {{"num_experts_per_tok", 6},
                               {"n_group", 8},
                               {"topk_group", 3},
                               {"topk_method", "group_limited_greedy"}};
  EXPECT_EQ(OfMixture("groups", "deepseek_v2", groups), 8);
  EXPECT_EQ(OfMixture("groups_per_token", "deepseek_v2", groups), 3);
  EXPECT_EQ(OfMixture<std::string>("group_rank", "deepseek_v2", groups), "best");
  for (const char* greedy : {"greedy", ""}) {
    Json::Object fields = groups;
    fields.pop_back();
    if (*greedy != 0) {
      fields.emplace_back("topk_method", greedy);
    }
    EXPECT_EQ(OfMixture("groups", "deepseek_v2", fields), std::nullopt) << greedy;
    EXPECT_EQ(OfMixture("shared_channels", "deepseek_v2", fields), 2814);
    EXPECT_EQ(OfMixture("selection_bias", "deepseek_v2", fields), std::nullopt);
  }
  EXPECT_EQ(OfAttention("query_latent_dim", "deepseek_v2",
                        {{"num_experts_per_tok", 6}, {"q_lora_rank", nullptr}}),
            0);
  EXPECT_THAT(
      MixtureError("deepseek_v2", {{"num_experts_per_tok", 6}, {"topk_method", "noaux_tc"}}),
      HasSubstr("no form of model_type deepseek_v2"));
  EXPECT_THAT(MixtureError("deepseek_v2", {{"num_experts_per_tok", 6}, {"norm_topk_prob", true}}),
              HasSubstr("norm_topk_prob"));
  EXPECT_THAT(
      MixtureError("deepseek_v2", {{"num_experts_per_tok", 6}, {"scoring_func", "sigmoid"}}),
      HasSubstr("scoring_func"));
}

}  // namespace
}  // namespace ashlar
