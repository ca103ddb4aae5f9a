#include "ashlar/formats/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// config.json with the fields that every family needs, and then those given; null removes one.
Json Config(const std::string& model_type, const std::string& class_name,
            Json::Object fields = {}) {
  Json config = Json::Of({{"model_type", model_type},
                          {"architectures", Json::Array{class_name}},
                          {"hidden_size", 64},
                          {"intermediate_size", 160},
                          {"num_hidden_layers", 3},
                          {"num_attention_heads", 4},
                          {"vocab_size", 384}});
  for (const auto& [key, value] : fields) {
    config.Set(key, value);
  }
  return config;
}
Json Llama(Json::Object fields = {}) {
  return Config("llama", "LlamaForCausalLM", fields);
}
Json Mistral(Json::Object fields = {}) {
  return Config("mistral", "MistralForCausalLM", fields);
}
Json Qwen2(Json::Object fields = {}) {
  return Config("qwen2", "Qwen2ForCausalLM", fields);
}
Json Qwen3(Json::Object fields = {}) {
  return Config("qwen3", "Qwen3ForCausalLM", fields);
}

Recipe Read(const Json& config) {
  const auto recipe = ReadRecipe(JsonCursor(config, "config.json"));
  EXPECT_TRUE(recipe.ok()) << recipe.error().message;
  return recipe.ok() ? *recipe : Recipe{.blocks = {{}, {}, {}, {}, {}, {}, {}, {}, {}}};
}
Error ErrorOf(const Json& config) {
  const auto recipe = ReadRecipe(JsonCursor(config, "config.json"));
  return recipe.ok() ? NotFound("no error") : recipe.error();
}

std::string NameOf(const BlockRecipe& block, std::string_view tensor) {
  return SourceOf(block, tensor).tensors.front();
}

// What an attribute of the attention of `layer` was read as; nothing when it has its default.
template <class T>
std::optional<T> Attention(const Json& config, std::string_view name, int layer = 0) {
  const Recipe recipe = Read(config);
  const auto& attributes = recipe.blocks[static_cast<std::size_t>(1 + 2 * layer)].attributes;
  const auto found = attributes.find(name);
  return found == attributes.end() ? std::nullopt : std::optional(std::get<T>(found->second));
}
std::optional<std::int64_t> Integer(const Json& config, std::string_view name, int layer = 0) {
  return Attention<std::int64_t>(config, name, layer);
}
std::optional<double> Real(const Json& config, std::string_view name) {
  return Attention<double>(config, name);
}
std::vector<std::int64_t> Windows(const Json& config) {
  std::vector<std::int64_t> windows;
  for (int layer = 0; layer < 3; ++layer) {
    windows.push_back(*Integer(config, "window", layer));
  }
  return windows;
}
// Two configurations that mean the same.
void ExpectSame(const Json& a, const Json& b) {
  const Recipe first = Read(a);
  const Recipe second = Read(b);
  ASSERT_EQ(first.blocks.size(), second.blocks.size());
  for (std::size_t i = 0; i < first.blocks.size(); ++i) {
    EXPECT_EQ(first.blocks[i].attributes, second.blocks[i].attributes) << i;
    EXPECT_EQ(first.blocks[i].numbers, second.blocks[i].numbers) << i;
    EXPECT_EQ(first.blocks[i].tensors.data(), second.blocks[i].tensors.data()) << i;
  }
}

