#include "ashlar/formats/internal/gguf_config.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/formats/gguf_write.h"
#include "ashlar/formats/recipe.h"

namespace ashlar::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The metadata of a file, and those of its tensors that metadata are read with.
class GgufConfigTest : public ::testing::Test {
 protected:
  // Starts a file of six layers, width 64, four heads. Keys stand after the architecture's name.
  void Begin(const std::string& architecture, const GgufMetadata& further = {},
             std::uint32_t key_heads = 2) {
    architecture_ = architecture;
    metadata_ = {{"general.architecture", architecture}};
    tensors_.clear();
    AddTensor("token_embd.weight", {32, 64});
    Say({{"block_count", 6u},
         {"context_length", 256u},
         {"embedding_length", 64u},
         {"feed_forward_length", 128u},
         {"attention.head_count", 4u},
         {"attention.head_count_kv", key_heads},
         {"attention.layer_norm_rms_epsilon", 1e-5f}});
    Say(further);
  }
  void Say(const GgufMetadata& further) {
    for (const auto& [key, value] : further) {
      metadata_.emplace_back(architecture_ + "." + key, value);
    }
  }
  void AddTensor(const std::string& name, std::vector<std::int64_t> shape,
                 std::vector<float> numbers = {}) {
    numbers_[name] = std::move(numbers);
    tensors_[name] = {.name = name,
                      .shape = std::move(shape),
                      .type = &AllGgufTensorTypes().front(),
                      .bytes = std::as_bytes(std::span(numbers_[name]))};
  }

  Result<GgufConfig> Config() {
    const std::vector<std::byte> header = GgufHeader({.metadata = metadata_, .tensors = {}});
    ASHLAR_TRY(const GgufFile file, GgufFile::Parse(header, "file"));
    return ReadGgufConfig({file.fields(), [this](std::string_view name) {
                             const auto found = tensors_.find(name);
                             return found == tensors_.end() ? nullptr : &found->second;
                           }});
  }
  Recipe MustRead() {
    const Result<GgufConfig> config = Config();
    EXPECT_TRUE(config.ok()) << config.error().message;
    if (!config.ok()) {
      return {};
    }
    const Result<Recipe> recipe = ReadRecipe(JsonCursor(config->json, "config"));
    EXPECT_TRUE(recipe.ok()) << recipe.error().message;
    return recipe.ok() ? *recipe : Recipe();
  }
  std::string WhyNot() {
    const Result<GgufConfig> config = Config();
    return config.ok() ? "nothing is wrong" : config.error().message;
  }
  // The attributes of a layer's attention.
  static const auto& AttentionOf(const Recipe& recipe, int layer = 0) {
    return recipe.blocks.at(static_cast<std::size_t>(1 + 2 * layer)).attributes;
  }
  template <class T>
  static T Get(const std::map<std::string, AttributeValue, std::less<>>& attributes,
               std::string_view name, T otherwise = {}) {
    const auto found = attributes.find(name);
    return found == attributes.end() ? otherwise : std::get<T>(found->second);
  }
  static std::string ScalingOf(const Recipe& recipe) {
    return Get<std::string>(AttentionOf(recipe), "rope_scaling", "none");
  }
  static std::vector<std::int64_t> WindowsOf(const Recipe& recipe) {
    std::vector<std::int64_t> windows;
    for (int layer = 0; layer < 6; ++layer) {
      windows.push_back(Get<std::int64_t>(AttentionOf(recipe, layer), "window"));
    }
    return windows;
  }

 private:
  std::string architecture_;
  GgufMetadata metadata_;
  std::map<std::string, std::vector<float>, std::less<>> numbers_;
  std::map<std::string, GgufEntry, std::less<>> tensors_;
};

constexpr float kAFactor = 4;
const std::vector<float> kEightOnes(8, 1.0f);  // one for each pair of a head

// ---- Scalings of positions, as llama.cpp takes them

TEST_F(GgufConfigTest, AFactorWithoutATypeIsLinear) {
  Begin("llama", {{"rope.scaling.factor", kAFactor}});
  const Recipe recipe = MustRead();
  EXPECT_EQ(ScalingOf(recipe), "linear");
  EXPECT_EQ(Get<double>(AttentionOf(recipe), "rope_factor"), 4);
  Begin("llama", {{"rope.scaling.factor", kAFactor}, {"rope.scaling.type", "none"}});
  EXPECT_EQ(ScalingOf(MustRead()), "none");
}

TEST_F(GgufConfigTest, ALengthOfTurnedVectorsIsReadWithYarnAndElseAnError) {
  Begin("llama", {{"rope.scaling.type", "yarn"},
                  {"rope.scaling.factor", kAFactor},
                  {"rope.scaling.attn_factor", 1.5f}});
  // The shortest number that is so many times the usual length, 0.1 ln 4 + 1, in f32.
  EXPECT_EQ(Get<double>(AttentionOf(MustRead()), "rope_attention_factor"), 1.7079442);
  for (const char* type : {"none", "linear"}) {
    Begin("llama", {{"rope.scaling.type", type},
                    {"rope.scaling.factor", kAFactor},
                    {"rope.scaling.attn_factor", 1.5f}});
    EXPECT_THAT(WhyNot(), HasSubstr("llama.rope.scaling.attn_factor is 1.5, which cannot be "
                                    "imported with llama.rope.scaling.type"));
  }
  Begin("llama", {{"rope.scaling.attn_factor", 1.5f}});
  EXPECT_THAT(WhyNot(), HasSubstr("rope.scaling.attn_factor is 1.5"));
  Begin("llama", {{"rope.scaling.attn_factor", 1.0f}});
  EXPECT_EQ(ScalingOf(MustRead()), "none");
}

