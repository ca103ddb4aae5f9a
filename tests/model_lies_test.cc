// Every lie that a model directory can tell gives its named error through the real command line:
// quickly, in little memory, with the right exit code, and without a trace in the store.
#include <fstream>

#include <sys/stat.h>

#include "ashlar/base/temp_directory.h"
#include "tests/support/lies.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;
using testing::ExpectNamedError;
using testing::HonestModel;
using testing::ModelFiles;
using testing::ReplaceText;
using testing::WriteText;

constexpr const char* kFirst = "lm_head.weight";              // in the file, [128, 64]
constexpr const char* kSecond = "model.embed_tokens.weight";  // right after it
constexpr const char* kNorm = "model.norm.weight";            // the last one, [64]
constexpr std::int64_t kBytes = 128 * 64 * 4;                 // of each of the first two

struct Lie {
  const char* name;
  std::function<void(ModelFiles&)> tell;
  const char* error;
};
void PrintTo(const Lie& lie, std::ostream* os) {
  *os << lie.name;
}

Lie ConfigLie(const char* name, const char* field, Json value, const char* error) {
  return {name, [field, value](ModelFiles& files) { files.config.Set(field, value); }, error};
}
Lie RopeLie(const char* name, Json::Object fields, const char* error) {
  return {name, [fields](ModelFiles& files) { files.Rope() = fields; }, error};
}
// (Beside a model.safetensors no index counts.)
Lie IndexLie(const char* name, Json weight_map, const char* error) {
  return {name,
          [weight_map](ModelFiles& files) {
            files.weights = "shard.safetensors";
            files.others["model.safetensors.index.json"] =
                WriteJson(Json::Of({{"weight_map", weight_map}}));
          },
          error};
}
std::vector<Lie> FileLies() {
  const auto offsets = [](const char* tensor, std::int64_t begin, std::int64_t end) {
    return [=](ModelFiles& files) {
      files.Entry(tensor).Set("data_offsets", Json::Array{begin, end});
    };
  };
  const auto with = [](const char* tensor, const char* key, const Json& value) {
    return [=](ModelFiles& files) { files.Entry(tensor).Set(key, value); };
  };
  const auto file = [](std::function<void(std::string&)> edit) {
    return [edit](ModelFiles& files) { files.edit_file = edit; };
  };
  return {
      {"empty_file", file([](std::string& f) { f.clear(); }), "the header's length needs 8 bytes"},
      {"seven_bytes", file([](std::string& f) { f.resize(7); }),
       "the header's length needs 8 bytes at offset 0, but only 7 are left"},
      {"truncated_header", file([](std::string& f) { f.resize(100); }), "but only 92 are left"},
      {"header_length_past_end", file([](std::string& f) { f[3] = 1; }), "the header needs"},
      {"header_length_absurd", file([](std::string& f) { f[7] = 0x7f; }), "the header claims"},
      {"header_is_no_object", file([](std::string& f) { f[8] = '['; }),
       "the header does not begin with '{'"},
      {"header_is_no_json", file([](std::string& f) { f[9] = '}'; }), "JSON at byte"},
      {"header_is_no_text", file([](std::string& f) { f[12] = '\xff'; }), "JSON at byte"},
      {"truncated_data", file([](std::string& f) { f.resize(f.size() - 1); }), "lies outside the"},
      {"bytes_after_the_last_tensor", file([](std::string& f) { f += "x"; }),
       "1 bytes after the last tensor belong to no tensor"},
      {"duplicate_key",
       [](ModelFiles& files) {
         files.edit_file = [](std::string& f) {
           ReplaceText(f, "\"model.norm.weight\"", "\"lm_head.weight\"   ");
         };
       },
       "duplicate key \"lm_head.weight\""},
      {"offset_past_end", offsets(kNorm, 1, std::int64_t{1} << 40), "lies outside the"},
      {"offsets_reversed", offsets(kFirst, kBytes, 0), "lies outside the"},
      {"offset_negative", offsets(kFirst, -4, kBytes - 4), "data_offsets[0]"},
      {"one_offset", with(kFirst, "data_offsets", Json::Array{0}), "expected [begin, end]"},
      {"overlap", offsets(kSecond, kBytes - 4, 2 * kBytes - 4), "overlaps the one before it"},
      {"all_at_the_same_place", offsets(kSecond, 0, kBytes), "overlaps the one before it"},
      {"hole",
       [](ModelFiles& files) {
         files.data += std::string(8, 'x');
         Json& entry = files.Entry(kNorm);
         const Json& at = *entry.Find("data_offsets");
         entry.Set("data_offsets",
                   Json::Array{*at.array()->at(0).integer() + 8, *at.array()->at(1).integer() + 8});
       },
       "8 bytes before tensor \"model.norm.weight\" belong to no tensor"},
      {"shape_of_other_length", with(kFirst, "shape", Json::Array{127, 64}),
       "but 8128 numbers of F32 take 32512"},
      {"shape_that_overflows",
       with(kFirst, "shape",
            Json::Array{std::int64_t{1} << 47, std::int64_t{1} << 47, std::int64_t{1} << 47}),
       "does not fit in 64 bits"},
      {"shape_negative", with(kFirst, "shape", Json::Array{-128, -64}), "shape[0]"},
      {"shape_of_a_hundred_dimensions", with(kFirst, "shape", Json::Array(100, Json(1))), "shape"},
      {"shape_is_text", with(kFirst, "shape", "128x64"), "expected an array"},
      {"unknown_dtype", with(kFirst, "dtype", "F13"), "unknown dtype \"F13\""},
      {"dtype_that_is_no_real", [](ModelFiles& files) { files.Entry(kNorm).Set("dtype", "I32"); },
       "tensor \"model.norm.weight\" is I32; F32, F16 and BF16 can be imported"},
      {"unknown_field_of_a_tensor", with(kFirst, "scale", 2), "scale"},
      {"a_million_numbers",
       [](ModelFiles& files) { files.header.Set("x", Json::Array(2'000'000, Json(0))); },
       "more than 1048576 values"},
      {"deep_header",
       [](ModelFiles& files) {
         files.edit_file = [](std::string& f) {
           const std::string text = "{\"a\":" + std::string(100'000, '[');
           const std::uint64_t length = text.size();
           f = std::string(AsText(std::as_bytes(std::span(&length, 1)))) + text;
         };
       },
       "nested deeper than 8 levels"},
      {"missing_tensor",
       [](ModelFiles& files) {
         std::erase_if(*files.header.object(),
                       [](const Json::Member& member) { return member.first == kNorm; });
         files.data.resize(files.data.size() - 64 * 4);
       },
       "has no tensor \"model.norm.weight\", which config.json calls for"},
      {"additional_tensor",
       [](ModelFiles& files) {
         files.header.Set("model.secret", Json::Of({{"dtype", "U8"},
                                                    {"shape", Json::Array{0}},
                                                    {"data_offsets", Json::Array{0, 0}}}));
       },
       "tensor \"model.secret\" is one that config.json does not call for"},
      {"shapes_that_config_contradicts",
       [](ModelFiles& files) {
         files.Entry(kFirst).Set("shape", Json::Array{64, 128});
       },
       "tensor \"lm_head.weight\" has shape [64, 128], but config.json makes it [128, 64]"},
      {"tied_head_with_a_weight_of_its_own",
       [](ModelFiles& files) { files.config.Set("tie_word_embeddings", true); },
       "tensor \"lm_head.weight\" is one that config.json does not call for"},
      IndexLie("index_that_leads_elsewhere", Json::Of({{"a", "../../etc/passwd"}}),
               "\"../../etc/passwd\" is not the plain name of a file"),
      IndexLie("index_with_an_absolute_path", Json::Of({{"a", "/etc/passwd"}}),
               "is not the plain name of a file"),
      IndexLie("index_of_a_missing_shard", Json::Of({{"a", "gone.safetensors"}}),
               "gone.safetensors"),
      IndexLie("index_of_other_tensors", Json::Of({{"a", "shard.safetensors"}}),
               "but the index says"),
      IndexLie("index_of_nothing", Json::Object(), "it names no tensors"),
      IndexLie("index_of_numbers", Json::Of({{"a", 3}}), "expected a string"),
  };
}

std::vector<Lie> ConfigLies() {
  const std::string deep(100'000, '[');
  return {
      {"no_config", [](ModelFiles& files) { files.config = Json(); }, "config.json"},
      {"empty_config",
       [](ModelFiles& files) { files.config = Json(), files.others["config.json"] = ""; },
       "config.json: JSON at byte 0"},
      {"deep_config",
       [deep](ModelFiles& files) { files.config = Json(), files.others["config.json"] = deep; },
       "nested deeper than"},
      {"vast_config",
       [](ModelFiles& files) {
         files.config = Json(), files.others["config.json"] = std::string(5 << 20, ' ');
       },
       "config.json"},
      {"config_of_too_many_values",
       [](ModelFiles& files) { files.config.Set("x", Json::Array(1'000'000, Json(0))); },
       "more than 65536 values"},
      {"config_with_nan",
       [](ModelFiles& files) {
         files.others["config.json"] = "{\"model_type\": \"llama\", \"rms_norm_eps\": NaN}";
       },
       "config.json: JSON at byte"},
      {"config_with_an_infinite_number",
       [](ModelFiles& files) {
         files.others["config.json"] = "{\"model_type\": \"llama\", \"rms_norm_eps\": 1e999}";
       },
       "config.json: JSON at byte"},
      {"config_with_a_key_twice",
       [](ModelFiles& files) {
         files.others["config.json"] = "{\"model_type\": \"llama\", \"model_type\": \"mistral\"}";
       },
       "duplicate key \"model_type\""},
      {"a_selection_of_rank_0",
       [](ModelFiles& files) {
         files.config = Json();
         files.others["config.json"] =
             R"({"model_type": "mamba", "hidden_size": 64, "num_hidden_layers": 1,
                 "vocab_size": 128, "time_step_rank": 0})";
       },
       "config.json.time_step_rank"},
      {"config_is_a_list", [](ModelFiles& files) { files.others["config.json"] = "[]"; },
       "expected an object"},
      ConfigLie("unknown_model_type", "model_type", "perceiver",
                "model_type \"perceiver\" is not one that can be imported; known: llama"),
      ConfigLie("model_type_is_a_number", "model_type", 7, "model_type: expected a string"),
      ConfigLie("other_class", "architectures", Json::Array{"LlamaForSequenceClassification"},
                "\"LlamaForSequenceClassification\" cannot be imported"),
      ConfigLie("quantized_otherwise", "quantization_config",
                Json::Of({{"quant_method", "awq"}, {"bits", 4}}),
                "quantized by \"awq\" cannot be imported"),
      ConfigLie("quantized_somehow", "quantization_config", Json::Of({{"bits", 4}}),
                "quantization_config: has no member \"quant_method\""),
      ConfigLie("quantized_with_more", "quantization_config",
                Json::Of({{"quant_method", "mxfp4"}, {"rotation", "hadamard"}}),
                "quantization_config.rotation"),
      ConfigLie("width_is_text", "hidden_size", "64", "hidden_size: expected an integer"),
      ConfigLie("width_is_a_fraction", "hidden_size", 64.5, "hidden_size: expected an integer"),
      ConfigLie("width_is_zero", "hidden_size", 0, "hidden_size"),
      ConfigLie("width_is_negative", "hidden_size", -64, "hidden_size"),
      ConfigLie("width_is_absurd", "hidden_size", std::int64_t{1} << 40, "hidden_size"),
      ConfigLie("width_is_large", "hidden_size", std::int64_t{1} << 30, "width"),
      ConfigLie("width_is_null", "hidden_size", nullptr, "hidden_size"),
      ConfigLie("a_billion_layers", "num_hidden_layers", 1'000'000'000,
                "num_hidden_layers is 1000000000; at most 10000 are allowed"),
      ConfigLie("ten_thousand_layers", "num_hidden_layers", 10'000,
                "has no tensor \"model.layers.1.input_layernorm.weight\""),
      ConfigLie("heads_that_share_unevenly", "num_key_value_heads", 3, "heads"),
      ConfigLie("more_key_value_heads_than_heads", "num_key_value_heads", 8, "heads"),
      ConfigLie("head_dim_is_odd", "head_dim", 15, "rope_dims"),
      ConfigLie("vocabulary_is_absurd", "vocab_size", std::int64_t{1} << 31, "vocabulary"),
      ConfigLie("eps_is_negative", "rms_norm_eps", -1.0, "eps"),
      ConfigLie("eps_is_text", "rms_norm_eps", "1e-6", "rms_norm_eps: expected"),
      ConfigLie("tied_is_a_number", "tie_word_embeddings", 1, "tie_word_embeddings: expected"),
      ConfigLie("unknown_activation", "hidden_act", "quick_gelu",
                "hidden_act \"quick_gelu\" cannot be imported"),
      ConfigLie("unknown_field", "residual_multiplier", 2.0,
                "residual_multiplier is a field that ashlar does not know"),
      ConfigLie("a_switch_that_is_on", "use_mrope", true, "use_mrope is a field"),
      ConfigLie("theta_is_zero", "rope_theta", 0.0, "rope_theta"),
      ConfigLie("partial_rotation_of_more_than_all", "partial_rotary_factor", 2.0,
                "partial_rotary_factor must be above 0 and at most 1"),
      ConfigLie("rope_is_text", "rope_scaling", "linear", "rope_scaling: expected an object"),
      RopeLie("unknown_rope_type", {{"rope_type", "spiral"}},
              "rope_type \"spiral\" cannot be imported; known: default, linear"),
      RopeLie("linear_without_factor", {{"rope_type", "linear"}},
              "rope_type \"linear\" needs \"factor\""),
      RopeLie("factor_below_one", {{"rope_type", "linear"}, {"factor", 0.5}}, "rope_factor"),
      RopeLie("factor_is_text", {{"rope_type", "linear"}, {"factor", "2"}}, "factor: expected"),
      RopeLie("llama3_without_bounds", {{"rope_type", "llama3"}, {"factor", 2.0}},
              "rope_type \"llama3\" needs \"low_freq_factor\""),
      RopeLie("llama3_with_bounds_reversed",
              {{"rope_type", "llama3"},
               {"factor", 2.0},
               {"low_freq_factor", 4.0},
               {"high_freq_factor", 1.0}},
              "is not above"),
      RopeLie("field_of_another_scaling", {{"rope_type", "linear"}, {"factor", 2.0}, {"beta", 1}},
              "rope_parameters.beta is a field"),
      RopeLie("dynamic_from_elsewhere",
              {{"rope_type", "dynamic"}, {"factor", 2.0}, {"original_max_position_embeddings", 17}},
              "dynamic scaling from"),
      {"both_spellings_of_rope",
       [](ModelFiles& files) {
         files.Rope() = Json::Of({{"rope_type", "default"}});
         files.config.Set("rope_scaling", Json::Of({{"type", "linear"}, {"factor", 2.0}}));
       },
       "rope_scaling is a field"},
      {"layer_types_of_another_depth",
       [](ModelFiles& files) {
         files.config.Set("model_type", "qwen2");
         files.config.Set("architectures", Json::Array{"Qwen2ForCausalLM"});
         files.config.Set("layer_types", Json::Array{"full_attention", "full_attention"});
       },
       "layer_types: it has 2 entries, but num_hidden_layers is 1"},
      {"vocabulary_smaller_than_the_tokenizers",
       [](ModelFiles& files) {
         files.others["tokenizer.json"] = *ReadTextFile(testing::DemoModel() / "tokenizer.json");
       },
       "tokenizer.json gives ids up to 4095, but config.json's vocab_size is 128"},
      {"tokenizer_is_no_json", [](ModelFiles& files) { files.others["tokenizer.json"] = "tokens"; },
       "tokenizer.json"},
      {"end_of_text_is_text",
       [](ModelFiles& files) {
         files.others["generation_config.json"] = "{\"eos_token_id\": \"</s>\"}";
       },
       "generation_config.json.eos_token_id: expected an integer"},
  };
}

class ModelLies : public ::testing::TestWithParam<Lie> {};

TEST_P(ModelLies, AreNamedAndLeaveNothingBehind) {
  TempDirectory directory;
  const Path model = directory / "model";
  std::filesystem::create_directory(model);
  ModelFiles files = HonestModel();
  GetParam().tell(files);
  files.Write(model);
  const Ashlar ashlar(directory / "store");
  ExpectNamedError(ashlar({"import", "hf", model.string(), "--as", "lie"}), 1, GetParam().error);
  EXPECT_EQ(ashlar({"ls", "--json"}).out, "[]\n");
  EXPECT_TRUE(std::filesystem::is_empty(ashlar.store() / "blobs/sha256"));
}

std::string NameOf(const ::testing::TestParamInfo<Lie>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(OfFiles, ModelLies, ::testing::ValuesIn(FileLies()), NameOf);
INSTANTIATE_TEST_SUITE_P(OfConfigs, ModelLies, ::testing::ValuesIn(ConfigLies()), NameOf);

TEST(ModelLies, TheHonestModelIsImported) {
  TempDirectory directory;
  HonestModel().Write(directory.path());
  const Ashlar ashlar(directory / "store");
  EXPECT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "honest"}).exit_code, 0);
}