TEST(Recipe, NamesEachBlockAndItsTensors) {
  const Recipe recipe = Read(Llama());
  std::vector<std::string> kinds;
  for (const BlockRecipe& block : recipe.blocks) {
    kinds.push_back(block.kind);
  }
  EXPECT_THAT(kinds, ElementsAre("embed", "attention", "mlp", "attention", "mlp", "attention",
                                 "mlp", "norm", "head"));
  EXPECT_EQ(recipe.blocks[3].layer, 1);
  EXPECT_EQ(NameOf(recipe.blocks[3], "q"), "model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(recipe.blocks[0].layer, std::nullopt);
  EXPECT_EQ(NameOf(recipe.blocks[8], "weight"), "lm_head.weight");
  EXPECT_EQ(recipe.vocabulary, 384);
  EXPECT_EQ(recipe.tied_copy, "");
}

TEST(Recipe, OfATiedNetworkTakesTheHeadFromTheEmbedding) {
  const Recipe recipe = Read(Llama({{"tie_word_embeddings", true}}));
  EXPECT_EQ(NameOf(recipe.blocks.back(), "weight"), "model.embed_tokens.weight");
  EXPECT_EQ(recipe.tied_copy, "lm_head.weight");
  EXPECT_EQ(recipe.tied_to, "model.embed_tokens.weight");
}

TEST(Recipe, OfFieldsThatChangeNoResultIsTheSame) {
  ExpectSame(Llama({{"gradient_checkpointing", true},
                    {"max_length", 4096},
                    {"max_sequence_length", 2048},
                    {"torchscript", false},
                    {"sep_token_id", 5},
                    {"finetuning_task", "x"},
                    {"flash_attn", false},
                    {"custom_pipelines", Json::Object{}},
                    {"n_special", 0},
                    {"predict_special_tokens", true},
                    {"output_past", true},
                    {"quantization_config", nullptr}}),
             Llama());
  EXPECT_THAT(ErrorOf(Llama({{"flash_attn", true}})).message, HasSubstr("flash_attn"));
  Json yarn = Json::Of({{"type", "yarn"}, {"factor", 4.0}});
  const Json bare = Llama({{"rope_scaling", yarn}});
  yarn.Set("finetuned", true);
  ExpectSame(Llama({{"rope_scaling", yarn}}), bare);
}

TEST(Recipe, OfTwoSpellingsOfOneFieldReadsBothWhenTheyAreEqual) {
  const auto neox = [](Json::Object fields) {
    return Config("gpt_neox", "GPTNeoXForCausalLM", std::move(fields));
  };
  const Json former = neox({{"rotary_emb_base", 500}, {"rotary_pct", 0.5}});
  ExpectSame(neox({{"rotary_emb_base", 500},
                   {"rope_theta", 500.0},
                   {"rotary_pct", 0.5},
                   {"partial_rotary_factor", 0.5}}),
             former);
  ExpectSame(neox({{"rotary_emb_base", 500}, {"rope_theta", nullptr}, {"rotary_pct", 0.5}}),
             former);
  EXPECT_EQ(ErrorOf(neox({{"rotary_emb_base", 500}, {"rope_theta", 600}})).message,
            "config.json.rotary_emb_base: it is another spelling of rope_theta, and they differ; "
            "remove the wrong one");
}

// The defaults of the families' configuration classes.
TEST(Recipe, TakesAbsentFieldsFromTheFamily) {
  EXPECT_EQ(Integer(Llama(), "kv_heads"), 4);
  EXPECT_EQ(Integer(Mistral(), "kv_heads"), 8);
  EXPECT_EQ(Integer(Qwen2(), "kv_heads"), 32);
  EXPECT_EQ(Integer(Qwen3(), "kv_heads"), 32);
  EXPECT_EQ(Integer(Llama(), "key_dim"), 16);
  EXPECT_EQ(Integer(Qwen2(), "key_dim"), 16);
  EXPECT_EQ(Integer(Qwen3(), "key_dim"), 128);
  EXPECT_EQ(Integer(Llama({{"head_dim", 32}}), "key_dim"), 32);
  EXPECT_EQ(Real(Llama(), "norm_eps"), 1e-6);
  EXPECT_EQ(Real(Llama(), "rope_theta"), 10000);
  EXPECT_EQ(Read(Llama()).metadata.context_length, 2048);
  EXPECT_EQ(Read(Mistral()).metadata.context_length, 131072);
  EXPECT_EQ(Read(Qwen2()).metadata.context_length, 32768);
  EXPECT_EQ(Read(Qwen3()).metadata.context_length, 32768);
}

TEST(Recipe, DerivesWhatIsNull) {
  EXPECT_EQ(Integer(Mistral({{"num_key_value_heads", nullptr}}), "kv_heads"), 4);
  EXPECT_EQ(Integer(Mistral({{"head_dim", nullptr}}), "key_dim"), 16);
}

TEST(Recipe, KnowsWhichFamilyHasBiasesAndNorms) {
  EXPECT_EQ(Integer(Llama(), "qkv_bias"), 0);
  EXPECT_EQ(Integer(Llama({{"attention_bias", true}}), "qkv_bias"), 1);
  EXPECT_EQ(Integer(Llama({{"attention_bias", true}}), "o_bias"), 1);
  EXPECT_EQ(Integer(Qwen2(), "qkv_bias"), 1);
  EXPECT_EQ(Integer(Qwen2(), "o_bias"), 0);
  EXPECT_EQ(Integer(Qwen3({{"attention_bias", true}}), "o_bias"), 1);
  EXPECT_EQ(Attention<std::string>(Qwen3(), "qk_norm"), "rms_per_head");
  EXPECT_EQ(Attention<std::string>(Qwen2(), "qk_norm"), std::nullopt);
  const Recipe biased = Read(Llama({{"mlp_bias", true}}));
  EXPECT_EQ(std::get<std::int64_t>(biased.blocks[2].attributes.find("bias")->second), 1);
  // Mistral's and Qwen2's biases are not a matter of the configuration.
  EXPECT_EQ(ErrorOf(Mistral({{"attention_bias", true}})).code, ErrorCode::kUnsupported);
}

TEST(Recipe, ReadsSlidingWindows) {
  EXPECT_THAT(Windows(Mistral()), ElementsAre(4096, 4096, 4096));
  EXPECT_THAT(Windows(Mistral({{"sliding_window", 16}})), ElementsAre(16, 16, 16));
  EXPECT_THAT(Windows(Mistral({{"sliding_window", nullptr}})), ElementsAre(0, 0, 0));
  EXPECT_THAT(Windows(Qwen2({{"sliding_window", 16}})), ElementsAre(0, 0, 0));
  const auto used = [](Json::Object more) {
    more.insert(more.begin(), {{"use_sliding_window", true}, {"sliding_window", 16}});
    return more;
  };
  EXPECT_THAT(Windows(Qwen2(used({}))), ElementsAre(0, 0, 0));  // from layer 28 on
  EXPECT_THAT(Windows(Qwen2(used({{"max_window_layers", 2}}))), ElementsAre(0, 0, 16));
  EXPECT_THAT(Windows(Qwen3(used({{"max_window_layers", 0}}))), ElementsAre(16, 16, 16));
  EXPECT_THAT(Windows(Qwen3(used({{"layer_types", Json::Array{"sliding_attention", "full_attention",
                                                              "sliding_attention"}}}))),
              ElementsAre(16, 0, 16));
  EXPECT_THAT(ErrorOf(Qwen3({{"layer_types", Json::Array{"sliding_attention", "full_attention",
                                                         "full_attention"}}}))
                  .message,
              HasSubstr("sliding_attention without a sliding_window in use"));
  EXPECT_EQ(ErrorOf(Llama({{"sliding_window", 16}})).code, ErrorCode::kUnsupported);
}

TEST(Recipe, ReadsRopeInTheOldSpellingAndTheNew) {
  const Json::Object scaling = {{"factor", 8.0},
                                {"low_freq_factor", 2.0},
                                {"high_freq_factor", 5.0},
                                {"original_max_position_embeddings", 64}};
  const auto with = [&](Json::Object more) {
    more.insert(more.end(), scaling.begin(), scaling.end());
    return Json(more);
  };
  const Json newest =
      Llama({{"rope_parameters", with({{"rope_type", "llama3"}, {"rope_theta", 5e5}})}});
  ExpectSame(newest, Llama({{"rope_theta", 5e5}, {"rope_scaling", with({{"type", "llama3"}})}}));
  ExpectSame(newest,
             Llama({{"rope_theta", 5e5}, {"rope_scaling", with({{"rope_type", "llama3"}})}}));
  ExpectSame(newest,
             Llama({{"rope_theta", 1.0},
                    {"rope_parameters", with({{"rope_type", "llama3"}, {"rope_theta", 5e5}})}}));
  EXPECT_EQ(Attention<std::string>(newest, "rope_scaling"), "llama3");
  EXPECT_EQ(Real(newest, "rope_theta"), 5e5);
  EXPECT_EQ(Real(newest, "rope_factor"), 8);
  EXPECT_EQ(Real(newest, "rope_low_frequency_factor"), 2);
  EXPECT_EQ(Real(newest, "rope_high_frequency_factor"), 5);
  EXPECT_EQ(Integer(newest, "rope_original_positions"), 64);
  // No scaling, in four ways.
  ExpectSame(Llama(), Llama({{"rope_scaling", nullptr}}));
  ExpectSame(Llama(), Llama({{"rope_scaling", Json::Of({{"type", "default"}})}}));
  ExpectSame(Llama(), Llama({{"rope_parameters", Json::Object()}}));
}

TEST(Recipe, ReadsYarnWithItsDefaults) {
  const auto yarn = [](Json::Object fields) {
    fields.insert(fields.begin(), {"rope_type", "yarn"});
    return Qwen2({{"max_position_embeddings", 1024}, {"rope_scaling", Json(fields)}});
  };
  const Json plain = yarn({{"factor", 4.0}});
  EXPECT_EQ(Integer(plain, "rope_original_positions"), 1024);
  EXPECT_EQ(Real(plain, "rope_beta_fast"), 32);
  EXPECT_EQ(Real(plain, "rope_beta_slow"), 1);
  EXPECT_EQ(Real(plain, "rope_attention_factor"), 0);  // 0.1 ln 4 + 1, by the scaling's definition
  const Json original = yarn({{"original_max_position_embeddings", 256}});
  EXPECT_EQ(Real(original, "rope_factor"), 4);
  const Json scaled = yarn({{"factor", 40.0}, {"mscale", 1.0}, {"mscale_all_dim", 0.5}});
  EXPECT_NEAR(*Real(scaled, "rope_attention_factor"),
              (0.1 * std::log(40.0) + 1) / (0.05 * std::log(40.0) + 1), 1e-12);
  EXPECT_EQ(Real(yarn({{"factor", 4.0}, {"attention_factor", 1.5}}), "rope_attention_factor"), 1.5);
  EXPECT_EQ(Integer(plain, "rope_fractional_ramp"), std::nullopt);
  EXPECT_EQ(Integer(yarn({{"factor", 4.0}, {"truncate", false}}), "rope_fractional_ramp"), 1);
}

TEST(Recipe, ReadsDynamicScalingFromTheContext) {
  const Json dynamic = Llama({{"max_position_embeddings", 512},
                              {"rope_scaling", Json::Of({{"type", "dynamic"}, {"factor", 2.0}})}});
  EXPECT_EQ(Integer(dynamic, "rope_original_positions"), 512);
  EXPECT_EQ(Real(dynamic, "rope_factor"), 2);
}

TEST(Recipe, PassesOverWhatChangesNoResult) {
  ExpectSame(Llama(), Llama({{"transformers_version", "5.17.0"},
                             {"torch_dtype", "bfloat16"},
                             {"pretraining_tp", 2},
                             {"_name_or_path", "x"},
                             {"use_cache", false},
                             {"attention_dropout", 0.1},
                             {"unknown_but_null", nullptr},
                             {"use_mrope", false}}));
  // What a configuration that was saved in full has besides, of how text is drawn and of nothing.
  ExpectSame(
      Llama(),
      Llama({{"do_sample", true},
             {"temperature", 0.6},
             {"num_beams", 1},
             {"repetition_penalty", 1.1},
             {"tie_encoder_decoder", false},
             {"pruned_heads", Json::Object()},
             {"per_layer_config", Json::Object()},
             {"layer_types", Json::Array{"full_attention", "full_attention", "full_attention"}}}));
  EXPECT_THAT(ErrorOf(Llama({{"pruned_heads", Json::Of({{"0", Json::Array{1}}})}})).message,
              HasSubstr("config.json.pruned_heads is a field"));
  EXPECT_THAT(ErrorOf(Llama({{"layer_types", Json::Array{"full_attention", "sliding_attention",
                                                         "full_attention"}}}))
                  .message,
              HasSubstr("layer type \"sliding_attention\" cannot be imported"));
  const Error error = ErrorOf(Llama({{"logit_scale", 2.0}}));
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("config.json.logit_scale is a field"));
  EXPECT_EQ(ErrorOf(Llama({{"use_mrope", true}})).code, ErrorCode::kUnsupported);
}

