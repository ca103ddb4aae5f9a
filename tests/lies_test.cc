// Every lie that a file or a store can tell gives its named error through the real command line:
// quickly, in little memory, with the right exit code, and without a trace in the store.
#include <functional>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/kinds/cpu_kind.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;
using testing::kSanitized;
using testing::WriteText;

constexpr double kMostSeconds = 1;
constexpr std::uint64_t kMostBytes = 100'000'000;

void ExpectNamedError(const CommandResult& result, int exit_code, const std::string& error) {
  EXPECT_EQ(result.exit_code, exit_code) << ::testing::PrintToString(result);
  EXPECT_NE(result.err.find(error), std::string::npos)
      << "expected \"" << error << "\"\nfound    " << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_LT(result.err.size(), 2000u);
  if (!kSanitized) {
    EXPECT_LT(result.cpu_seconds, kMostSeconds);
    EXPECT_LT(result.peak_bytes, kMostBytes);
  }
}

// ---- Lies of model directories

// A model directory whose every part a lie can replace before it is written.
struct Files {
  Json config;
  Json header;                                            // of model.safetensors
  std::string data;                                       // what follows it
  std::function<void(std::string&)> edit_file = nullptr;  // the whole of model.safetensors
  std::map<std::string, std::string> others = {};         // further files

  Json& Entry(std::string_view tensor) { return *const_cast<Json*>(header.Find(tensor)); }
  Json& Rope() {
    config.Set("rope_parameters", Json::Object());
    return *const_cast<Json*>(config.Find("rope_parameters"));
  }

  void Write(const Path& directory) const {
    if (!config.is_null()) {
      WriteText(directory / "config.json", WriteJson(config));
    }
    const std::string text = WriteJson(header);
    const std::uint64_t length = text.size();
    std::string file(AsText(std::as_bytes(std::span(&length, 1))));
    file += text + data;
    if (edit_file) {
      edit_file(file);
    }
    WriteText(directory / "model.safetensors", file);
    for (const auto& [name, content] : others) {
      WriteText(directory / name, content);
    }
  }
};

Files HonestFiles() {
  const testing::TinyModel model = testing::MakeTinyModel({.layers = 1});
  Files files{.config = model.config, .header = Json::Object()};
  for (const auto& [name, tensor] : model.tensors) {
    const std::string_view bytes = AsText(std::as_bytes(std::span(tensor.values)));
    Json shape = Json::Array();
    for (const std::int64_t dim : tensor.shape) {
      shape.Append(dim);
    }
    const std::size_t begin = files.data.size();
    files.data += bytes;
    files.header.Set(name, Json::Of({{"dtype", "F32"},
                                     {"shape", std::move(shape)},
                                     {"data_offsets", Json::Array{begin, files.data.size()}}}));
  }
  return files;
}

constexpr const char* kFirst = "lm_head.weight";              // in the file, [128, 64]
constexpr const char* kSecond = "model.embed_tokens.weight";  // right after it
constexpr const char* kNorm = "model.norm.weight";            // the last one, [64]
constexpr std::int64_t kBytes = 128 * 64 * 4;                 // of each of the first two

struct Lie {
  const char* name;
  std::function<void(Files&)> tell;
  const char* error;
};
void PrintTo(const Lie& lie, std::ostream* os) {
  *os << lie.name;
}

Lie ConfigLie(const char* name, const char* field, Json value, const char* error) {
  return {name, [field, value](Files& files) { files.config.Set(field, value); }, error};
}
Lie RopeLie(const char* name, Json::Object fields, const char* error) {
  return {name, [fields](Files& files) { files.Rope() = fields; }, error};
}
Lie IndexLie(const char* name, Json weight_map, const char* error) {
  return {name,
          [weight_map](Files& files) {
            files.others["model.safetensors.index.json"] =
                WriteJson(Json::Of({{"weight_map", weight_map}}));
          },
          error};
}
void ReplaceText(std::string& text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  CHECK(at != std::string::npos);
  text.replace(at, from.size(), to);
}

