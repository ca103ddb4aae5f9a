// What config.json says of layers that carry a state.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/formats/internal/config_json.h"
#include "ashlar/formats/recipe.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<Recipe> ReadRecurrentRecipe(const std::string& model_type, const Json::Object& fields) {
  Json config = Json::Of({{"model_type", model_type},
                          {"hidden_size", 72},
                          {"num_hidden_layers", 4},
                          {"vocab_size", 384}});
  for (const auto& [key, value] : fields) {
    config.Set(key, value);
  }
  return ReadRecipe(JsonCursor(config, "config.json"));
}

std::string RecurrentError(const std::string& model_type, const Json::Object& fields) {
  const auto recipe = ReadRecurrentRecipe(model_type, fields);
  return recipe.ok() ? "no error" : recipe.error().message;
}

// The kinds of all blocks of the layers.
std::vector<std::string> KindsOfLayers(const std::string& model_type,
                                       const Json::Object& fields = {}) {
  const auto recipe = ReadRecurrentRecipe(model_type, fields);
  EXPECT_TRUE(recipe.ok()) << recipe.error().message;
  std::vector<std::string> kinds;
  for (std::size_t i = 0; recipe.ok() && i < recipe->blocks.size(); ++i) {
    if (recipe->blocks[i].layer) {
      kinds.push_back(recipe->blocks[i].kind);
    }
  }
  return kinds;
}

// An attribute of the first layer's first block; nothing when it is not set.
template <class T = std::int64_t>
std::optional<T> OfRecurrent(std::string_view name, const std::string& model_type,
                             const Json::Object& fields = {}) {
  const auto recipe = ReadRecurrentRecipe(model_type, fields);
  EXPECT_TRUE(recipe.ok()) << recipe.error().message;
  if (!recipe.ok()) {
    return std::nullopt;
  }
  const auto& attributes = recipe->blocks[1].attributes;
  const auto found = attributes.find(name);
  return found == attributes.end() ? std::nullopt : std::optional(std::get<T>(found->second));
}

TEST(RecurrentConfig, LayersOfMambaAreOneBlockEach) {
  EXPECT_THAT(KindsOfLayers("mamba"), ElementsAre("ssm", "ssm", "ssm", "ssm"));
  EXPECT_THAT(KindsOfLayers("mamba2"), ElementsAre("ssm", "ssm", "ssm", "ssm"));
  const auto recipe = ReadRecurrentRecipe("mamba", {});
  const Node node = NodeOf(*recipe, 2);
  EXPECT_EQ(node.inputs.at("x"), (Combination{{1, 1.0}}));
  EXPECT_EQ(node.carry, (Combination{{1, 1.0}}));
}

TEST(RecurrentConfig, MambasChannelsAndStepsFollowItsWidthUnlessTheyAreGiven) {
  EXPECT_EQ(OfRecurrent("heads", "mamba"), 144);
  EXPECT_EQ(OfRecurrent("heads", "mamba", {{"expand", 3}}), 216);
  EXPECT_EQ(OfRecurrent("heads", "mamba", {{"expand", 3}, {"intermediate_size", 100}}), 100);
  EXPECT_EQ(OfRecurrent("step_rank", "mamba"), 5);  // 72 / 16, rounded up
  EXPECT_EQ(OfRecurrent("step_rank", "mamba", {{"time_step_rank", "auto"}}), 5);
  EXPECT_EQ(OfRecurrent("step_rank", "mamba", {{"time_step_rank", 7}}), 7);
  EXPECT_EQ(OfRecurrent("state_dim", "mamba"), 16);
  EXPECT_EQ(OfRecurrent("conv_taps", "mamba", {{"conv_kernel", 3}}), 3);
  EXPECT_EQ(OfRecurrent("bias", "mamba", {{"use_bias", true}}), 1);
  EXPECT_EQ(OfRecurrent("conv_bias", "mamba", {{"use_conv_bias", false}}), 0);
  EXPECT_EQ(OfRecurrent<std::string>("activation", "mamba", {{"hidden_act", "gelu"}}), "gelu");
  EXPECT_THAT(RecurrentError("mamba", {{"time_step_rank", "all"}}),
              HasSubstr("config.json.time_step_rank"));
  // (Of rank 0 the block would be one of Mamba-2.)
  EXPECT_THAT(RecurrentError("mamba", {{"time_step_rank", 0}}),
              HasSubstr("config.json.time_step_rank"));
  EXPECT_THAT(RecurrentError("mamba", {{"dt_rank", 3}}), HasSubstr("config.json.dt_rank"));
}