TEST(Recipe, ReadsTheIdsThatGenerationUses) {
  const Recipe one = Read(Llama({{"eos_token_id", 2}, {"bos_token_id", 1}}));
  EXPECT_THAT(one.metadata.eos_tokens, ElementsAre(2));
  EXPECT_EQ(one.metadata.bos_token, 1);
  const Recipe several = Read(Llama({{"eos_token_id", Json::Array{7, 5}}, {"bos_token_id", -1}}));
  EXPECT_THAT(several.metadata.eos_tokens, ElementsAre(7, 5));
  EXPECT_EQ(several.metadata.bos_token, std::nullopt);
  EXPECT_THAT(ErrorOf(Llama({{"eos_token_id", "</s>"}})).message, HasSubstr("eos_token_id"));
}

TEST(Architectures, NameALayerInEachTensorOfALayer) {
  for (const Architecture* architecture : AllArchitectures()) {
    SCOPED_TRACE(architecture->model_type);
    for (const auto names : {architecture->attention.tensors, architecture->mlp.tensors}) {
      for (const TensorName& name : names) {
        EXPECT_NE(name.checkpoint.find("{}"), std::string_view::npos) << name.checkpoint;
        EXPECT_TRUE(name.checkpoint.starts_with(architecture->base_prefix)) << name.checkpoint;
      }
    }
  }
}

// A row that follows one without conditions would never be chosen.
TEST(Architectures, OfAFamilyWithSeveralFormsTheParticularComeFirst) {
  std::set<std::string_view> closed;
  for (const Architecture* architecture : AllArchitectures()) {
    EXPECT_FALSE(closed.contains(architecture->model_type)) << architecture->model_type;
    if (architecture->when.empty()) {
      closed.insert(architecture->model_type);
    }
  }
  const auto unknown = FindArchitectures("gpt9");
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().message, HasSubstr("known: llama, mistral, qwen2, qwen3"));
}

}  // namespace
}  // namespace ashlar
