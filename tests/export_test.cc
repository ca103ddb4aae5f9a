// Networks written as GGUF files: the same numbers under llama.cpp's names and in its order, and a
// clear refusal of what the format has no words for.
#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/formats/synth.h"
#include "ashlar/graph/derive.h"
#include "tests/support/command.h"
#include "tests/support/gguf_reader.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;
using ::testing::ElementsAre;
using testing::GgufReader;
using ::testing::HasSubstr;
using testing::Library;
using testing::TinySpec;

class Export : public ::testing::Test {
 protected:
  Network Import(const TinySpec& spec, const std::string& name = "tiny") {
    WriteModel(testing::MakeTinyModel(spec), directory_ / name);
    return library_.Import(directory_ / name, name);
  }

  Path file() const { return directory_ / "file.gguf"; }
  Result<GgufReport> Write(const Network& network) {
    return ExportGguf(network, "name", library_.store(), file());
  }
  GgufReader MustWrite(const Network& network) {
    const auto report = Write(network);
    EXPECT_TRUE(report.ok()) << report.error().message;
    if (report.ok()) {
      EXPECT_EQ(report->file_bytes, std::filesystem::file_size(file()));
    }
    return GgufReader(file());
  }
  void ExpectRefusal(const Network& network, const std::string& message) {
    const auto report = Write(network);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(report.error().message, HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(file()));
  }

  // The numbers of a node's tensor after its slice, as our codec reads them.
  std::vector<float> Numbers(const Network& network, int node, const std::string& tensor) {
    const Block& block = network.BlockOf(node);
    const TensorManifest& stored = block.tensors.at(tensor);
    const Level& level = stored.levels.front();
    const Blob blob = *library_.store().Get(level.blob);
    std::vector<float> all(static_cast<std::size_t>(stored.shape.elements()));
    DecodeTensor(*stored.codec, stored.shape, blob.bytes().subspan(level.offset, level.length),
                 all.data());
    const auto specs = *block.kind->tensors(EffectiveAttributes(network, node));
    const Shape shape = std::ranges::find(specs, tensor, &TensorSpec::name)->shape;
    if (shape.rank() == 1) {
      all.resize(static_cast<std::size_t>(shape[0]));
      return all;
    }
    std::vector<float> used;
    for (std::int64_t row = 0; row < shape[0]; ++row) {
      const auto begin = all.begin() + row * stored.shape[1];
      used.insert(used.end(), begin, begin + shape[1]);
    }
    return used;
  }

  Library library_;
  TempDirectory directory_;
};

// What llama.cpp turns as neighbours we turn as halves: undoes its order, head by head.
std::vector<float> FromNeighbours(const std::vector<float>& rows, std::size_t row_length,
                                  std::size_t head_dim) {
  std::vector<float> out(rows.size());
  for (std::size_t row = 0; row < rows.size() / row_length; ++row) {
    const std::size_t head = row / head_dim;
    const std::size_t pair = row % head_dim / 2;
    const std::size_t to = head * head_dim + pair + (row % 2 == 0 ? 0 : head_dim / 2);
    for (std::size_t i = 0; i < row_length; ++i) {
      out[to * row_length + i] = rows[row * row_length + i];
    }
  }
  return out;
}

struct Pair {
  const char* tensor;
  const char* gguf;
};
constexpr Pair kAttentionPairs[] = {{"norm.weight", "attn_norm.weight"},
                                    {"q", "attn_q.weight"},
                                    {"k", "attn_k.weight"},
                                    {"v", "attn_v.weight"},
                                    {"o", "attn_output.weight"},
                                    {"q.bias", "attn_q.bias"},
                                    {"k.bias", "attn_k.bias"},
                                    {"v.bias", "attn_v.bias"},
                                    {"o.bias", "attn_output.bias"},
                                    {"q_norm.weight", "attn_q_norm.weight"},
                                    {"k_norm.weight", "attn_k_norm.weight"}};
constexpr Pair kMlpPairs[] = {
    {"norm.weight", "ffn_norm.weight"}, {"gate", "ffn_gate.weight"},    {"up", "ffn_up.weight"},
    {"down", "ffn_down.weight"},        {"gate.bias", "ffn_gate.bias"}, {"up.bias", "ffn_up.bias"},
    {"down.bias", "ffn_down.bias"}};