TEST(RecurrentConfig, Mamba2HasHeadsGroupsAndLimitsOfItsSteps) {
  EXPECT_EQ(OfRecurrent("heads", "mamba2"), 128);
  EXPECT_EQ(OfRecurrent("head_dim", "mamba2"), 64);
  EXPECT_EQ(OfRecurrent("groups", "mamba2", {{"n_groups", 2}}), 2);
  EXPECT_EQ(OfRecurrent("groups", "mamba2"), 8);
  EXPECT_EQ(OfRecurrent("gate_norm_by_group", "mamba2"), 1);
  EXPECT_EQ(OfRecurrent("gate_norm_by_group", "mamba2", {{"n_groups", 1}}), 0);
  EXPECT_EQ(OfRecurrent("state_dim", "mamba2"), 128);
  EXPECT_EQ(OfRecurrent<double>("step_min", "mamba2"), 0.0);
  EXPECT_EQ(OfRecurrent<double>("step_max", "mamba2"), 0.0);  // none
  const Json infinite = Json::Of({{"__float__", "Infinity"}});
  EXPECT_EQ(
      OfRecurrent<double>("step_max", "mamba2", {{"time_step_limit", Json::Array{0.0, infinite}}}),
      0.0);
  const Json::Object limits = {{"time_step_limit", Json::Array{0.25, 2.0}}};
  EXPECT_EQ(OfRecurrent<double>("step_min", "mamba2", limits), 0.25);
  EXPECT_EQ(OfRecurrent<double>("step_max", "mamba2", limits), 2.0);
  EXPECT_THAT(RecurrentError("mamba2", {{"time_step_limit", Json::Array{0.25}}}),
              HasSubstr("config.json.time_step_limit: it has 1 numbers"));
  EXPECT_THAT(RecurrentError("mamba2", {{"time_step_limit", Json::Array{0.0, 0.0}}}),
              HasSubstr("no finite meaning"));
}

TEST(RecurrentConfig, LayersOfRwkvMixRowsTwiceAfterANormOfTheEmbedding) {
  EXPECT_THAT(KindsOfLayers("rwkv"),
              ElementsAre("wkv", "mlp", "wkv", "mlp", "wkv", "mlp", "wkv", "mlp"));
  const auto recipe = ReadRecurrentRecipe("rwkv", {});
  ASSERT_TRUE(recipe.ok()) << recipe.error().message;
  const BlockRecipe& norm = recipe->blocks[1];
  const BlockRecipe& time = recipe->blocks[2];
  const BlockRecipe& channel = recipe->blocks[3];
  EXPECT_EQ(norm.kind, "norm");
  EXPECT_EQ(norm.layer, std::nullopt);
  EXPECT_THAT(SourceOf(norm, "bias").tensors, ElementsAre("rwkv.blocks.0.pre_ln.bias"));
  EXPECT_EQ(time.attributes.at("channels"), AttributeValue(std::int64_t{72}));
  EXPECT_EQ(channel.attributes.at("channels"), AttributeValue(std::int64_t{288}));
  EXPECT_EQ(channel.attributes.at("activation"), AttributeValue("relu2"));
  const auto given =
      ReadRecurrentRecipe("rwkv", {{"attention_hidden_size", 32}, {"intermediate_size", nullptr}});
  ASSERT_TRUE(given.ok()) << given.error().message;
  EXPECT_EQ(given->blocks[2].attributes.at("channels"), AttributeValue(std::int64_t{32}));
  EXPECT_EQ(given->blocks[3].attributes.at("channels"), AttributeValue(std::int64_t{288}));
}

// The reference halves what flows through; so does nothing here, and the norms' epsilons make up
// for it.
TEST(RecurrentConfig, EpsilonsOfRwkvGrowWhereTheReferenceHalvesWhatTheyNorm) {
  const auto eps = [](Json::Object fields) {
    fields.emplace_back("layer_norm_epsilon", 0.5);
    const auto recipe = ReadRecurrentRecipe("rwkv", fields);
    EXPECT_TRUE(recipe.ok()) << recipe.error().message;
    std::vector<double> all;
    for (const BlockRecipe& block : recipe->blocks) {
      for (const char* name : {"norm_eps", "eps"}) {
        if (const auto found = block.attributes.find(name); found != block.attributes.end()) {
          all.push_back(std::get<double>(found->second));
        }
      }
    }
    return all;
  };
  EXPECT_THAT(eps({}), ElementsAre(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1e-5));
  EXPECT_THAT(eps({{"rescale_every", 2}}), ElementsAre(0.5, 0.5, 0.5, 0.5, 0.5, 2, 2, 2, 2, 16e-5));
  EXPECT_THAT(RecurrentError("rwkv", {{"rescale_every", 1}, {"num_hidden_layers", 600}}),
              HasSubstr("rescale_every is 1: so many halvings"));
  EXPECT_THAT(eps({{"rescale_every", 0}}),
              ElementsAre(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1e-5));
}