std::vector<Lie> FileLies() {
  const auto offsets = [](const char* tensor, std::int64_t begin, std::int64_t end) {
    return [=](Files& files) { files.Entry(tensor).Set("data_offsets", Json::Array{begin, end}); };
  };
  const auto with = [](const char* tensor, const char* key, const Json& value) {
    return [=](Files& files) { files.Entry(tensor).Set(key, value); };
  };
  const auto file = [](std::function<void(std::string&)> edit) {
    return [edit](Files& files) { files.edit_file = edit; };
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
       [](Files& files) {
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
       [](Files& files) {
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
      {"dtype_that_is_no_real", [](Files& files) { files.Entry(kNorm).Set("dtype", "I32"); },
       "tensor \"model.norm.weight\" is I32; F32, F16 and BF16 can be imported"},
      {"unknown_field_of_a_tensor", with(kFirst, "scale", 2), "scale"},
      {"a_million_numbers",
       [](Files& files) { files.header.Set("x", Json::Array(2'000'000, Json(0))); },
       "more than 1048576 values"},
      {"deep_header",
       [](Files& files) {
         files.edit_file = [](std::string& f) {
           const std::string text = "{\"a\":" + std::string(100'000, '[');
           const std::uint64_t length = text.size();
           f = std::string(AsText(std::as_bytes(std::span(&length, 1)))) + text;
         };
       },
       "nested deeper than 8 levels"},
      {"missing_tensor",
       [](Files& files) {
         std::erase_if(*files.header.object(),
                       [](const Json::Member& member) { return member.first == kNorm; });
         files.data.resize(files.data.size() - 64 * 4);
       },
       "has no tensor \"model.norm.weight\", which config.json calls for"},
      {"additional_tensor",
       [](Files& files) {
         files.header.Set("model.secret", Json::Of({{"dtype", "U8"},
                                                    {"shape", Json::Array{0}},
                                                    {"data_offsets", Json::Array{0, 0}}}));
       },
       "tensor \"model.secret\" is one that config.json does not call for"},
      {"shapes_that_config_contradicts",
       [](Files& files) {
         files.Entry(kFirst).Set("shape", Json::Array{64, 128});
       },
       "tensor \"lm_head.weight\" has shape [64, 128], but config.json makes it [128, 64]"},
      {"tied_head_with_a_weight_of_its_own",
       [](Files& files) { files.config.Set("tie_word_embeddings", true); },
       "tensor \"lm_head.weight\" is one that config.json does not call for"},
      IndexLie("index_that_leads_elsewhere", Json::Of({{"a", "../../etc/passwd"}}),
               "\"../../etc/passwd\" is not the plain name of a file"),
      IndexLie("index_with_an_absolute_path", Json::Of({{"a", "/etc/passwd"}}),
               "is not the plain name of a file"),
      IndexLie("index_of_a_missing_shard", Json::Of({{"a", "gone.safetensors"}}),
               "gone.safetensors"),
      IndexLie("index_of_other_tensors", Json::Of({{"a", "model.safetensors"}}),
               "but the index says"),
      IndexLie("index_of_nothing", Json::Object(), "it names no tensors"),
      IndexLie("index_of_numbers", Json::Of({{"a", 3}}), "expected a string"),
  };
}

std::vector<Lie> ConfigLies() {
  const std::string deep(100'000, '[');
  return {
      {"no_config", [](Files& files) { files.config = Json(); }, "config.json"},
      {"empty_config",
       [](Files& files) { files.config = Json(), files.others["config.json"] = ""; },
       "config.json: JSON at byte 0"},
      {"deep_config",
       [deep](Files& files) { files.config = Json(), files.others["config.json"] = deep; },
       "nested deeper than"},
      {"vast_config",
       [](Files& files) {
         files.config = Json(), files.others["config.json"] = std::string(5 << 20, ' ');
       },
       "config.json"},
      {"config_of_too_many_values",
       [](Files& files) { files.config.Set("x", Json::Array(1'000'000, Json(0))); },
       "more than 65536 values"},
      {"config_with_nan",
       [](Files& files) {
         files.others["config.json"] = "{\"model_type\": \"llama\", \"rms_norm_eps\": NaN}";
       },
       "config.json: JSON at byte"},
      {"config_with_an_infinite_number",
       [](Files& files) {
         files.others["config.json"] = "{\"model_type\": \"llama\", \"rms_norm_eps\": 1e999}";
       },
       "config.json: JSON at byte"},
      {"config_with_a_key_twice",
       [](Files& files) {
         files.others["config.json"] = "{\"model_type\": \"llama\", \"model_type\": \"mistral\"}";
       },
       "duplicate key \"model_type\""},
      {"config_is_a_list", [](Files& files) { files.others["config.json"] = "[]"; },
       "expected an object"},
      ConfigLie("unknown_model_type", "model_type", "perceiver",
                "model_type \"perceiver\" is not one that can be imported; known: llama"),
      ConfigLie("model_type_is_a_number", "model_type", 7, "model_type: expected a string"),
      ConfigLie("other_class", "architectures", Json::Array{"LlamaForSequenceClassification"},
                "\"LlamaForSequenceClassification\" cannot be imported"),
      ConfigLie("quantized", "quantization_config", Json::Of({{"bits", 4}}),
                "quantized checkpoints cannot be imported"),
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
      RopeLie("unknown_rope_type", {{"rope_type", "longrope"}},
              "rope_type \"longrope\" cannot be imported; known: default, linear"),
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
       [](Files& files) {
         files.Rope() = Json::Of({{"rope_type", "default"}});
         files.config.Set("rope_scaling", Json::Of({{"type", "linear"}, {"factor", 2.0}}));
       },
       "rope_scaling is a field"},
      {"layer_types_of_another_depth",
       [](Files& files) {
         files.config.Set("model_type", "qwen2");
         files.config.Set("architectures", Json::Array{"Qwen2ForCausalLM"});
         files.config.Set("layer_types", Json::Array{"full_attention", "full_attention"});
       },
       "layer_types: it has 2 entries, but num_hidden_layers is 1"},
      {"vocabulary_smaller_than_the_tokenizers",
       [](Files& files) {
         files.others["tokenizer.json"] = *ReadTextFile(testing::DemoModel() / "tokenizer.json");
       },
       "tokenizer.json gives ids up to 4095, but config.json's vocab_size is 128"},
      {"tokenizer_is_no_json", [](Files& files) { files.others["tokenizer.json"] = "tokens"; },
       "tokenizer.json"},
      {"end_of_text_is_text",
       [](Files& files) {
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
  Files files = HonestFiles();
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
  HonestFiles().Write(directory.path());
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
      HonestFiles().Write(model);
      std::filesystem::remove(model / name);
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

// ---- Lies of stores

// Rewrites the manifests of a network bottom up, so that every digest is right and only what they
// say is a lie.
class LyingStore {
 public:
  explicit LyingStore(const Path& root)
      : store_(*OpenDiskStore(root)), catalog_(*store_, AllKinds()) {}

  Network Honest(const std::string& name) const { return *catalog_.Load(name); }

  // The network `name` with its own manifest edited.
  void EditNetwork(const std::string& name, const std::function<void(std::string&)>& edit) {
    EditPart(name, Honest(name).digest(), edit);
  }
  // The same with the manifest of the block of node `node` edited.
  void EditBlock(const std::string& name, int node, const std::function<void(std::string&)>& edit) {
    EditPart(name, Honest(name).nodes[node].block, edit);
  }
  // A blob of the same size as what the first tensor of that block lies in, full of `byte`.
  void FillBlob(const std::string& name, int node, char byte) {
    const Network network = Honest(name);
    const Level level = network.BlockOf(node).tensors.begin()->second.levels.front();
    const std::string bytes(*store_->Stat(level.blob).operator*(), byte);
    const Digest blob = *store_->Put(AsBytes(bytes));
    EditBlock(name, node, [&](std::string& manifest) {
      ReplaceText(manifest, level.blob.ToString(), blob.ToString());
    });
  }

 private:
  std::string TextOf(const Digest& digest) const {
    const Blob blob = *store_->Get(digest);
    return std::string(AsText(blob.bytes()));
  }

  // Stores `text` in the place of `from`, then whatever names `from` with the new digest and size,
  // up to the tag.
  void EditPart(const std::string& tag, const Digest& from,
                const std::function<void(std::string&)>& edit) {
    std::string text = TextOf(from);
    edit(text);
    // From each original manifest, its digest now; until nothing that it names changes any more.
    std::map<std::string, std::string> renamed = {{from.ToString(), Put(text)}};
    const Digest root = store_->ReadTags()->at(tag).digest;
    const std::vector<BlobInfo> originals = *store_->List();
    for (bool again = true; again;) {
      again = false;
      for (const BlobInfo& blob : originals) {
        const std::string name = blob.digest.ToString();
        if (blob.size > kLargestManifest || blob.digest == from) {
          continue;
        }
        const std::string original = TextOf(blob.digest);
        std::string content = original;
        for (const auto& [before, after] : renamed) {
          for (std::size_t at; (at = content.find(before)) != std::string::npos;) {
            content.replace(at, before.size(), after);
          }
        }
        if (content != original) {
          std::string& now = renamed[name];
          const std::string put = Put(WithSizes(content));
          again |= put != now;
          now = put;
        }
      }
    }
    const Digest new_root = *Digest::Parse(renamed.at(root.ToString()));
    ASSERT_TRUE(store_
                    ->UpdateTags([&](Tags& tags) -> Status {
                      tags[tag].digest = new_root;
                      tags[tag].size = **store_->Stat(new_root);
                      return {};
                    })
                    .ok());
  }

  static constexpr std::uint64_t kLargestManifest = 1 << 16;

  std::string Put(const std::string& text) { return store_->Put(AsBytes(text))->ToString(); }

  // Descriptors in an OCI document with the sizes that their blobs have now.
  std::string WithSizes(const std::string& text) const {
    Json json = *ParseJson(text);
    SetSizes(json);
    return CanonicalJson(json);
  }
  void SetSizes(Json& json) const {
    if (Json::Array* array = json.array()) {
      for (Json& item : *array) {
        SetSizes(item);
      }
    }
    if (Json::Object* object = json.object()) {
      for (auto& [key, value] : *object) {
        SetSizes(value);
      }
      const Json* digest = json.Find("digest");
      if (digest != nullptr && json.Find("size") != nullptr) {
        json.Set("size",
                 static_cast<std::int64_t>(**store_->Stat(*Digest::Parse(*digest->string()))));
      }
    }
  }

  std::unique_ptr<BlobStore> store_;
  Catalog catalog_;
};

struct StoreLie {
  const char* name;
  int node;  // whose block's manifest lies; -1: the network's
  const char* from;
  const char* to;
  const char* error;
};
void PrintTo(const StoreLie& lie, std::ostream* os) {
  *os << lie.name;
}

class StoreLies : public ::testing::TestWithParam<StoreLie> {};

TEST_P(StoreLies, AreNamedByEveryVerbThatReadsThem) {
  const StoreLie& lie = GetParam();
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  HonestFiles().Write(directory.path());
  ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
  const auto edit = [&](std::string& manifest) { ReplaceText(manifest, lie.from, lie.to); };
  if (lie.node < 0) {
    LyingStore(ashlar.store()).EditNetwork("net", edit);
  } else {
    LyingStore(ashlar.store()).EditBlock("net", lie.node, edit);
  }
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"show", "net"},
        {"run", "net", "-p", "x"},
        {"derive", "new", "--from", "net", "drop", "--layers", "0"}}) {
    ExpectNamedError(ashlar(words), 1, lie.error);
  }
  const CommandResult fsck = ashlar({"fsck", "--keep"});
  EXPECT_EQ(fsck.signal, 0) << ::testing::PrintToString(fsck);
}

const StoreLie kStoreLies[] = {
    {"a_cycle", -1, R"("inputs":{"x":[[0,"1"]]})", R"("inputs":{"x":[[2,"1"]]})", "node"},
    {"reads_itself", -1, R"("inputs":{"x":[[0,"1"]]})", R"("inputs":{"x":[[1,"1"]]})", "node"},
    {"reads_a_node_that_is_not", -1, R"([[0,"1"]])", R"([[99999999,"1"]])", "99999999"},
    {"coefficient_is_nan", -1, R"([[0,"1"]])", R"([[0,"NaN"]])", "NaN"},
    {"network_of_another_version", -1, R"("schema":1)", R"("schema":9)", "schema"},
    {"network_with_an_unknown_field", -1, R"("schema":1)", R"("sample":2,"schema":1)", "sample"},
    {"block_digest_is_a_path", -1, R"("block":"sha256:)", R"("block":"../../x)", "../../x"},
    {"vocabulary_that_the_head_has_not", -1, R"("type":"network")",
     R"("type":"network","vocabulary":4000)", "4000"},
    {"layer_is_text", -1, R"("layer":0)", R"("layer":"0")", "layer"},
    {"unknown_kind", 2, R"("kind":"mlp")", R"("kind":"mlq")", "mlq"},
    {"block_of_another_version", 2, R"("schema":1)", R"("schema":2)", "schema"},
    {"unknown_codec", 2, R"("f32.1")", R"("f33.1")", "f33.1"},
    {"unknown_attribute", 2, R"("channels":96)", R"("channels":96,"depth":3)", "depth"},
    {"absurd_width", 2, R"("channels":96)", R"("channels":9007199254740991)", "channels"},
    {"eps_is_nan", 2, R"("norm_eps":"0.00001")", R"("norm_eps":"NaN")", "norm_eps"},
    {"widths_that_disagree", 2, R"("channels":96)", R"("channels":64)",
     "tensor \"gate\" has shape [96, 64], and the block's attributes make it [64, 64]"},
    {"tensor_of_another_shape", 2, R"("shape":[96,64])", R"("shape":[64,96])", "64"},
    {"tensor_past_the_end_of_its_blob", 2, R"("offset":0)", R"("offset":9007199254740991)", ""},
    {"digest_is_a_path", 2, R"("sha256:)", R"("../../)", "../../"},
};
INSTANTIATE_TEST_SUITE_P(OfManifests, StoreLies, ::testing::ValuesIn(kStoreLies),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(StoreLies, AnIndexThatNamesAPathIsRefused) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  HonestFiles().Write(directory.path());
  ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
  const std::string honest = *ReadTextFile(ashlar.store() / "index.json");
  const std::pair<const char*, std::string> lies[] = {
      {"digest", "../../x"},
      {"digest", "sha256:../../../../etc/passwd"},
      {"digest", "sha256:" + std::string(64, 'A')},
  };
  for (const auto& [key, digest] : lies) {
    Json index = *ParseJson(honest);
    const_cast<Json*>(index.Find("manifests"))->array()->front().Set(key, digest);
    WriteText(ashlar.store() / "index.json", WriteJson(index));
    for (const char* verb : {"ls", "fsck", "gc"}) {
      const CommandResult result = ashlar({verb});
      EXPECT_EQ(result.exit_code, 1) << verb << " " << ::testing::PrintToString(result);
      EXPECT_NE(result.err.find("digest"), std::string::npos) << result.err;
    }
  }
  WriteText(ashlar.store() / "index.json", "{\"schemaVersion\": 2");
  ExpectNamedError(ashlar({"ls"}), 1, "index.json");
  WriteText(ashlar.store() / "index.json", honest);
  EXPECT_EQ(ashlar({"fsck"}).exit_code, 0);
}

TEST(StoreLies, ScalesThatAreNoNumbersEndTheGenerationAndNotTheProcess) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  for (const std::string codec : {"q8", "q4"}) {
    ASSERT_EQ(ashlar({"encode", "demo", "--as", codec, "--codec", codec}).exit_code, 0);
    LyingStore(ashlar.store()).FillBlob(codec, 18, '\x7f');  // f16 0x7f7f: not a number
    const CommandResult run = ashlar({"run", codec, "-p", "Once", "-n", "4", "--json"});
    EXPECT_EQ(run.exit_code, 1) << ::testing::PrintToString(run);
    EXPECT_NE(run.err.find("logits that are no numbers"), std::string::npos) << run.err;
  }
}

TEST(StoreLies, AFlippedBitIsFoundByFsckAndByALoadThatVerifies) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  const Network network = LyingStore(ashlar.store()).Honest("demo");
  const std::string digest =
      network.BlockOf(5).tensors.begin()->second.levels.front().blob.ToString();
  const Path blob = ashlar.store() / "blobs/sha256" / digest.substr(7);
  std::filesystem::permissions(blob, std::filesystem::perms(0644));
  {
    std::fstream file(blob, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(10'000);
    const char byte = static_cast<char>(file.peek() ^ 1);
    file.seekp(10'000);
    file.put(byte);
  }
  ExpectNamedError(ashlar({"run", "demo", "-p", "Once", "-n", "1", "--verify"}), 1, digest);
  const CommandResult fsck = ashlar({"fsck"});
  EXPECT_EQ(fsck.exit_code, 1);
  EXPECT_NE(fsck.out.find(digest), std::string::npos) << fsck.out;
  EXPECT_NE(fsck.out.find("hurts demo"), std::string::npos) << fsck.out;
  // Importing again mends it.
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  EXPECT_EQ(ashlar({"fsck"}).exit_code, 0);
}

// ---- Lies of command lines

TEST(CommandLineLies, AreUsageErrors) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  HonestFiles().Write(directory.path());
  ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
  const std::pair<std::vector<std::string>, const char*> lies[] = {
      {{"frobnicate"}, "there is no verb \"frobnicate\""},
      {{}, "A subcommand is required"},
      {{"ls", "--frob"}, "--frob"},
      {{"import", "hf", "x"}, "--as is required"},
      {{"import", "gguf", "x", "--as", "y"}, "unknown format \"gguf\"; known: hf"},
      {{"import", "hf", directory.path().string(), "--as", "../up"}, "../up"},
      {{"why", "../../x"}, "\"../../x\""},
      {{"why", "sha256:../../x"}, "sha256:../../x"},
      {{"tag", "net", "sha256:x"}, "sha256:x"},
      {{"show", "net", "--graph", "svg"}, "expected dot, mermaid or json, found \"svg\""},
      {{"derive", "new", "--from", "net", "shrink"}, "shrink"},
      {{"derive", "new", "--from", "net", "drop", "--layers", "7"}, "7"},
      {{"derive", "new", "--from", "net", "drop", "--layers", "x"}, "x"},
      {{"derive", "new", "--from", "net", "drop", "--frob", "1"}, "frob"},
      {{"derive", "new", "--from", "net", "slice", "--channels", "33"}, "33"},
      {{"encode", "net", "--as", "new", "--codec", "q9"}, "q9"},
      {{"eval", "speed", "net"}, "expected ppl or logits, found \"speed\""},
  };
  for (const auto& [words, error] : lies) {
    ExpectNamedError(ashlar(words), 2, error);
  }
}

TEST(CommandLineLies, WhatIsNotThereIsNoUsageError) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ExpectNamedError(ashlar({"ls"}), 1, "there is no store at");
  HonestFiles().Write(directory.path());
  ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
  ExpectNamedError(ashlar({"show", "nett"}), 1, "no network named \"nett\"");
  ExpectNamedError(ashlar({"rm", "nett"}), 1, "nett");
  ExpectNamedError(ashlar({"import", "hf", "/nowhere", "--as", "x"}), 1, "/nowhere/config.json");
  ExpectNamedError(ashlar({"why", "sha256:" + std::string(64, '0')}), 1, "has no blob");
}

}  // namespace
}  // namespace ashlar