// Every tensor of a chain, to the bit, and no other.
void ExpectSameNetwork(const GgufReader& read, const Network& network, bool tied,
                       const std::function<std::vector<float>(int, const std::string&)>& numbers) {
  const bool neighbours = read.Text("general.architecture") == "llama";
  const int last = static_cast<int>(network.nodes.size()) - 1;
  std::size_t seen = 0;
  const auto compare = [&](int node, const std::string& tensor, const std::string& name) {
    const auto found = read.tensors.find(name);
    ASSERT_NE(found, read.tensors.end()) << name << " is missing";
    std::vector<float> actual = found->second.values;
    const bool rotated = tensor[0] == 'q' || tensor[0] == 'k';
    if (neighbours && rotated && !tensor.ends_with("norm.weight")) {
      const std::size_t row_length = found->second.dims.size() == 2 ? found->second.dims[0] : 1;
      actual = FromNeighbours(
          actual, row_length,
          static_cast<std::size_t>(EffectiveAttributes(network, node).Integer("key_dim")));
    }
    EXPECT_EQ(actual, numbers(node, tensor)) << name;
    ++seen;
  };
  compare(0, "weight", "token_embd.weight");
  for (int node = 1; node + 2 < last; node += 2) {
    const std::string layer = "blk." + std::to_string((node - 1) / 2) + ".";
    for (const auto& [pairs, of] : {std::pair(std::span<const Pair>(kAttentionPairs), node),
                                    std::pair(std::span<const Pair>(kMlpPairs), node + 1)}) {
      for (const Pair& pair : pairs) {
        if (network.BlockOf(of).tensors.contains(pair.tensor)) {
          compare(of, pair.tensor, layer + pair.gguf);
        }
      }
    }
  }
  compare(last - 1, "weight", "output_norm.weight");
  if (!tied) {
    compare(last, "weight", "output.weight");
  }
  EXPECT_EQ(read.tensors.size(), seen);
}

TEST_F(Export, OfEveryFamilyHoldsEveryTensorToTheBit) {
  const std::pair<TinySpec, const char*> cases[] = {
      {{}, "llama"},
      {{.tied = true}, "llama"},
      {{.qkv_bias = true, .output_bias = true, .mlp_bias = true}, "llama"},
      {{.model_type = "mistral", .class_name = "MistralForCausalLM"}, "llama"},
      {{.model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .qkv_bias = true}, "qwen2"},
      {{.model_type = "qwen3", .class_name = "Qwen3ForCausalLM", .qk_norm = true}, "qwen3"},
  };
  int index = 0;
  for (auto [spec, architecture] : cases) {
    SCOPED_TRACE(index);
    if (spec.output_bias) {
      spec.fields = {{"attention_bias", true}, {"mlp_bias", true}};
    }
    const Network network = Import(spec, "tiny" + std::to_string(index++));
    const GgufReader read = MustWrite(network);
    EXPECT_EQ(read.Text("general.architecture"), architecture);
    ExpectSameNetwork(read, network, spec.tied, [&](int node, const std::string& tensor) {
      return Numbers(network, node, tensor);
    });
  }
}

TEST_F(Export, KeepsScalesAndCodesOfEveryCodec) {
  Import({.width = 128, .channels = 192, .head_dim = 32, .tied = true});
  const std::pair<const char*, const char*> cases[] = {
      {"q4", "2"}, {"q8", "7"}, {"f16", "1"}, {"bf16", "32"}};
  for (const auto& [codec, file_type] : cases) {
    SCOPED_TRACE(codec);
    const Network network = library_.Derive("tiny", codec, "encode", {{"codec", codec}});
    const GgufReader read = MustWrite(network);
    EXPECT_EQ(read.Text("general.file_type"), file_type);
    ExpectSameNetwork(read, network, true, [&](int node, const std::string& tensor) {
      return Numbers(network, node, tensor);
    });
  }
}

TEST_F(Export, MayMixCodecsAndUntieWhatTheyPart) {
  Import({.tied = true});
  const Network network = library_.Derive("tiny", "mixed", "encode",
                                          {{"codec", "q8"}, {"except", "embed.*,layers.1.*"}});
  const GgufReader read = MustWrite(network);
  EXPECT_EQ(read.tensors.at("output.weight").type, 8u);
  EXPECT_EQ(read.tensors.at("token_embd.weight").type, 0u);
  ExpectSameNetwork(read, network, false, [&](int node, const std::string& tensor) {
    return Numbers(network, node, tensor);
  });
}