TEST_F(GgufConfigTest, TheEndsOfYarnsRampAreThoseOfTheFile) {
  Begin("llama", {{"rope.scaling.type", "yarn"},
                  {"rope.scaling.factor", kAFactor},
                  {"rope.scaling.yarn_beta_fast", 16.0f},
                  {"rope.scaling.yarn_beta_slow", 2.0f},
                  {"rope.scaling.yarn_ext_factor", 1.0f},
                  {"rope.scaling.yarn_attn_factor", 1.25f}});
  const Recipe recipe = MustRead();
  EXPECT_EQ(Get<double>(AttentionOf(recipe), "rope_beta_fast"), 16);
  EXPECT_EQ(Get<double>(AttentionOf(recipe), "rope_beta_slow"), 2);
  EXPECT_EQ(Get<double>(AttentionOf(recipe), "rope_attention_factor"), 1.25);
  EXPECT_THAT(Config()->remarks,
              ElementsAre(HasSubstr("yarn_beta_fast is 16, as config.json has it; llama.cpp may "
                                    "take 32 for this architecture"),
                          HasSubstr("yarn_beta_slow is 2"), HasSubstr("yarn_attn_factor is 1.25")));
  Say({{"rope.scaling.attn_factor", 1.5f}});
  EXPECT_THAT(WhyNot(), HasSubstr("rope.scaling.attn_factor is 1.5"));
  Begin("llama", {{"rope.scaling.type", "yarn"},
                  {"rope.scaling.factor", kAFactor},
                  {"rope.scaling.yarn_ext_factor", 0.5f}});
  EXPECT_THAT(WhyNot(), HasSubstr("yarn_ext_factor is 0.5, and only 1 can be imported"));
}

TEST_F(GgufConfigTest, AKeyThatTheScalingDoesNotReadIsAnError) {
  for (const char* key : {"yarn_beta_fast", "yarn_log_multiplier", "alpha"}) {
    Begin("llama", {{"rope.scaling.type", "linear"}, {"rope.scaling.factor", kAFactor}});
    Say({{std::string("rope.scaling.") + key, 2.0f}});
    EXPECT_THAT(WhyNot(), AllOf(HasSubstr(key), HasSubstr("with this scaling of positions")));
  }
}

TEST_F(GgufConfigTest, AScalingBesideATensorOfFactorsIsAnError) {
  for (const std::string_view tensor : {kRopeFrequencies, kLongRopeFactors}) {
    Begin("llama",
          {{"rope.scaling.factor", kAFactor}, {"rope.scaling.original_context_length", 64u}});
    AddTensor(std::string(tensor), {8}, kEightOnes);
    AddTensor(std::string(kShortRopeFactors), {8}, kEightOnes);
    EXPECT_THAT(WhyNot(), AllOf(HasSubstr("\"linear\" beside the tensor"), HasSubstr(tensor)));
  }
}

TEST_F(GgufConfigTest, OnlyTensorsWhoseNumbersItHasCountAsRead) {
  Begin("llama");
  AddTensor(std::string(kShortRopeFactors), {8}, kEightOnes);
  EXPECT_THAT(Config()->tensors, IsEmpty());
  Say({{"rope.scaling.original_context_length", 64u}});
  AddTensor(std::string(kLongRopeFactors), {8}, kEightOnes);
  AddTensor(std::string(kRopeFrequencies), {8}, kEightOnes);
  EXPECT_THAT(Config()->tensors, ElementsAre(kLongRopeFactors, kShortRopeFactors));
  // Without a word about the length, there is nothing to change it.
  EXPECT_EQ(Get<double>(AttentionOf(MustRead()), "rope_attention_factor"), 1);
}

