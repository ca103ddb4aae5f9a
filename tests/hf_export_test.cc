// Networks written as Hugging Face directories: what is read again is the same network, and what no
// family has is refused with the reason.
#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/formats/checkpoint.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/formats/gguf_import.h"
#include "ashlar/formats/hugging_face_export.h"
#include "ashlar/graph/derive.h"
#include "ashlar/graph/network_files.h"
#include "ashlar/text/tokenizer.h"
#include "tests/support/command.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"
#include "tests/support/random_model.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::DemoModel;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Library;
using testing::TinySpec;

class HfExport : public ::testing::Test {
 protected:
  Network Import(const TinySpec& spec, const std::string& name = "tiny") {
    WriteModel(testing::MakeTinyModel(spec), directory_ / name);
    return library_.Import(directory_ / name, name);
  }
  Path NewPath() { return directory_ / fmt::format("out{}", ++paths_); }
  Result<HuggingFaceReport> Write(const Network& network, const Path& to,
                                  const HuggingFaceOptions& options = {}) {
    return ExportHuggingFace(network, library_.store(), to, options);
  }
  // Of a network that can be written: read again.
  Network Again(const Network& network, const HuggingFaceOptions& options = {}) {
    const Path to = NewPath();
    const auto report = Write(network, to, options);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return library_.Import(to, to.filename().string());
  }
  void ExpectRefusal(const Network& network, const std::string& message,
                     const HuggingFaceOptions& options = {}) {
    const Path to = NewPath();
    const auto report = Write(network, to, options);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(report.error().message, HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(to));
  }

  Library library_;
  TempDirectory directory_;
  int paths_ = 0;
};

// Name -> dtype, shape and bytes of each tensor of a directory.
struct HfContent {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
  friend bool operator==(const HfContent&, const HfContent&) = default;
};
std::map<std::string, HfContent> ContentOf(const Path& directory) {
  std::map<std::string, HfContent> content;
  const auto checkpoint = Checkpoint::Open(directory);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  for (const std::string& name : checkpoint->Names()) {
    const SafetensorsEntry& entry = *checkpoint->Find(name);
    content[name] = {entry.dtype, entry.shape, {entry.bytes.begin(), entry.bytes.end()}};
  }
  return content;
}

// Every family that has a fixture: the same tensors, to the name and the bit, in a directory whose
// import has the digest of the first.
TEST_F(HfExport, OfEveryFixtureIsTheFixture) {
  ASHLAR_NEED_SHARED_FILES(shared);
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(shared / "fixtures/hf")) {
    const std::string name = entry.path().filename().string();
    SCOPED_TRACE(name);
    const auto imported = ImportHuggingFace(entry.path(), name, library_.catalog());
    ASSERT_TRUE(imported.ok()) << imported.error().message;
    const Json config = *ParseJson(*ReadTextFile(entry.path() / "config.json"));
    const std::string family = *config.Find("model_type")->string();
    const Path to = directory_ / name;
    const auto report = Write(*library_.catalog().Load(name), to, {.usual = family});
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->model_type, family);
    EXPECT_THAT(report->remarks, IsEmpty());
    EXPECT_EQ(library_.Import(to, name + "-again").digest(), imported->network);
    EXPECT_EQ(ContentOf(to), ContentOf(entry.path()));
    ++count;
  }
  EXPECT_GE(count, 33);
}