TEST_F(Export, WritesDerivedChainsAsTheyRun) {
  Import({.layers = 4, .width = 128, .channels = 192, .head_dim = 32, .tied = true});
  library_.Derive("tiny", "q4", "encode", {{"codec", "q4"}});
  const std::pair<const char*, Arguments> cases[] = {
      {"drop", {{"layers", "1"}}},    {"repeat", {{"layers", "2"}}},
      {"share", {{"layers", "0-1"}}}, {"slice", {{"channels", "96"}}},
      {"slice", {{"kv_heads", "1"}}},
  };
  int index = 0;
  for (const auto& [transform, arguments] : cases) {
    SCOPED_TRACE(transform);
    const Network network =
        library_.Derive("q4", "x" + std::to_string(index++), transform, arguments);
    const GgufReader read = MustWrite(network);
    EXPECT_EQ(read.Text("llama.block_count"), std::to_string(network.layers()));
    ExpectSameNetwork(read, network, true, [&](int node, const std::string& tensor) {
      return Numbers(network, node, tensor);
    });
  }
}

TEST_F(Export, SaysWhatTheConfigurationSaid) {
  const Network network =
      Import({.fields = {{"rope_theta", 5e5},
                         {"rope_scaling", Json::Of({{"rope_type", "linear"}, {"factor", 4.0}})},
                         {"max_position_embeddings", 512}}});
  const GgufReader read = MustWrite(network);
  const std::pair<const char*, const char*> expected[] = {
      {"general.name", "name"},
      {"llama.block_count", "2"},
      {"llama.context_length", "512"},
      {"llama.embedding_length", "64"},
      {"llama.feed_forward_length", "96"},
      {"llama.attention.head_count", "4"},
      {"llama.attention.head_count_kv", "2"},
      {"llama.attention.key_length", "16"},
      {"llama.attention.value_length", "16"},
      {"llama.attention.layer_norm_rms_epsilon", "1e-05"},
      {"llama.rope.dimension_count", "16"},
      {"llama.rope.freq_base", "500000"},
      {"llama.rope.scaling.type", "linear"},
      {"llama.rope.scaling.factor", "4"},
      {"llama.vocab_size", "128"},
      {"tokenizer.ggml.model", "none"},
  };
  for (const auto& [key, value] : expected) {
    EXPECT_EQ(read.Text(key), value) << key;
  }
}

// Factors are what the plain frequencies are divided by: 1 for short waves, 8 for long ones.
TEST_F(Export, WritesTheFrequencyFactorsOfLlama3) {
  const Network network =
      Import({.head_dim = 32,
              .fields = {{"rope_scaling", Json::Of({{"rope_type", "llama3"},
                                                    {"factor", 8.0},
                                                    {"low_freq_factor", 1.0},
                                                    {"high_freq_factor", 4.0},
                                                    {"original_max_position_embeddings", 128}})}}});
  const GgufReader read = MustWrite(network);
  const std::vector<float>& factors = read.tensors.at("rope_freqs.weight").values;
  ASSERT_EQ(factors.size(), 16u);
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double wavelength = 2 * std::acos(-1.0) * std::pow(10000.0, static_cast<double>(i) / 16);
    const double smooth = (128 / wavelength - 1) / (4 - 1);
    const double expected = wavelength < 128.0 / 4   ? 1
                            : wavelength > 128.0 / 1 ? 8
                                                     : 1 / ((1 - smooth) / 8 + smooth);
    EXPECT_NEAR(factors[i], expected, 1e-5) << i;
  }
}