TEST(ModelLies, WhatIsNoFileIsNeverWaitedFor) {
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json",
                           "tokenizer.json", "generation_config.json"}) {
    for (const bool fifo : {true, false}) {
      TempDirectory directory;
      const Path model = directory / "model";
      std::filesystem::create_directory(model);
      HonestModel().Write(model);
      std::filesystem::remove(model / name);
      if (name == std::string_view("model.safetensors.index.json")) {
        std::filesystem::remove(model / "model.safetensors");  // beside which none counts
      }
      if (fifo) {
        ASSERT_EQ(::mkfifo((model / name).c_str(), 0600), 0);
      } else {
        std::filesystem::create_directory(model / name);
      }
      const Ashlar ashlar(directory / "store");
      ExpectNamedError(ashlar({"import", "hf", model.string(), "--as", "lie"}), 1, name);
    }
  }
}

TEST(ModelLies, WeightsThatAreNoNumbersEndTheGenerationAndNotTheProcess) {
  TempDirectory directory;
  const Path model = directory / "model";
  std::filesystem::copy(testing::DemoModel(), model);
  {
    std::fstream file(model / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-64, std::ios::end);   // inside the last tensor
    file << std::string(64, '\xff');  // bf16: not a number
  }
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", model.string(), "--as", "nan"}).exit_code, 0);
  const CommandResult run = ashlar({"run", "nan", "-p", "Once", "-n", "4", "--json"});
  EXPECT_EQ(run.exit_code, 1) << ::testing::PrintToString(run);
  EXPECT_NE(run.err.find("logits that are no numbers"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace ashlar