TEST_F(HfExport, OfAnyFormOfAFamilyIsReadAsTheSameNetwork) {
  const auto scaled = [](Json::Object scaling) {
    return Json::Object{{"rope_scaling", Json(std::move(scaling))}};
  };
  const TinySpec cases[] = {
      {.tied = true},
      {.qkv_bias = true,
       .output_bias = true,
       .mlp_bias = true,
       .fields = {{"attention_bias", true}, {"mlp_bias", true}, {"rope_theta", 123456.789}}},
      {.model_type = "mistral",
       .class_name = "MistralForCausalLM",
       .fields = {{"sliding_window", 77}, {"eos_token_id", Json::Array{3, 5}}}},
      {.model_type = "qwen2",
       .class_name = "Qwen2ForCausalLM",
       .layers = 3,
       .qkv_bias = true,
       .fields = {{"use_sliding_window", true}, {"sliding_window", 32}, {"max_window_layers", 2}}},
      {.model_type = "qwen3", .class_name = "Qwen3ForCausalLM", .qk_norm = true},
      {.fields = scaled({{"rope_type", "linear"}, {"factor", 2.5}})},
      {.fields = scaled({{"rope_type", "dynamic"}, {"factor", 3.0}})},
      {.fields = scaled({{"rope_type", "llama3"},
                         {"factor", 8.0},
                         {"low_freq_factor", 1.5},
                         {"high_freq_factor", 4.25},
                         {"original_max_position_embeddings", 64}})},
      {.fields = scaled({{"rope_type", "yarn"}, {"factor", 4.0}, {"beta_fast", 31.0}})},
      {.head_dim = 8,
       .fields = scaled({{"rope_type", "longrope"},
                         {"original_max_position_embeddings", 64},
                         {"short_factor", Json::Array{1.0, 1.1, 1.2, 1.3}},
                         {"long_factor", Json::Array{2.0, 3.1, 4.2, 5.3}}})},
      {.model_type = "qwen2_moe",
       .class_name = "Qwen2MoeForCausalLM",
       .layers = 3,
       .qkv_bias = true,
       .experts = 4,
       .fields = {{"num_experts", 4},
                  {"num_experts_per_tok", 2},
                  {"moe_intermediate_size", 96},
                  {"shared_expert_intermediate_size", 96},
                  {"norm_topk_prob", true},
                  {"mlp_only_layers", Json::Array{0}}}},
      {.layers = 4,
       .tied = true,
       .fields = {{"model_type", "smollm3"},
                  {"architectures", Json::Array{"SmolLM3ForCausalLM"}},
                  {"no_rope_layers", Json::Array{1, 0, 1, 1}}}},
  };
  int index = 0;
  for (const TinySpec& spec : cases) {
    SCOPED_TRACE(index);
    const Network network = Import(spec, "tiny" + std::to_string(index++));
    EXPECT_EQ(Again(network).digest(), network.digest());
  }
}

// The same of random numbers, for every family that carries states.
TEST_F(HfExport, OfRecurrentFamiliesIsReadAsTheSameNetwork) {
  const auto config = [](const char* model_type, Json::Object fields) {
    Json json = Json::Of({{"model_type", model_type},
                          {"hidden_size", 64},
                          {"intermediate_size", 96},
                          {"num_hidden_layers", 5},
                          {"max_position_embeddings", 256},
                          {"vocab_size", 128}});
    for (const auto& [key, value] : fields) {
      json.Set(key, value);
    }
    return json;
  };
  const Json infinite = Json::Of({{"__float__", "Infinity"}});
  const Json cases[] = {
      config("mamba", {{"state_size", 8}, {"use_bias", true}}),
      config("mamba",
             {{"intermediate_size", 192}, {"time_step_rank", 7}, {"use_conv_bias", false}}),
      config("mamba2", {{"num_heads", 8}, {"head_dim", 16}, {"n_groups", 2}, {"state_size", 16}}),
      config("mamba2", {{"num_heads", 8},
                        {"head_dim", 16},
                        {"n_groups", 1},
                        {"state_size", 8},
                        {"time_step_limit", Json::Array{0.25, 2.0}}}),
      config("mamba2", {{"num_heads", 4},
                        {"head_dim", 16},
                        {"n_groups", 1},
                        {"time_step_limit", Json::Array{0.25, infinite}}}),
      config("rwkv", {{"attention_hidden_size", 96}, {"rescale_every", 2}}),
      config("rwkv", {{"rescale_every", 5}, {"layer_norm_epsilon", 1e-4}}),
      config("rwkv", {{"rescale_every", 0}}),
      config("qwen3_next",
             {{"num_attention_heads", 4},
              {"num_experts", 4},
              {"num_experts_per_tok", 2},
              {"moe_intermediate_size", 32},
              {"shared_expert_intermediate_size", 32},
              {"head_dim", 16},
              {"linear_num_value_heads", 4},
              {"linear_num_key_heads", 2},
              {"linear_key_head_dim", 16},
              {"linear_value_head_dim", 8},
              {"layer_types", Json::Array{"linear_attention", "full_attention", "full_attention",
                                          "linear_attention", "full_attention"}}}),
  };
  int index = 0;
  for (const Json& each : cases) {
    SCOPED_TRACE(WriteJson(each));
    const std::string name = "recurrent" + std::to_string(index++);
    testing::WriteRandomModel(each, directory_ / name);
    const Network network = library_.Import(directory_ / name, name);
    EXPECT_EQ(Again(network).digest(), network.digest());
  }
}