TEST_F(Export, GivesTheTokenizerOfTheDemo) {
  const Network network = library_.Import(testing::DemoModel(), "demo");
  const GgufReader read = MustWrite(network);
  EXPECT_EQ(read.Text("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(read.Text("tokenizer.ggml.pre"), "smaug-bpe");
  EXPECT_EQ(read.Text("tokenizer.ggml.add_bos_token"), "false");
  EXPECT_EQ(read.Text("tokenizer.ggml.eos_token_id"),
            std::to_string(network.metadata.eos_tokens.front()));
  const auto& tokens = read.metadata.at("tokenizer.ggml.tokens");
  const auto& types = read.metadata.at("tokenizer.ggml.token_type");
  const Json json = *ParseJson(*ReadTextFile(testing::DemoModel() / "tokenizer.json"));
  const Json& model = *json.Find("model");
  ASSERT_EQ(tokens.size(), 4096u);
  ASSERT_EQ(types.size(), tokens.size());
  for (const auto& [content, id] : *model.Find("vocab")->object()) {
    EXPECT_EQ(tokens[static_cast<std::size_t>(*id.integer())], content);
  }
  EXPECT_EQ(tokens[0], "<|endoftext|>");
  EXPECT_EQ(types[0], "3");
  EXPECT_EQ(std::ranges::count(types, "3"), std::ssize(*json.Find("added_tokens")->array()));
  EXPECT_EQ(read.metadata.at("tokenizer.ggml.merges").size(),
            model.Find("merges")->array()->size());
}

class ChatTemplates : public Export {
 protected:
  // The demo with these chat templates in its tokenizer_config.json, and perhaps one in a file.
  Network With(const Json& chat_template, std::optional<std::string> file = {}) {
    const Path model = directory_ / "model";
    std::filesystem::copy(testing::DemoModel(), model);
    std::filesystem::remove(model / "chat_template.jinja");
    if (file) {
      testing::WriteText(model / "chat_template.jinja", *file);
    }
    testing::WriteText(model / "tokenizer_config.json",
                       WriteJson(Json::Of({{"chat_template", chat_template}})));
    return library_.Import(model, "model");
  }
  static Json Named(const char* name, const char* text) {
    return Json::Of({{"name", name}, {"template", text}});
  }
  // What the report says besides, but for the end that llama.cpp has by its name.
  std::vector<std::string> RemarksOf(const Network& network) {
    auto report = Write(network);
    EXPECT_TRUE(report.ok()) << report.error().message;
    if (!report.ok()) {
      return {};
    }
    const auto by_name = [](const std::string& remark) {
      return remark.find("ends a text at 2 (\"<|im_end|>\") too") != remark.npos;
    };
    EXPECT_EQ(std::erase_if(report->remarks, by_name), 1u);
    return std::move(report->remarks);
  }
};

TEST_F(ChatTemplates, OfOneIsWrittenAsItIs) {
  const GgufReader read = MustWrite(With("{{ messages }}\n"));
  EXPECT_EQ(read.Text("tokenizer.chat_template"), "{{ messages }}\n");
  EXPECT_FALSE(read.metadata.contains("tokenizer.chat_templates"));
}

TEST_F(ChatTemplates, WithNamesAreAllWritten) {
  const Network network = With(Json::Array{Named("tool use", "with tools"),
                                           Named("default", "plain"), Named("rag", "with texts")});
  EXPECT_EQ(RemarksOf(network), std::vector<std::string>());
  const GgufReader read = MustWrite(network);
  EXPECT_EQ(read.Text("tokenizer.chat_template"), "plain");
  EXPECT_EQ(read.metadata.at("tokenizer.chat_templates"),
            (std::vector<std::string>{"tool_use", "rag"}));
  EXPECT_EQ(read.Text("tokenizer.chat_template.tool_use"), "with tools");
  EXPECT_EQ(read.Text("tokenizer.chat_template.rag"), "with texts");
}

TEST_F(ChatTemplates, OfAListStandBesideTheOneInAFileOfItsOwnWhichIsTheDefault) {
  const Network network =
      With(Json::Array{Named("default", "listed"), Named("rag", "with texts")}, "filed");
  EXPECT_THAT(
      RemarksOf(network),
      ElementsAre(HasSubstr("chat_template[0] is left out: another template has the name")));
  const GgufReader read = MustWrite(network);
  EXPECT_EQ(read.Text("tokenizer.chat_template"), "filed");
  EXPECT_EQ(read.Text("tokenizer.chat_template.rag"), "with texts");
}

TEST_F(ChatTemplates, InAFolderOfTheirOwnAreNamedAsTheirFilesAndComeFirst) {
  const Path model = directory_ / "model";
  std::filesystem::copy(testing::DemoModel(), model);
  testing::WriteText(model / "chat_template.jinja", "filed");
  testing::WriteText(model / "tokenizer_config.json",
                     WriteJson(Json::Of({{"bos_token", "<s>"},
                                         {"chat_template", Json::Array{Named("rag", "listed")}}})));
  std::filesystem::create_directory(model / "additional_chat_templates");
  testing::WriteText(model / "additional_chat_templates/tool_use.jinja", "with tools");
  testing::WriteText(model / "additional_chat_templates/rag.jinja", "with texts");
  testing::WriteText(model / "additional_chat_templates/README.md", "no template");
  const GgufReader read = MustWrite(library_.Import(model, "model"));
  EXPECT_EQ(read.Text("tokenizer.chat_template"), "filed");
  EXPECT_EQ(read.metadata.at("tokenizer.chat_templates"),
            (std::vector<std::string>{"rag", "tool_use"}));
  EXPECT_EQ(read.Text("tokenizer.chat_template.tool_use"), "with tools");
  EXPECT_EQ(read.Text("tokenizer.chat_template.rag"), "with texts");
}

TEST_F(ChatTemplates, InAFolderOfTheirOwnThatCannotBeReadAreLeftOutAndNamed) {
  const Path model = directory_ / "model";
  std::filesystem::copy(testing::DemoModel(), model);
  testing::WriteText(model / "chat_template.jinja", "filed");
  testing::WriteText(model / "tokenizer_config.json",
                     WriteJson(Json::Of({{"chat_template", Json::Array{Named("rag", "listed")}}})));
  std::filesystem::create_directory(model / "additional_chat_templates");
  testing::WriteText(model / "additional_chat_templates/tool_use.jinja", "with tools");
  testing::WriteText(model / "additional_chat_templates/rag.jinja", "{% nonsense %}");
  const auto report = ImportHuggingFace(model, "model", library_.catalog());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->remarks,
              ElementsAre(HasSubstr("the chat template \"rag\" is not imported: ")));
  const GgufReader read = MustWrite(*library_.catalog().Load("model"));
  EXPECT_EQ(read.Text("tokenizer.chat_template.tool_use"), "with tools");
  EXPECT_EQ(read.Text("tokenizer.chat_template.rag"), "listed");
}

TEST_F(ChatTemplates, OfAListAndAFolderAreTogetherNoMoreThanChatsRead) {
  const Path model = directory_ / "model";
  std::filesystem::copy(testing::DemoModel(), model);
  Json::Array listed;
  for (int i = 0; i < 100; ++i) {
    listed.push_back(Named(fmt::format("t{}", i).c_str(), "listed"));
  }
  testing::WriteText(model / "tokenizer_config.json",
                     WriteJson(Json::Of({{"chat_template", listed}})));
  std::filesystem::create_directory(model / "additional_chat_templates");
  testing::WriteText(model / "additional_chat_templates/t1.jinja", "instead");
  ASSERT_TRUE(ImportHuggingFace(model, "model", library_.catalog()).ok());
  testing::WriteText(model / "additional_chat_templates/more.jinja", "one more");
  const auto report = ImportHuggingFace(model, "more", library_.catalog());
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message,
              HasSubstr("there are 101 chat templates: expected at most 100"));
}

