// What the configurations of each family mean, beyond what all have in common (recipe_test.cc): by
// the families' configuration classes and forward passes.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/formats/recipe.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// config.json with the fields that most families need, and then those given.
Json FamilyConfig(const std::string& model_type, Json::Object fields = {}) {
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

// A recipe, and questions to it. Attributes that were not set count as not there.
class Family {
 public:
  explicit Family(const Json& config) {
    auto recipe = ReadRecipe(JsonCursor(config, "config.json"));
    EXPECT_TRUE(recipe.ok()) << recipe.error().message;
    if (recipe.ok()) {
      recipe_ = *std::move(recipe);
    } else {
      recipe_.blocks.resize(20);
    }
  }
  Family(const std::string& model_type, Json::Object fields)
      : Family(FamilyConfig(model_type, std::move(fields))) {}

  const Recipe& recipe() const { return recipe_; }
  const BlockRecipe& embed() const { return recipe_.blocks.front(); }
  const BlockRecipe& attention(int layer = 0) const {
    return recipe_.blocks[static_cast<std::size_t>(1 + 2 * layer)];
  }
  const BlockRecipe& mlp(int layer = 0) const {
    return recipe_.blocks[static_cast<std::size_t>(2 + 2 * layer)];
  }
  const BlockRecipe& norm() const { return recipe_.blocks[recipe_.blocks.size() - 2]; }
  const BlockRecipe& head() const { return recipe_.blocks.back(); }

  template <class T>
  static std::optional<T> Get(const BlockRecipe& block, std::string_view name) {
    const auto found = block.attributes.find(name);
    return found == block.attributes.end() ? std::nullopt
                                           : std::optional(std::get<T>(found->second));
  }
  static auto Integer(const BlockRecipe& block, std::string_view name) {
    return Get<std::int64_t>(block, name);
  }
  static auto Real(const BlockRecipe& block, std::string_view name) {
    return Get<double>(block, name);
  }
  static auto Word(const BlockRecipe& block, std::string_view name) {
    return Get<std::string>(block, name);
  }

  // An attribute of the attention of each layer.
  std::vector<std::int64_t> EachWindow() const {
    std::vector<std::int64_t> windows;
    for (int layer = 0; layer < 4; ++layer) {
      windows.push_back(*Integer(attention(layer), "window"));
    }
    return windows;
  }
  std::vector<double> EachTheta() const {  // 0: not rotated
    std::vector<double> thetas;
    for (int layer = 0; layer < 4; ++layer) {
      thetas.push_back(Real(attention(layer), "rope_theta").value_or(0));
    }
    return thetas;
  }

 private:
  Recipe recipe_;
};

std::string NameIn(const BlockRecipe& block, std::string_view tensor) {
  return SourceOf(block, tensor).tensors.front();
}
Error FamilyError(const std::string& model_type, Json::Object fields) {
  const Json config = FamilyConfig(model_type, std::move(fields));
  const auto recipe = ReadRecipe(JsonCursor(config, "config.json"));
  return recipe.ok() ? NotFound("no error") : recipe.error();
}

Json Types(std::initializer_list<const char*> types) {
  Json::Array list;
  for (const char* type : types) {
    list.emplace_back(type);
  }
  return list;
}
constexpr const char* kSliding = "sliding_attention";
constexpr const char* kFull = "full_attention";

TEST(Granite, MultipliesEverywhere) {
  const Family plain("granite", {});
  EXPECT_EQ(Family::Real(plain.attention(), "scale"), 1);
  const Family family("granite", {{"embedding_multiplier", 12.0},
                                  {"attention_multiplier", 0.015625},
                                  {"residual_multiplier", 0.22},
                                  {"logits_scaling", 8.0}});
  EXPECT_EQ(Family::Real(family.embed(), "multiplier"), 12);
  EXPECT_EQ(Family::Real(family.attention(), "scale"), 0.015625);
  EXPECT_EQ(Family::Real(family.attention(), "multiplier"), 0.22);
  EXPECT_EQ(Family::Real(family.mlp(), "multiplier"), 0.22);
  EXPECT_EQ(Family::Real(family.head(), "multiplier"), 0.125);
  EXPECT_THAT(FamilyError("granite", {{"logits_scaling", 0.0}}).message,
              HasSubstr("logits_scaling: 0 has no finite meaning here"));
}

TEST(SeedOss, HasItsBiasesApart) {
  const Family family("seed_oss", {});
  EXPECT_EQ(Family::Integer(family.attention(), "qkv_bias"), 1);
  EXPECT_EQ(Family::Integer(family.attention(), "o_bias"), 0);
  EXPECT_EQ(Family::Integer(family.attention(), "key_dim"), 128);
  const Family other("seed_oss", {{"attention_bias", false}, {"attention_out_bias", true}});
  EXPECT_EQ(Family::Integer(other.attention(), "qkv_bias"), 0);
  EXPECT_EQ(Family::Integer(other.attention(), "o_bias"), 1);
}

TEST(Ernie, TurnsNeighboursAndHasAllBiasesOrNone) {
  const Family family("ernie4_5", {{"architectures", Types({"Ernie4_5_ForCausalLM"})}});
  EXPECT_EQ(Family::Word(family.attention(), "rope_pairs"), "neighbours");
  EXPECT_EQ(Family::Integer(family.mlp(), "bias"), 0);
  EXPECT_EQ(NameIn(family.head(), "weight"), "model.embed_tokens.weight");
  const Family biased("ernie4_5", {{"use_bias", true}});
  EXPECT_EQ(Family::Integer(biased.attention(), "o_bias"), 1);
  EXPECT_EQ(Family::Integer(biased.mlp(), "bias"), 1);
}

TEST(Hunyuan, NormsAfterTheRotationAndStretchesByAlpha) {
  const Json scaling =
      Json::Of({{"type", "dynamic"}, {"alpha", 1000.0}, {"factor", 1.0}, {"beta_fast", 32}});
  const Family family("hunyuan_v1_dense", {{"rope_scaling", scaling}, {"use_cla", false}});
  EXPECT_EQ(Family::Integer(family.attention(), "qk_norm_after_rope"), 1);
  EXPECT_EQ(Family::Word(family.attention(), "rope_scaling"), std::nullopt);
  EXPECT_NEAR(*Family::Real(family.attention(), "rope_theta"),
              10000 * std::pow(1000.0, 16.0 / 14.0), 1e-3);
  // Another family's dynamic scaling has no alpha.
  EXPECT_EQ(FamilyError("llama", {{"rope_scaling", scaling}}).code, ErrorCode::kUnsupported);
}

TEST(SmolLm3, LeavesSomeLayersUnrotated) {
  EXPECT_THAT(Family("smollm3", {}).EachTheta(), ElementsAre(2e6, 2e6, 2e6, 0));
  EXPECT_THAT(Family("smollm3", {{"no_rope_layer_interval", 2}}).EachTheta(),
              ElementsAre(2e6, 0, 2e6, 0));
  const Json listed = Json::Array{0, 1, 1, 0};
  EXPECT_THAT(Family("smollm3", {{"no_rope_layers", listed}}).EachTheta(),
              ElementsAre(0, 2e6, 2e6, 0));
  const Family windowed(
      "smollm3",
      {{"no_rope_layers", listed}, {"use_sliding_window", true}, {"sliding_window", 16}});
  EXPECT_THAT(windowed.EachWindow(), ElementsAre(16, 0, 0, 16));
  EXPECT_THAT(FamilyError("smollm3", {{"no_rope_layers", Json::Array{1, 1}}}).message,
              HasSubstr("no_rope_layers: it has 2 entries, but there are 4 layers"));
}

TEST(Olmo2, NormsWhatBlocksGiveAndAllHeadsTogether) {
  const Family family("olmo2", {});
  EXPECT_EQ(Family::Word(family.attention(), "norm"), "none");
  EXPECT_EQ(Family::Word(family.attention(), "post_norm"), "rms");
  EXPECT_EQ(Family::Word(family.attention(), "qk_norm"), "rms_all_heads");
  EXPECT_EQ(NameIn(family.attention(), "post_norm.weight"),
            "model.layers.0.post_attention_layernorm.weight");
  EXPECT_EQ(NameIn(family.mlp(), "post_norm.weight"),
            "model.layers.0.post_feedforward_layernorm.weight");
}

TEST(Exaone4, RotatesLayersWithAWindowOnlyWhenSomeHaveOne) {
  const Family pattern("exaone4", {{"sliding_window", 16}});
  EXPECT_THAT(pattern.EachWindow(), ElementsAre(16, 16, 16, 0));
  EXPECT_THAT(pattern.EachTheta(), ElementsAre(1e4, 1e4, 1e4, 0));
  const Family none("exaone4", {{"sliding_window", nullptr}, {"sliding_window_pattern", nullptr}});
  EXPECT_THAT(none.EachWindow(), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(none.EachTheta(), ElementsAre(1e4, 1e4, 1e4, 1e4));
  // A pattern in letters stands beside the list that it means.
  const Json::Object letters = {{"sliding_window", 16}, {"sliding_window_pattern", "LG"}};
  Json::Object both = letters;
  both.emplace_back("layer_types", Types({kSliding, kFull, kSliding, kFull}));
  EXPECT_THAT(Family("exaone4", both).EachWindow(), ElementsAre(16, 0, 16, 0));
  EXPECT_THAT(FamilyError("exaone4", letters).message, HasSubstr("sliding_window_pattern"));
}

TEST(Glm4, SharesOneMatrixBetweenGateAndUp) {
  const Family family("glm4", {});
  const TensorSource gate = SourceOf(family.mlp(), "gate");
  const TensorSource up = SourceOf(family.mlp(), "up");
  EXPECT_EQ(gate.tensors, up.tensors);
  ASSERT_NE(gate.joined, nullptr);
  EXPECT_THAT(gate.joined->parts, ElementsAre("gate", "up"));
  EXPECT_EQ(Family::Integer(family.attention(), "rope_dims"), 64);  // half of 128
  EXPECT_EQ(Family::Word(family.attention(), "post_norm"), "rms");
}

TEST(Cohere, RunsAttentionAndMlpSideBySide) {
  const Family family("cohere", {{"use_qk_norm", true}});
  EXPECT_EQ(Family::Word(family.attention(), "qk_norm"), "layer_of_each_head");
  EXPECT_EQ(Family::Real(family.head(), "multiplier"), 0.0625);
  EXPECT_EQ(Family::Integer(family.norm(), "bias"), 0);
  EXPECT_EQ(NameIn(family.mlp(), "norm.weight"), NameIn(family.attention(), "norm.weight"));
  // The MLP reads what the attention read, and adds to what that gave.
  const Node mlp = NodeOf(family.recipe(), 4);
  EXPECT_EQ(mlp.inputs.at("x"), (Combination{{2, 1.0}}));
  EXPECT_EQ(mlp.carry, (Combination{{3, 1.0}}));
  const Node attention = NodeOf(family.recipe(), 3);
  EXPECT_EQ(attention.inputs.at("x"), (Combination{{2, 1.0}}));
  EXPECT_EQ(Family::Word(Family("cohere", {}).attention(), "qk_norm"), "none");
}

TEST(Starcoder2, HasAPlainMlp) {
  const Family family("starcoder2", {{"mlp_type", "default"}, {"norm_epsilon", 1e-3}});
  EXPECT_EQ(Family::Word(family.mlp(), "form"), "plain");
  EXPECT_EQ(Family::Word(family.mlp(), "activation"), "gelu_tanh");
  EXPECT_EQ(Family::Integer(family.attention(), "o_bias"), 1);
  EXPECT_EQ(Family::Real(family.norm(), "eps"), 1e-3);
  EXPECT_THAT(Family("starcoder2", {{"sliding_window", 8}}).EachWindow(), ElementsAre(8, 8, 8, 8));
  EXPECT_EQ(Family::Integer(Family("starcoder2", {{"use_bias", false}}).mlp(), "bias"), 0);
}

TEST(Phi3, StretchesByFactorsOfEachPair) {
  const auto factors = [](double first) {
    return Json::Array{first, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0};
  };
  for (const char* type : {"longrope", "su", "yarn"}) {
    const Family family("phi3", {{"max_position_embeddings", 4096},
                                 {"original_max_position_embeddings", 1024},
                                 {"rope_scaling", Json::Of({{"type", type},
                                                            // The one outside goes first.
                                                            {"original_max_position_embeddings", 2},
                                                            {"short_factor", factors(1)},
                                                            {"long_factor", factors(1.5)}})}});
    const BlockRecipe& attention = family.attention(3);
    EXPECT_EQ(Family::Word(attention, "rope_scaling"), "longrope") << type;
    EXPECT_EQ(Family::Integer(attention, "rope_original_positions"), 1024);
    EXPECT_NEAR(*Family::Real(attention, "rope_attention_factor"),
                std::sqrt(1 + std::log(4.0) / std::log(1024.0)), 1e-12);
    EXPECT_THAT(SourceOf(attention, "rope_short_factors").numbers,
                ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
    EXPECT_EQ(SourceOf(attention, "rope_long_factors").numbers.front(), 1.5f);
  }
  const Json few = Json::Of(
      {{"type", "longrope"}, {"short_factor", Json::Array{1.0}}, {"long_factor", factors(1)}});
  EXPECT_THAT(FamilyError("phi3", {{"rope_scaling", few}}).message,
              HasSubstr("short_factor: it has 1 entries, but 16 dims are rotated, in pairs"));
  EXPECT_EQ(
      Family::Integer(Family("phi3", {{"partial_rotary_factor", 0.75}}).attention(), "rope_dims"),
      12);
  Family("phi3", {{"attention_bias", false}, {"lm_head_bias", false}, {"full_attn_mod", 1}});
  EXPECT_EQ(FamilyError("phi3", {{"attention_bias", true}}).code, ErrorCode::kUnsupported);
}

TEST(StableLm, HasTwoForms) {
  const Family sequential("stablelm", {{"use_qkv_bias", true}});
  EXPECT_EQ(Family::Integer(sequential.attention(), "qkv_bias"), 1);
  EXPECT_EQ(Family::Integer(sequential.attention(), "rope_dims"), 4);
  EXPECT_EQ(sequential.mlp().reads, 1);
  EXPECT_EQ(NameIn(sequential.mlp(), "norm.bias"), "model.layers.0.post_attention_layernorm.bias");
  const Family parallel(
      "stablelm",
      {{"use_parallel_residual", true}, {"qk_layernorm", true}, {"num_key_value_heads", 2}});
  EXPECT_EQ(parallel.mlp().reads, 2);
  EXPECT_EQ(NameIn(parallel.mlp(), "norm.bias"), "model.layers.0.input_layernorm.bias");
  EXPECT_EQ(Family::Word(parallel.attention(), "qk_norm"), "layer_of_each_head");
  EXPECT_THAT(SourceOf(parallel.attention(1), "k_norm.weight").tensors,
              ElementsAre("model.layers.1.self_attn.k_layernorm.norms.0.weight",
                          "model.layers.1.self_attn.k_layernorm.norms.1.weight"));
}

TEST(Gemma2, CapsUnlessNullAndAlternates) {
  const Family family("gemma2", {{"query_pre_attn_scalar", 64}, {"sliding_window", 16}});
  EXPECT_EQ(Family::Real(family.embed(), "multiplier"), 8);
  EXPECT_EQ(Family::Real(family.attention(), "scale"), 0.125);
  EXPECT_EQ(Family::Real(family.attention(), "soft_cap"), 50);
  EXPECT_EQ(Family::Real(family.head(), "soft_cap"), 30);
  EXPECT_EQ(Family::Real(family.norm(), "offset"), 1);
  EXPECT_THAT(family.EachWindow(), ElementsAre(16, 0, 16, 0));
  EXPECT_EQ(Family::Real(Family("gemma2", {}).attention(), "scale"), 1.0 / 16);
  const Family uncapped(
      "gemma2", {{"attn_logit_softcapping", nullptr}, {"final_logit_softcapping", nullptr}});
  EXPECT_EQ(Family::Real(uncapped.attention(), "soft_cap"), 0);
  EXPECT_EQ(Family::Real(uncapped.head(), "soft_cap"), 0);
  EXPECT_EQ(NameIn(family.mlp(), "norm.weight"), "model.layers.0.pre_feedforward_layernorm.weight");
  EXPECT_EQ(FamilyError("gemma2", {{"use_bidirectional_attention", true}}).code,
            ErrorCode::kUnsupported);
}

TEST(Gemma3, HasAnotherRotationInLayersWithAWindow) {
  const Json types = Types({kSliding, kFull, kSliding, kSliding});
  const Json linear = Json::Of({{"rope_type", "linear"}, {"factor", 8.0}});
  const Family old("gemma3_text", {{"sliding_window_pattern", 2},
                                   {"rope_theta", 5e5},
                                   {"rope_local_base_freq", 2e4},
                                   {"rope_scaling", linear}});
  EXPECT_THAT(old.EachTheta(), ElementsAre(2e4, 5e5, 2e4, 5e5));
  EXPECT_EQ(Family::Word(old.attention(0), "rope_scaling"), std::nullopt);
  EXPECT_EQ(Family::Word(old.attention(1), "rope_scaling"), "linear");
  const Json by_type =
      Json::Of({{kFull, Json::Of({{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 5e5}})},
                {kSliding, Json::Of({{"rope_type", "default"}, {"rope_theta", 2e4}})}});
  const Family newer("gemma3_text", {{"layer_types", types}, {"rope_parameters", by_type}});
  EXPECT_THAT(newer.EachTheta(), ElementsAre(2e4, 5e5, 2e4, 2e4));
  EXPECT_EQ(newer.attention(1).attributes, old.attention(1).attributes);
  EXPECT_THAT(Family("gemma3_text", {{"layer_types", types}}).EachTheta(),
              ElementsAre(1e4, 1e6, 1e4, 1e4));
  EXPECT_EQ(FamilyError("gemma3_text", {{"attn_logit_softcapping", 50.0}}).code,
            ErrorCode::kUnsupported);
  // A family with one rotation knows no types of it.
  EXPECT_EQ(FamilyError("llama", {{"rope_parameters", by_type}}).code, ErrorCode::kUnsupported);
}

TEST(GptNeoX, CutsEachHeadOutOfOneMatrix) {
  const Family family("gpt_neox", {{"rotary_pct", 0.5}, {"rotary_emb_base", 500}});
  const TensorSource k = SourceOf(family.attention(2), "k.bias");
  EXPECT_THAT(k.tensors, ElementsAre("gpt_neox.layers.2.attention.query_key_value.bias"));
  EXPECT_EQ(k.joined->by, "kv_heads");
  EXPECT_EQ(Family::Integer(family.attention(), "rope_dims"), 8);
  EXPECT_EQ(Family::Real(family.attention(), "rope_theta"), 500);
  EXPECT_EQ(family.mlp().reads, 2);
  EXPECT_EQ(Family("gpt_neox", {{"use_parallel_residual", false}}).mlp().reads, 1);
  EXPECT_EQ(Family::Integer(Family("gpt_neox", {}).attention(), "rope_dims"), 4);
}

TEST(Phi, MayNormQueriesAndKeysWithABias) {
  const Family family("phi", {{"qk_layernorm", true}, {"partial_rotary_factor", 0.25}});
  EXPECT_EQ(Family::Word(family.attention(), "qk_norm"), "layer_per_head");
  EXPECT_EQ(Family::Integer(family.attention(), "qk_norm_bias"), 1);
  EXPECT_EQ(Family::Integer(family.attention(), "rope_dims"), 4);
  EXPECT_EQ(NameIn(family.head(), "bias"), "lm_head.bias");
  const Family tied("phi", {{"tie_word_embeddings", true}});
  EXPECT_EQ(NameIn(tied.head(), "weight"), "model.embed_tokens.weight");
  EXPECT_EQ(NameIn(tied.head(), "bias"), "lm_head.bias");
  EXPECT_EQ(Family::Integer(tied.attention(), "qk_norm_bias"), 0);
}

// As the published ones are: what their configuration leaves out, its class has.
TEST(Gemma3, ThatSeesIsTheOneThatReadsItsText) {
  const Json text =
      Json::Of({{"hidden_size", 64},
                {"intermediate_size", 160},
                {"model_type", "gemma3_text"},
                {"num_hidden_layers", 4},
                {"rope_scaling", Json::Of({{"factor", 8.0}, {"rope_type", "linear"}})},
                {"sliding_window", 16}});
  const Json config = Json::Of({{"architectures", Json::Array{"Gemma3ForConditionalGeneration"}},
                                {"model_type", "gemma3"},
                                {"boi_token_index", 255999},
                                {"eos_token_id", Json::Array{1, 106}},
                                {"mm_tokens_per_image", 256},
                                {"text_config", text},
                                {"vision_config", Json::Of({{"hidden_size", 1152}})}});
  const Family family(config);
  EXPECT_EQ(family.recipe().vocabulary, 262'208);
  EXPECT_EQ(Family::Integer(family.attention(), "heads"), 8);
  EXPECT_EQ(Family::Integer(family.attention(), "kv_heads"), 4);
  EXPECT_EQ(Family::Integer(family.attention(), "key_dim"), 256);
  EXPECT_THAT(family.EachWindow(), ElementsAre(16, 16, 16, 16));
  EXPECT_THAT(family.recipe().metadata.eos_tokens, ElementsAre(1, 106));
  EXPECT_FALSE(family.recipe().tied_copy.empty());
  Json other = config;
  Json llama = text;
  llama.Set("model_type", "llama");
  other.Set("text_config", llama);
  EXPECT_THAT(ReadRecipe(JsonCursor(other, "config.json")).error().message,
              HasSubstr("text_config.model_type is \"llama\""));
  Json gated = config;
  gated.Set("image_gate", 2);
  EXPECT_THAT(ReadRecipe(JsonCursor(gated, "config.json")).error().message,
              HasSubstr("config.json.image_gate is a field"));
}

// 7B, 40B, 11B and the first ones, with ALiBi.
TEST(Falcon, HasFourForms) {
  const Family multi_query("falcon", {});
  EXPECT_EQ(Family::Integer(multi_query.attention(), "kv_heads"), 1);
  EXPECT_EQ(multi_query.mlp().reads, 2);
  EXPECT_EQ(NameIn(multi_query.mlp(), "norm.weight"), "transformer.h.0.input_layernorm.weight");
  EXPECT_EQ(Family::Integer(multi_query.mlp(), "channels"), 256);

  const Json::Object counted = {{"new_decoder_architecture", true}, {"n_head_kv", 2}};
  const Family two_norms("falcon", counted);
  EXPECT_EQ(Family::Integer(two_norms.attention(), "kv_heads"), 2);
  EXPECT_EQ(NameIn(two_norms.mlp(), "norm.bias"), "transformer.h.0.ln_mlp.bias");

  Json::Object shared = counted;
  shared.emplace_back("num_ln_in_parallel_attn", 1);
  const Family one_norm("falcon", shared);
  EXPECT_EQ(Family::Integer(one_norm.attention(), "kv_heads"), 2);
  EXPECT_EQ(NameIn(one_norm.mlp(), "norm.bias"), "transformer.h.0.input_layernorm.bias");

  const Family first("falcon", {{"alibi", true},
                                {"bias", true},
                                {"multi_query", false},
                                {"parallel_attn", false},
                                {"ffn_hidden_size", 96}});
  EXPECT_EQ(Family::Integer(first.attention(), "kv_heads"), 4);
  EXPECT_EQ(Family::Integer(first.attention(), "alibi_heads"), 4);
  EXPECT_EQ(Family::Integer(first.attention(), "alibi_in_scale"), 1);
  EXPECT_EQ(Family::Integer(first.attention(), "rope_dims"), std::nullopt);
  EXPECT_EQ(Family::Integer(first.attention(), "o_bias"), 1);
  EXPECT_EQ(first.mlp().reads, 1);
  EXPECT_EQ(Family::Integer(first.mlp(), "channels"), 96);
  EXPECT_EQ(NameIn(first.mlp(), "norm.weight"), "transformer.h.0.post_attention_layernorm.weight");

  EXPECT_THAT(
      FamilyError("falcon", {{"new_decoder_architecture", true}, {"parallel_attn", false}}).message,
      HasSubstr("no form of model_type falcon has these fields together"));
}

TEST(Gpt2, HasNamesOfItsOwnForSizes) {
  Json config = Json::Of({{"model_type", "gpt2"},
                          {"n_embd", 64},
                          {"n_layer", 4},
                          {"n_head", 4},
                          {"n_positions", 128},
                          {"n_ctx", 128},
                          {"vocab_size", 384}});
  const Family family(config);
  EXPECT_EQ(Family::Integer(family.embed(), "positions"), 128);
  EXPECT_EQ(Family::Integer(family.attention(), "rope_dims"), std::nullopt);
  EXPECT_EQ(Family::Integer(family.mlp(), "channels"), 256);
  EXPECT_TRUE(SourceOf(family.attention(), "q").transposed);
  EXPECT_EQ(NameIn(family.head(), "weight"), "transformer.wte.weight");
  config.Set("n_inner", 96);
  config.Set("scale_attn_weights", false);
  const Family other(config);
  EXPECT_EQ(Family::Integer(other.mlp(), "channels"), 96);
  EXPECT_EQ(Family::Real(other.attention(), "scale"), 1);
  config.Set("hidden_size", 32);
  EXPECT_THAT(ReadRecipe(JsonCursor(config, "config.json")).error().message,
              HasSubstr("hidden_size: it is another spelling of n_embd, and they differ"));
  EXPECT_EQ(FamilyError("gpt2", {{"scale_attn_by_inverse_layer_idx", true}}).code,
            ErrorCode::kUnsupported);
}

// What a configuration does not say is what its class says, which differs from family to family.
TEST(FamilyConfigs, HaveTheDefaultsOfTheirClasses) {
  struct Defaults {
    std::string model_type;
    std::int64_t key_value_heads, rope_dims, positions;
    double theta, eps;
    std::string activation;
    std::int64_t qkv_bias = 0;
    bool tied = false;
  };
  const Defaults families[] = {
      {"cohere", 64, 16, 8192, 500'000, 1e-5, "silu", 0, true},
      {"ernie4_5", 2, 128, 131'072, 500'000, 1e-5, "silu", 0, true},
      {"exaone4", 32, 16, 2048, 10'000, 1e-5, "silu"},
      {"gemma3_text", 4, 256, 131'072, 10'000, 1e-6, "gelu_tanh", 0, true},
      {"glm4", 2, 64, 131'072, 10'000, 1.5625e-7, "silu", 1},
      {"gpt_neox", 64, 4, 2048, 10'000, 1e-5, "gelu", 1},
      {"gpt_oss", 8, 64, 131'072, 150'000, 1e-5, "silu", 1},
      {"granite", 64, 16, 2048, 10'000, 1e-6, "silu"},
      {"hunyuan_v1_dense", 64, 16, 2048, 10'000, 1e-5, "silu"},
      {"mixtral", 8, 16, 131'072, 1e6, 1e-5, "silu"},
      {"olmo2", 64, 16, 2048, 10'000, 1e-5, "silu"},
      {"olmoe", 64, 16, 4096, 10'000, 1e-5, "silu"},
      {"phi", 64, 8, 2048, 10'000, 1e-5, "gelu_tanh", 1},
      {"phi3", 64, 16, 4096, 10'000, 1e-5, "silu"},
      {"qwen2_moe", 16, 16, 32'768, 10'000, 1e-6, "silu", 1},
      {"qwen3_moe", 4, 16, 32'768, 10'000, 1e-6, "silu"},
      {"seed_oss", 8, 128, 524'288, 10'000, 1e-6, "silu", 1},
      {"smollm3", 4, 16, 32'768, 2e6, 1e-6, "silu", 0, true},
      {"stablelm", 32, 4, 4096, 10'000, 1e-5, "silu"},
      {"starcoder2", 2, 16, 4096, 10'000, 1e-5, "gelu_tanh", 1, true},
  };
  for (const Defaults& expected : families) {
    SCOPED_TRACE(expected.model_type);
    const Family family(expected.model_type, {{"hidden_size", 1024}, {"num_attention_heads", 64}});
    const BlockRecipe& attention = family.attention();
    EXPECT_EQ(Family::Integer(attention, "kv_heads"), expected.key_value_heads);
    EXPECT_EQ(Family::Integer(attention, "rope_dims"), expected.rope_dims);
    EXPECT_EQ(family.recipe().metadata.context_length, expected.positions);
    EXPECT_EQ(Family::Real(attention, "rope_theta"), expected.theta);
    EXPECT_EQ(Family::Real(family.norm(), "eps"), expected.eps);
    EXPECT_EQ(Family::Word(family.mlp(), "activation"), expected.activation);
    EXPECT_EQ(Family::Integer(attention, "qkv_bias").value_or(0), expected.qkv_bias);
    EXPECT_EQ(!family.recipe().tied_copy.empty(), expected.tied);
  }
}

// Fields of published configurations that repeat others, and that the reference does not read.
TEST(FamilyConfigs, MayHaveFieldsThatTheReferenceDoesNotRead) {
  const Family gemma("gemma2", {{"sliding_window", 16}, {"sliding_window_size", 32}});
  EXPECT_THAT(gemma.EachWindow(), ElementsAre(16, 0, 16, 0));
  const Family starcoder("starcoder2", {{"activation_function", "gelu"},
                                        {"hidden_act", "gelu_pytorch_tanh"},
                                        {"layer_norm_epsilon", 1e-3},
                                        {"norm_epsilon", 1e-5},
                                        {"scale_attn_weights", true}});
  EXPECT_EQ(starcoder.Get<std::string>(starcoder.mlp(), "activation"), "gelu_tanh");
  EXPECT_EQ(starcoder.Get<double>(starcoder.norm(), "eps"), 1e-5);
  const Family gpt_oss("gpt_oss", {{"experts_per_token", 2}, {"num_experts_per_tok", 3}});
  EXPECT_EQ(gpt_oss.Get<std::int64_t>(gpt_oss.mlp(), "experts_per_token"), 3);
}

}  // namespace
}  // namespace ashlar