// The tokenizer, templates and settings of generation go out as they came in; shards are as small
// as asked for.
TEST_F(HfExport, KeepsFilesAndPartsManyBytesIntoShards) {
  const Network network = library_.Import(DemoModel(), "demo");
  const Path to = NewPath();
  const auto report = Write(network, to, {.shard_bytes = 3'000'000});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GT(report->shards, 3);
  const Json index = *ParseJson(*ReadTextFile(to / "model.safetensors.index.json"));
  EXPECT_EQ(*index.Find("metadata")->Find("total_size")->integer(),
            static_cast<std::int64_t>(report->tensor_bytes));
  for (const auto& [tensor, file] : *index.Find("weight_map")->object()) {
    EXPECT_LT(std::filesystem::file_size(to / *file.string()), 3'000'000u + (64u << 10));
  }
  EXPECT_EQ(ContentOf(to), ContentOf(DemoModel()));
  EXPECT_EQ(*ReadTextFile(to / "tokenizer.json"), *ReadTextFile(DemoModel() / "tokenizer.json"));
  EXPECT_EQ(library_.Import(to, "again").digest(), network.digest());
}

// A tokenizer.model whose normalizer other programs' stages cannot say.
TEST_F(HfExport, SaysWhatOfATokenizerAshlarAloneReads) {
  WriteModel(testing::MakeTinyModel({.vocabulary = 1024}), directory_ / "pieces");
  std::filesystem::copy(ASHLAR_SOURCE_DIR "/ashlar/text/testdata/bpe.model",
                        directory_ / "pieces/tokenizer.model");
  const Network network = library_.Import(directory_ / "pieces", "pieces");
  const auto report = Write(network, NewPath());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->remarks, ::testing::ElementsAre(HasSubstr(
                                   "normalizer of the type SentencePiece, which ashlar alone")));
}

// Tokens with scores, which a list of merges can say.
TEST_F(HfExport, OfAGgufFilesTokenizerCanBeReadByAll) {
  Json vocab = Json::Of({{"<unk>", 0}});
  for (int byte = 0; byte < 256; ++byte) {
    vocab.Set(fmt::format("<0x{:02X}>", byte), byte + 1);
  }
  std::int64_t id = 257;
  for (const char* token : {"▁", "a", "b", "ab", "▁ab", "<end>"}) {
    vocab.Set(token, id++);
  }
  Json file = *ParseJson(R"({
      "added_tokens": [{"id": 0, "content": "<unk>", "special": true, "normalized": false,
                        "lstrip": false, "rstrip": false, "single_word": false},
                       {"id": 262, "content": "<end>", "special": true, "normalized": false,
                        "lstrip": false, "rstrip": false, "single_word": false}],
      "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
      "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}})");
  file.Set("model",
           Json::Of({{"type", "BPE"},
                     {"unk_token", "<unk>"},
                     {"fuse_unk", true},
                     {"byte_fallback", true},
                     {"vocab", vocab},
                     {"merges", Json::Array{Json::Array{"a", "b"}, Json::Array{"▁", "ab"}}}}));
  WriteModel(testing::MakeTinyModel({.vocabulary = 263}), directory_ / "merged");
  testing::WriteText(directory_ / "merged/tokenizer.json", WriteJson(file));
  const Path gguf = directory_ / "merged.gguf";
  ASSERT_TRUE(
      ExportGguf(library_.Import(directory_ / "merged", "merged"), "n", library_.store(), gguf)
          .ok());
  ASSERT_TRUE(ImportGguf(gguf, "scored", library_.catalog()).ok());
  const Network network = *library_.catalog().Load("scored");
  ASSERT_THAT(*ReadNetworkFile(network, library_.store(), "tokenizer.json"),
              ::testing::Optional(HasSubstr("SentencePieceBPE")));

  const Path to = NewPath();
  const auto report = Write(network, to);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->remarks, IsEmpty());
  const std::string written = *ReadTextFile(to / "tokenizer.json");
  EXPECT_EQ(written.find("SentencePiece"), written.npos);
  EXPECT_EQ(*Tokenizer::FromJson(written)->Encode("ab bab"),
            *Tokenizer::FromJson(WriteJson(file))->Encode("ab bab"));
  EXPECT_EQ(library_.Import(to, "scored-again").digest(), network.digest());
  // Beside a tokenizer of a file that means another one, an import does not find this one again.
  Json json = *ParseJson(**ReadNetworkFile(network, library_.store(), "tokenizer.json"));
  json.Set("decoder", Json::Of({{"type", "Fuse"}}));
  const std::string other_text = CanonicalJson(json);
  ASSERT_TRUE(library_.store().Put(AsBytes(other_text)).ok());
  Network other = network;
  other.files.insert_or_assign("tokenizer.json",
                               FileReference{Sha256(other_text), other_text.size()});
  const auto of_other = Write(other, NewPath());
  ASSERT_TRUE(of_other.ok()) << of_other.error().message;
  EXPECT_THAT(of_other->remarks,
              ::testing::ElementsAre(HasSubstr("the file is another one after an import")));
  // Without the file's own tokenizer the same tokens, and another file.
  std::filesystem::remove(to / "tokenizer.gguf");
  const Network bare = library_.Import(to, "bare");
  EXPECT_EQ(*ReadNetworkFile(bare, library_.store(), "tokenizer.json"), written);
}