TEST_F(ChatTemplates, ThatTheFormatHasNoRoomForAreSaid) {
  const Network network =
      With(Json::Array{Named("a b", "first"), Named("a-b", "second"), Named("", "third")});
  EXPECT_THAT(RemarksOf(network),
              ElementsAre(HasSubstr("chat_template[1] is left out: another template has the name"),
                          HasSubstr("chat_template[2] is left out: it has no name"),
                          HasSubstr("none of the chat templates is the default one")));
  const GgufReader read = MustWrite(network);
  EXPECT_EQ(read.Text("tokenizer.chat_template.a_b"), "first");
  EXPECT_FALSE(read.metadata.contains("tokenizer.chat_template"));
}

TEST_F(ChatTemplates, ThatAreNoneAreAnError) {
  const auto report = Write(With(Json::Array{Json::Of({{"name", "default"}})}));
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message, HasSubstr("tokenizer_config.json.chat_template[0]"));
}

TEST_F(Export, RefusesWhatGgufHasNoWordsForAndNamesTheNode) {
  Import({.layers = 4});
  ExpectRefusal(library_.Derive("tiny", "part", "slice", {{"channels", "64"}, {"layers", "2"}}),
                "layers.2.mlp has channels = 64; llama has 96");
  ExpectRefusal(Import({.model_type = "mistral",
                        .class_name = "MistralForCausalLM",
                        .fields = {{"sliding_window", 16}}},
                       "window"),
                "llama.cpp would not apply the window of 16 positions");
  ExpectRefusal(Import({.fields = {{"hidden_act", "relu"}}}, "relu"),
                "layers.0.mlp has activation = relu; llama has silu");
  ExpectRefusal(
      Import({.fields = {{"rope_scaling", Json::Of({{"rope_type", "dynamic"}, {"factor", 2.0}})}}},
             "dynamic"),
      "layers.0.attention has rope_factor = 2; llama has 1");

  Network network = Import({}, "plain");
  Network capped = network;
  Block head = capped.BlockOf(6);
  head.attributes = *Attributes::Make(
      head.kind->attributes,
      {{"width", std::int64_t{64}}, {"vocabulary", std::int64_t{128}}, {"soft_cap", 30.0}});
  capped.nodes[6].block = capped.AddBlock(head);
  ASSERT_TRUE(Validate(capped).ok());
  ExpectRefusal(capped, "head has soft_cap = 30; llama has 0");

  Network parallel = network;
  parallel.nodes[2].inputs["x"] = {{0, 1.0}};
  ASSERT_TRUE(Validate(parallel).ok());
  ExpectRefusal(
      parallel,
      "layers.0.mlp reads what layers.0.attention reads too; llama has one after the other");

  Network borrowed = network;
  borrowed.nodes[3].state_of = 1;
  ASSERT_TRUE(Validate(borrowed).ok());
  ExpectRefusal(borrowed, "layers.1.attention: it reads the state of layers.0.attention");
}