TEST_F(GgufConfigTest, WhatAFileDoesNotSayIsNotWhatAConfigurationLeavesOut) {
  Begin("gemma3");
  const Recipe gemma = MustRead();
  EXPECT_THAT(WindowsOf(gemma), ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_EQ(Get<double>(AttentionOf(gemma), "rope_theta"), 10'000);
  Begin("gemma2");  // llama.cpp has the same default
  EXPECT_THAT(WindowsOf(MustRead()), ElementsAre(4096, 0, 4096, 0, 4096, 0));
  Begin("gpt-oss", {{"expert_count", 4u},
                    {"expert_used_count", 2u},
                    {"expert_feed_forward_length", 32u},
                    {"attention.sliding_window", 16u}});
  EXPECT_EQ(ScalingOf(MustRead()), "none");
}

// ---- Files as llama.cpp's converter writes them

TEST_F(GgufConfigTest, AWindowOfZeroIsNone) {
  for (const char* architecture : {"phi3", "exaone4", "gemma3"}) {
    Begin(architecture, {{"attention.sliding_window", 0u}});
    EXPECT_THAT(WindowsOf(MustRead()), ElementsAre(0, 0, 0, 0, 0, 0)) << architecture;
  }
  Begin("gemma3", {{"attention.sliding_window", 16u}, {"rope.freq_base_swa", 5000.0f}});
  const Recipe recipe = MustRead();
  EXPECT_THAT(WindowsOf(recipe), ElementsAre(16, 16, 16, 16, 16, 0));
  EXPECT_EQ(Get<double>(AttentionOf(recipe, 0), "rope_theta"), 5000);
  EXPECT_EQ(Get<double>(AttentionOf(recipe, 5), "rope_theta"), 10'000);
}

TEST_F(GgufConfigTest, ExpertsOfAFileWithoutGroupsAreOneGroup) {
  Begin("deepseek2",
        {{"attention.kv_lora_rank", 16u},
         {"attention.key_length", 24u},
         {"attention.value_length", 16u},
         {"rope.dimension_count", 8u},
         {"leading_dense_block_count", 0u},
         {"expert_count", 16u},
         {"expert_used_count", 2u},
         {"expert_feed_forward_length", 32u},
         {"expert_gating_func", 2u}},
        /*key_heads=*/4);
  const Recipe recipe = MustRead();
  const auto& mixture = recipe.blocks.at(2);
  EXPECT_EQ(mixture.kind, "moe");
  EXPECT_EQ(Get<std::int64_t>(mixture.attributes, "groups", 1), 1);
  EXPECT_THAT(Config()->remarks, ElementsAre(HasSubstr("no deepseek2.expert_group_count: its "
                                                       "experts are one group")));
}

TEST_F(GgufConfigTest, TheOrderOfNumbersIsTheOneThatItsConverterNames) {
  for (const auto& [architecture, layout] : {std::pair("falcon", "jploski"),
                                             {"llama", "Meta AI original pth"},
                                             {"qwen3", "reference"}}) {
    Begin(architecture,
          {{"attention.layer_norm_epsilon", 1e-5f}, {"tensor_data_layout", std::string(layout)}});
    EXPECT_EQ(WhyNot(), "nothing is wrong");
    Begin(architecture, {{"attention.layer_norm_epsilon", 1e-5f},
                         {"tensor_data_layout", std::string("sideways")}});
    EXPECT_THAT(WhyNot(), AllOf(HasSubstr(architecture), HasSubstr("tensor_data_layout"),
                                HasSubstr("\"sideways\", and only"), HasSubstr(layout)));
  }
}

TEST_F(GgufConfigTest, KeysThatSayNothingOutOfTheOrdinaryAreHarmless) {
  Begin("llama", {{"expert_count", 0u}, {"expert_used_count", 0u}, {"attention.causal", true}});
  EXPECT_EQ(WhyNot(), "nothing is wrong");
  Begin("llama", {{"expert_count", 8u}});
  EXPECT_THAT(WhyNot(), HasSubstr("llama.expert_count is 8, and only 0 (no experts)"));
  Begin("llama", {{"attention.causal", false}});
  EXPECT_THAT(WhyNot(), HasSubstr("llama.attention.causal is 0"));
}

TEST_F(GgufConfigTest, TheOldNameOfTheLinearFactorIsRead) {
  Begin("llama", {{"rope.scale_linear", kAFactor}});
  const Recipe recipe = MustRead();
  EXPECT_EQ(ScalingOf(recipe), "linear");
  EXPECT_EQ(Get<double>(AttentionOf(recipe), "rope_factor"), 4);
  Say({{"rope.scaling.factor", 2.0f}});
  EXPECT_EQ(Get<double>(AttentionOf(MustRead()), "rope_factor"), 2) << "the new one goes first";
}

TEST_F(GgufConfigTest, TheSecondNormOfStableLmDecidesWhateverItsFileSays) {
  for (const bool said : {false, true}) {
    Begin("stablelm", {{"attention.layer_norm_epsilon", 1e-5f}, {"use_parallel_residual", said}});
    EXPECT_EQ(MustRead().blocks.at(2).reads, 2) << "beside the attention";
    AddTensor("blk.0.ffn_norm.weight", {64});
    EXPECT_EQ(MustRead().blocks.at(2).reads, 1) << "after it";
  }
}

// A product with the quotient of these two is below the count that was meant.
TEST_F(GgufConfigTest, AsManyDimsTurnAsTheFileSays) {
  constexpr std::uint32_t kHead = 44;
  for (std::uint32_t dims = 2; dims <= kHead; dims += 2) {
    Begin("stablelm", {{"attention.layer_norm_epsilon", 1e-5f},
                       {"use_parallel_residual", true},
                       {"attention.key_length", kHead},
                       {"rope.dimension_count", dims}});
    EXPECT_EQ(Get<std::int64_t>(AttentionOf(MustRead()), "rope_dims"), dims);
  }
}

}  // namespace
}  // namespace ashlar::internal