TEST_F(HfExport, OfDerivedNetworksIsWhatTheyCompute) {
  Import({.layers = 4, .width = 128, .channels = 192, .head_dim = 32, .tied = true});
  for (const char* transform : {"drop", "repeat"}) {
    const Network network = library_.Derive("tiny", transform, transform, {{"layers", "1"}});
    EXPECT_EQ(Again(network).digest(), network.digest()) << transform;
  }
  // A slice is written without what it leaves out: other blocks, the same logits.
  const Network sliced = library_.Derive("tiny", "sliced", "slice", {{"channels", "96"}});
  const auto report = Write(sliced, directory_ / "sliced-out");
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->remarks, ::testing::ElementsAre(HasSubstr("4 nodes use a part")));
  const Network again = library_.Import(directory_ / "sliced-out", "sliced-again");
  EXPECT_NE(again.digest(), sliced.digest());
  Engine engine(library_.store(), {});
  const std::vector<std::int32_t> ids = {1, 5, 9, 100, 2, 7};
  std::vector<std::vector<float>> logits;
  for (const Network& each : {sliced, again}) {
    logits.push_back(testing::LogitsOf(engine, *engine.Load(each), ids));
  }
  EXPECT_EQ(logits[0], logits[1]);
}

TEST_F(HfExport, WritesOtherCodecsInTheTypeThatIsAskedFor) {
  Import({.width = 128, .channels = 192, .head_dim = 32});
  const Network network = library_.Derive("tiny", "q8", "encode", {{"codec", "q8"}});
  ExpectRefusal(network,
                "\"weight\" is in codec q8.1, which tensor model.embed_tokens.weight of a "
                "Hugging Face directory cannot hold; say in which type");
  const Network wide = library_.Derive("q8", "wide", "encode", {{"codec", "f32"}});
  EXPECT_EQ(Again(network, {.dtype = DType::kF32}).digest(), wide.digest());
}

TEST_F(HfExport, IsOfTheFamilyThatIsAskedForOrSaysWhyNot) {
  const Network network = Import({});
  const auto report = Write(network, directory_ / "m", {.family = "mistral"});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->model_type, "mistral");
  EXPECT_EQ(library_.Import(directory_ / "m", "m").digest(), network.digest());
  ExpectRefusal(network,
                "none of the family qwen3: layers.0.attention has qk_norm = none; qwen3 has "
                "rms_per_head",
                {.family = "qwen3"});
  ExpectRefusal(network, "model_type \"qwen9\" is not one that can be imported",
                {.family = "qwen9"});
}

TEST_F(HfExport, RefusesWhatNoFamilyHas) {
  const Network network = Import({.layers = 3});
  Network changed = network;
  changed.nodes[3].carry = {{2, 0.5}};
  ExpectRefusal(changed, "layers.1.attention: a file holds plain chains");
  changed = network;
  changed.nodes[3].state_of = 1;
  ExpectRefusal(changed, "layers.1.attention: it reads the state of layers.0.attention");
  ExpectRefusal(library_.Derive("tiny", "thin", "slice", {{"channels", "32"}, {"layers", "1"}}),
                "no family that ashlar knows has such a network; the nearest: layers.1.mlp has "
                "channels = 32");
  // What stands at the path is kept.
  const Path taken = directory_ / "taken";
  std::filesystem::create_directory(taken);
  testing::WriteText(taken / "file", "mine");
  const auto report = Write(network, taken);
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message, HasSubstr("expected no directory yet, or an empty one"));
  EXPECT_EQ(*ReadTextFile(taken / "file"), "mine");
}

TEST(HfExportCommand, TakesTheOptionsOfItsFormatOnly) {
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", DemoModel().string(), "--as", "demo"}).exit_code, 0);
  const auto result =
      ashlar({"export", "hf", "demo", directory / "out", "--dtype", "f32", "--json"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const Json json = *ParseJson(result.out);
  EXPECT_EQ(*json.Find("model_type")->string(), "llama");
  EXPECT_EQ(json.Find("remarks")->array()->size(), 1u);
  EXPECT_EQ(ashlar({"export", "hf", "demo", directory / "out"}).exit_code, 2) << "it is there";
  EXPECT_EQ(ashlar({"export", "hf", "demo", directory / "b", "--dtype", "q4"}).exit_code, 2);
  EXPECT_EQ(ashlar({"export", "gguf", "demo", directory / "c", "--dtype", "f32"}).exit_code, 2);
}

}  // namespace
}  // namespace ashlar