TEST_F(Export, RefusesATokenizerThatLlamaCppWouldReadOtherwise) {
  const auto with = [&](const std::string& name, const std::function<void(Json&)>& change) {
    const Path model = directory_ / name;
    std::filesystem::copy(testing::DemoModel(), model);
    Json json = *ParseJson(*ReadTextFile(model / "tokenizer.json"));
    change(json);
    testing::WriteText(model / "tokenizer.json", WriteJson(json));
    return library_.Import(model, name);
  };
  const Json digits = Json::Of({{"type", "Digits"}, {"individual_digits", true}});
  ExpectRefusal(with("lower",
                     [](Json& json) {
                       json.Set("normalizer", Json::Of({{"type", "Lowercase"}}));
                     }),
                "tokenizer.json.normalizer: llama.cpp has no normalizer Lowercase");
  ExpectRefusal(with("digits", [&](Json& json) { json.Set("pre_tokenizer", digits); }),
                "tokenizer.json.pre_tokenizer: llama.cpp has no name");
}

TEST_F(Export, HasTheTokenizerThatTheNetworkRunsByWhereTheOneItCameWithIsBroken) {
  Network network = library_.Import(testing::DemoModel(), "demo");
  const std::string broken = "GGUF";
  network.files["tokenizer.gguf"] = {.blob = *library_.store().Put(AsBytes(broken)),
                                     .length = broken.size()};
  const auto report = Write(network);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->remarks,
              ::testing::Contains(HasSubstr("tokenizer.json, as its tokenizer.gguf "
                                            "cannot be read: ")));
  EXPECT_EQ(GgufReader(file()).Text("tokenizer.ggml.model"), "gpt2");

  std::filesystem::remove(file());
  network.files.erase("tokenizer.json");
  EXPECT_FALSE(Write(network).ok());
  EXPECT_FALSE(std::filesystem::exists(file()));
}

// ---- The command line