const Json::Object kAttends = {{"num_attention_heads", 4}, {"intermediate_size", 160}};

Json::Object Attending(Json::Object more) {
  more.insert(more.end(), kAttends.begin(), kAttends.end());
  return more;
}

TEST(RecurrentConfig, Qwen3NextAttendsInEachFourthLayerUnlessItSaysWhere) {
  const auto first_blocks = [](Json::Object fields) {
    const std::vector<std::string> kinds =
        KindsOfLayers("qwen3_next", Attending(std::move(fields)));
    std::string letters;
    for (std::size_t i = 0; i < kinds.size(); i += 2) {
      letters += kinds[i] == "linear_attention" ? 'l' : kinds[i] == "attention" ? 'a' : '?';
    }
    return letters;
  };
  EXPECT_EQ(first_blocks({}), "llla");
  EXPECT_EQ(first_blocks({{"full_attention_interval", 2}}), "lala");
  EXPECT_EQ(first_blocks({{"layer_types", Json::Array{"full_attention", "linear_attention",
                                                      "linear_attention", "full_attention"}}}),
            "alla");
  EXPECT_THAT(RecurrentError("qwen3_next", Attending({{"full_attention_interval", 0}})),
              HasSubstr("full_attention_interval must be at least 1"));
  EXPECT_THAT(
      RecurrentError("qwen3_next", Attending({{"layer_types", Json::Array{"sliding_attention"}}})),
      HasSubstr("it has 1 entries"));
  EXPECT_THAT(
      RecurrentError("qwen3_next",
                     Attending({{"layer_types", Json::Array{"sliding_attention", 1, 1, 1}}})),
      HasSubstr("known: full_attention, linear_attention"));
}

TEST(RecurrentConfig, Qwen3NextGatesItsHeadsAndCentresItsNormsAtOne) {
  const auto recipe = ReadRecurrentRecipe("qwen3_next", Attending({}));
  ASSERT_TRUE(recipe.ok()) << recipe.error().message;
  const BlockRecipe& delta = recipe->blocks[1];
  const BlockRecipe& mixture = recipe->blocks[2];
  const BlockRecipe& attention = recipe->blocks[7];
  EXPECT_EQ(delta.attributes.at("heads"), AttributeValue(std::int64_t{32}));
  EXPECT_EQ(delta.attributes.at("key_heads"), AttributeValue(std::int64_t{16}));
  EXPECT_EQ(delta.attributes.at("norm_offset"), AttributeValue(1.0));
  EXPECT_EQ(mixture.attributes.at("experts"), AttributeValue(std::int64_t{512}));
  EXPECT_EQ(mixture.attributes.at("shared_gate"), AttributeValue(std::int64_t{1}));
  EXPECT_EQ(mixture.attributes.at("normalized"), AttributeValue(std::int64_t{1}));
  EXPECT_EQ(attention.attributes.at("o_gate"), AttributeValue(std::int64_t{1}));
  EXPECT_EQ(attention.attributes.at("key_dim"), AttributeValue(std::int64_t{256}));
  EXPECT_EQ(attention.attributes.at("rope_dims"), AttributeValue(std::int64_t{64}));
  // Each head's rows of the query come before those of its gate.
  const TensorSource gate = SourceOf(attention, "gate");
  EXPECT_THAT(gate.tensors, ElementsAre("model.layers.3.self_attn.q_proj.weight"));
  EXPECT_THAT(gate.joined->parts, ElementsAre("q", "gate"));
  EXPECT_EQ(gate.joined->by, "heads");
  EXPECT_THAT(SourceOf(delta, "write").joined->parts, ElementsAre("write", "step"));
}

TEST(ConfigJson, InfinitiesAreSpelledOutWhereTheyAreNumbers) {
  EXPECT_EQ(internal::SpellInfinities(R"({"limit": [0.0, Infinity]})"),
            R"({"limit": [0.0, {"__float__": "Infinity"}]})");
  for (const char* same : {R"(["Infinity", "a\"Infinity", "\\"])", "[-Infinity]", "[Infinity2]"}) {
    EXPECT_EQ(internal::SpellInfinities(same), same);
  }
}

}  // namespace
}  // namespace ashlar