TEST(ExportCommand, WritesAFileAndSaysWhatItIs) {
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  const std::string file = directory / "demo.gguf";
  const CommandResult result = ashlar({"export", "gguf", "demo", file, "--json"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const Json json = *ParseJson(result.out);
  EXPECT_EQ(*json.Find("architecture")->string(), "llama");
  EXPECT_EQ(static_cast<std::uint64_t>(*json.Find("file_bytes")->integer()),
            std::filesystem::file_size(file));
  EXPECT_EQ(ashlar({"export", "onnx", "demo", file}).exit_code, 2);
  EXPECT_EQ(ashlar({"export", "gguf", "demo", directory / "no/where.gguf"}).exit_code, 1);
}

// Small enough for a test; the strips that threads take are many all the same.
constexpr SynthShape kSmallShape = {.name = "small",
                                    .layers = 2,
                                    .width = 96,
                                    .channels = 256,
                                    .heads = 6,
                                    .kv_heads = 2,
                                    .head_dim = 16,
                                    .vocabulary = 300,
                                    .tied = true,
                                    .rope_theta = 10'000,
                                    .positions = 256};

Network MakeSmall(Library& library, std::uint64_t seed, int threads, const char* codec) {
  const SynthOptions options{
      .shape = &kSmallShape, .codec = *FindCodec(codec), .seed = seed, .threads = threads};
  const auto report = Synthesize(options, "small", library.catalog());
  EXPECT_TRUE(report.ok()) << report.error().message;
  return *library.catalog().Load("small");
}

TEST(Synth, OfTheSameSeedIsTheSameNetworkForAnyNumberOfThreads) {
  Library library;
  const Digest once = MakeSmall(library, 1, 1, "q4").digest();
  EXPECT_EQ(MakeSmall(library, 1, 3, "q4").digest(), once);
  EXPECT_NE(MakeSmall(library, 2, 1, "q4").digest(), once);
  EXPECT_NE(MakeSmall(library, 1, 1, "q8").digest(), once);
}

TEST(Synth, GivesEveryTensorOtherNumbersOfTheSpreadThatKeepsActivations) {
  Library library;
  const TempDirectory directory;
  const Network network = MakeSmall(library, 1, 2, "f32");
  const Path file = directory / "small.gguf";
  ASSERT_TRUE(ExportGguf(network, "small", library.store(), file).ok());
  const GgufReader read(file);
  EXPECT_EQ(read.Text("tokenizer.ggml.pre"), "gpt-2");
  EXPECT_EQ(read.metadata.at("tokenizer.ggml.tokens")[299], "<tok_299>");
  std::set<float> first;
  for (const auto& [name, tensor] : read.tensors) {
    const bool vector = tensor.dims.size() == 1;
    double sum = 0;
    double squares = 0;
    for (const float value : tensor.values) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const auto count = static_cast<double>(tensor.values.size());
    const double mean = sum / count;
    const double spread = std::sqrt(squares / count - mean * mean);
    const bool residual = name.ends_with("attn_output.weight") || name.ends_with("down.weight");
    const double expected = vector ? 0.05
                                   : 1 / std::sqrt(static_cast<double>(tensor.dims[0])) /
                                         (residual ? std::sqrt(4.0) : 1);
    EXPECT_NEAR(mean, vector ? 1 : 0, 5 * expected / std::sqrt(count)) << name;
    EXPECT_NEAR(spread, expected, 5 * expected / std::sqrt(count)) << name;
    first.insert(tensor.values.front());
  }
  EXPECT_EQ(first.size(), read.tensors.size());
}

TEST(Synth, MakesNetworksThatRunAndAreExportedInBoundedMemory) {
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  const CommandResult made = ashlar(
      {"synth", "--shape", "llama-1b", "--layers", "1", "--codec", "q8", "--as", "s", "--json"});
  ASSERT_EQ(made.exit_code, 0) << ::testing::PrintToString(made);
  EXPECT_GT(*ParseJson(made.out)->Find("weight_bytes")->integer(), 120'000'000);
  const CommandResult written = ashlar({"export", "gguf", "s", directory / "s.gguf"});
  ASSERT_EQ(written.exit_code, 0) << ::testing::PrintToString(written);
  constexpr std::uint64_t kLargest = 32'000 * 2048 / 32 * 34;  // the embedding
  if (!kSanitized) {
    EXPECT_LT(made.peak_bytes, 64u << 20) << "a few megabytes at a time";
    EXPECT_LT(written.peak_bytes, kLargest + (32u << 20)) << "one tensor at a time";
  }
  const CommandResult run =
      ashlar({"run", "s", "-p", "Hello", "-n", "4", "--context", "64", "--json"});
  ASSERT_EQ(run.exit_code, 0) << ::testing::PrintToString(run);
}

TEST(Synth, RefusesAShapeThatItDoesNotKnow) {
  const TempDirectory directory;
  const CommandResult result =
      Ashlar(directory / "store")({"synth", "--shape", "70b", "--as", "x"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("known: 135m, 360m, llama-1b, 3b, 8b, moe-8x1b"));
}

}  // namespace
}  // namespace ashlar
