// What goes out as a GGUF file and comes in again: the same network, whatever its architecture; and
// a file that came in goes out as it was.
#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/join.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/formats/gguf_import.h"
#include "ashlar/formats/gguf_write.h"
#include "ashlar/formats/testing_gguf.h"
#include "tests/support/gguf_reader.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"
#include "tests/support/random_model.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using ::testing::AllOf;
using testing::GgufReader;
using ::testing::HasSubstr;
using testing::Library;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TinySpec;

class GgufRoundTrip : public ::testing::Test {
 protected:
  Path file() const { return directory_ / "file.gguf"; }
  GgufReport Write(const Network& network, const GgufOptions& options = {}) {
    const auto report = ExportGguf(network, "name", library_.store(), file(), options);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report.ok() ? *report : GgufReport();
  }
  Network Read(const std::string& name) {
    const auto report = ImportGguf(file(), name, library_.catalog());
    EXPECT_TRUE(report.ok()) << report.error().message;
    return *library_.catalog().Load(name);
  }
  std::vector<float> Logits(const Network& network) {
    Engine engine(library_.store(), {.max_positions = 64});
    return testing::LogitsOf(engine, *engine.Load(network), {1, 5, 9, 100, 2, 7, 7, 120, 33});
  }

  Library library_;
  TempDirectory directory_;
};

// What is read again: the same blocks; or other ones with the same numbers (of heads or experts
// that lie in one blob of a checkpoint and in a blob each of a file, or without windows that no
// text fills); or other numbers that compute the same but for rounding (norms have 1 added in the
// file, and logarithms of rates of decay are rates there).
enum class Same : std::uint8_t { kBlocks, kNumbers, kNearly };

void ExpectSame(const Network& network, const Network& again, const std::vector<float>& logits,
                const std::vector<float>& logits_again, Same same) {
  Network bare = network;
  bare.files.clear();  // of generation's settings the file knows the tokens alone
  if (same == Same::kBlocks) {
    EXPECT_EQ(bare.digest(), again.digest());
  }
  EXPECT_LE(testing::LargestDifference(logits, logits_again), same == Same::kNearly ? 1e-5 : 0);
}

TEST_F(GgufRoundTrip, OfEveryArchitectureIsTheSameNetwork) {
  ASHLAR_NEED_SHARED_FILES(shared);
  const std::map<std::string, std::string> architectures = {
      {"llama", "llama"},
      {"llama_rope3", "llama"},
      {"mixtral", "llama"},
      {"qwen2", "qwen2"},
      {"qwen3", "qwen3"},
      {"qwen2_moe", "qwen2moe"},
      {"qwen3_moe", "qwen3moe"},
      {"gemma2", "gemma2"},
      {"gemma3", "gemma3"},
      {"phi3", "phi3"},
      {"olmo2", "olmo2"},
      {"gpt2", "gpt2"},
      {"starcoder2", "starcoder2"},
      {"falcon", "falcon"},
      {"olmoe", "olmoe"},
      {"granite", "granite"},
      {"cohere", "command-r"},
      {"phi", "phi2"},
      {"gpt_neox", "gptneox"},
      {"stablelm", "stablelm"},
      {"glm4", "glm4"},
      {"ernie4_5", "ernie4_5"},
      {"seed_oss", "seed_oss"},
      {"smollm3", "smollm3"},
      {"gpt_oss", "gpt-oss"},
      {"deepseek_v3", "deepseek2"},
      {"hunyuan_dense", "hunyuan-dense"},
      {"exaone4", "exaone4"},
      {"mamba", "mamba"},
      {"mamba2", "mamba2"},
      {"qwen3_next", "qwen3next"},
  };
  for (const auto& [fixture, architecture] : architectures) {
    SCOPED_TRACE(fixture);
    const Network network = library_.Import(shared / "fixtures/hf" / fixture, fixture);
    // Those that are also another architecture's network, or that llama.cpp would not load, go to
    // their own when it is asked for.
    const std::set<std::string> asked_for = {"phi3", "seed_oss", "smollm3", "olmoe", "mamba"};
    const std::map<std::string, Same> others = {
        {"deepseek2", Same::kNumbers}, {"gpt-oss", Same::kNumbers}, {"exaone4", Same::kNumbers},
        {"gemma2", Same::kNearly},     {"gemma3", Same::kNearly},   {"mamba", Same::kNearly},
        {"mamba2", Same::kNearly},     {"qwen3next", Same::kNearly}};
    const std::string family = asked_for.contains(fixture) ? fixture : "";
    EXPECT_EQ(Write(network, {.usual = family}).architecture, architecture);
    const Network again = Read(fixture + "-again");
    const auto other = others.find(architecture);
    ExpectSame(network, again, Logits(network), Logits(again),
               other == others.end() ? Same::kBlocks : other->second);
  }
}

TEST_F(GgufRoundTrip, OfOtherFormsIsTheSameNetwork) {
  const TinySpec cases[] = {
      {.tied = true, .fields = {{"bos_token_id", 1}, {"eos_token_id", Json::Array{2, 3, 4}}}},
      // As wide heads as qwen2 has, and wider ones.
      {.model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .qkv_bias = true},
      {.model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .head_dim = 32, .qkv_bias = true},
      {.model_type = "mistral",
       .class_name = "MistralForCausalLM",
       .qk_norm = false,
       .fields = {{"sliding_window", nullptr}}},
      {.head_dim = 32,
       .fields = {{"rope_scaling", Json::Of({{"rope_type", "llama3"},
                                             {"factor", 8.0},
                                             {"low_freq_factor", 1.0},
                                             {"high_freq_factor", 4.0},
                                             {"original_max_position_embeddings", 128}})}}},
      {.fields = {{"rope_scaling", Json::Of({{"rope_type", "yarn"},
                                             {"factor", 4.0},
                                             {"original_max_position_embeddings", 64}})}}},
      {.head_dim = 16,
       .fields = {{"rope_scaling",
                   Json::Of({{"rope_type", "longrope"},
                             {"original_max_position_embeddings", 64},
                             {"attention_factor", 1.25},
                             {"short_factor", Json::Array{1.0, 1.1, 1.2, 1.3, 1, 1, 1, 1}},
                             {"long_factor", Json::Array{2.0, 3.1, 4.2, 5.3, 6, 7, 8, 9}}})}}},
  };
  int index = 0;
  for (const TinySpec& spec : cases) {
    SCOPED_TRACE(index);
    const std::string name = "tiny" + std::to_string(index++);
    WriteModel(testing::MakeTinyModel(spec), directory_ / name);
    const Network network = library_.Import(directory_ / name, name);
    Write(network);
    const Network again = Read(name + "-again");
    ExpectSame(network, again, Logits(network), Logits(again), Same::kBlocks);
  }
}

Json MixedConfig(const char* model_type, Json::Object fields) {
  Json config = Json::Of({{"model_type", model_type},
                          {"hidden_size", 64},
                          {"intermediate_size", 96},
                          {"num_hidden_layers", 5},
                          {"num_attention_heads", 4},
                          {"num_key_value_heads", 2},
                          {"head_dim", 16},
                          {"max_position_embeddings", 256},
                          {"rms_norm_eps", 1e-5},
                          {"vocab_size", 128}});
  for (const auto& [key, value] : fields) {
    config.Set(key, value);
  }
  return config;
}

// Of a family with layer norms.
Json LayerNormConfig(const char* model_type, Json::Object fields) {
  fields.insert(fields.end(), {{"rms_norm_eps", nullptr}, {"head_dim", nullptr}});
  return MixedConfig(model_type, std::move(fields));
}

// Of yarn GGUF has the length of turned vectors, as so many times the usual one; and no ends of its
// ramp that llama.cpp would read.
TEST_F(GgufRoundTrip, OfYarnKeepsTheLengthAndRefusesOtherEnds) {
  const auto stretched = [&](const char* name, Json::Object fields) {
    fields.insert(
        fields.end(),
        {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}});
    const TinySpec spec{.fields = {{"rope_scaling", Json(std::move(fields))}}};
    WriteModel(testing::MakeTinyModel(spec), directory_ / name);
    return library_.Import(directory_ / name, name);
  };
  for (const double length : {1.2, 1.0, 0.75, 1.3333, 0.1 * std::log(4.0) + 1}) {
    SCOPED_TRACE(length);
    const std::string name = fmt::format("long{}", length);
    const Network network = stretched(name.c_str(), {{"attention_factor", length}});
    Write(network);
    const Network again = Read(name + "-again");
    ExpectSame(network, again, Logits(network), Logits(again), Same::kBlocks);
  }
  // The usual length as an f32 has it.
  const Network usual = stretched("usual", {{"attention_factor", 1.1386294}});
  Write(usual);
  const Network usual_again = Read("usual-again");
  ExpectSame(usual, usual_again, Logits(usual), Logits(usual_again), Same::kNearly);
  // Lengths that no f32 is: quotients of two others, as near as a file's number is to one.
  for (const double part : {0.1, 0.3, 0.5, 0.707, 0.8, 0.9}) {
    SCOPED_TRACE(part);
    const std::string name = fmt::format("part{}", part);
    const Network network = stretched(name.c_str(), {{"mscale", 1.0}, {"mscale_all_dim", part}});
    Write(network);
    const Network again = Read(name + "-again");
    ExpectSame(network, again, Logits(network), Logits(again), Same::kNearly);
  }
  for (const auto& [name, ends] : {std::pair{"fast", "rope_beta_fast = 24; llama has 32"},
                                   {"slow", "rope_beta_slow = 2; llama has 1"}}) {
    const bool fast = std::string_view(name) == "fast";
    const Network network =
        stretched(name, {{fast ? "beta_fast" : "beta_slow", fast ? 24.0 : 2.0}});
    const auto report =
        ExportGguf(network, "tiny", library_.store(), directory_ / "refused.gguf", {});
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(report.error().message, HasSubstr(ends));
  }
}

// Layers of several kinds, and what no other architecture has.
TEST_F(GgufRoundTrip, OfLayersThatDifferIsTheSameNetwork) {
  const Json::Object latent = {
      {"first_k_dense_replace", 1},  {"kv_lora_rank", 24},           {"q_lora_rank", nullptr},
      {"qk_nope_head_dim", 16},      {"qk_rope_head_dim", 8},        {"v_head_dim", 16},
      {"moe_intermediate_size", 32}, {"n_routed_experts", 8},        {"num_experts_per_tok", 2},
      {"n_shared_experts", 1},       {"routed_scaling_factor", 1.5}, {"num_key_value_heads", 4}};
  Json::Object groups = latent;
  groups.insert(groups.end(),
                {{"n_group", 4},
                 {"topk_group", 2},
                 {"topk_method", "group_limited_greedy"},
                 {"rope_scaling", Json::Of({{"type", "yarn"},
                                            {"factor", 40},
                                            {"mscale", 0.707},
                                            {"mscale_all_dim", 0.707},
                                            {"original_max_position_embeddings", 64}})}});
  struct Case {
    Json config;
    const char* architecture;
    Same same;
    const char* usual = "";
  };
  const Case cases[] = {
      {MixedConfig("exaone4", {{"sliding_window", 4}, {"sliding_window_pattern", 2}}), "exaone4",
       Same::kBlocks, "exaone4"},
      {MixedConfig("qwen3_next", {{"num_experts", 4},
                                  {"num_experts_per_tok", 2},
                                  {"moe_intermediate_size", 32},
                                  {"shared_expert_intermediate_size", 32},
                                  {"linear_num_value_heads", 4},
                                  {"linear_num_key_heads", 2},
                                  {"linear_key_head_dim", 16},
                                  {"linear_value_head_dim", 16},
                                  {"full_attention_interval", 2}}),
       "qwen3next", Same::kNearly},
      {Json::Of({{"model_type", "mamba"},
                 {"hidden_size", 64},
                 {"num_hidden_layers", 3},
                 {"vocab_size", 128},
                 {"tie_word_embeddings", false}}),
       "mamba", Same::kNearly},
      {Json::Of({{"model_type", "mamba2"},
                 {"hidden_size", 64},
                 {"num_hidden_layers", 3},
                 {"num_heads", 12},
                 {"head_dim", 16},
                 {"n_groups", 3},
                 {"state_size", 16},
                 {"vocab_size", 128},
                 {"tie_word_embeddings", false}}),
       "mamba2", Same::kNearly},
      {LayerNormConfig("stablelm", {{"use_parallel_residual", true}}), "stablelm", Same::kBlocks},
      {LayerNormConfig("stablelm", {{"qk_layernorm", true}}), "stablelm", Same::kBlocks},
      {LayerNormConfig("stablelm", {{"qk_layernorm", true}, {"use_parallel_residual", true}}),
       "stablelm", Same::kBlocks},
      {LayerNormConfig("cohere", {{"use_qk_norm", true}}), "command-r", Same::kBlocks, "cohere"},
      {LayerNormConfig("starcoder2", {{"use_bias", false}}), "starcoder2", Same::kBlocks,
       "starcoder2"},
      {MixedConfig("gemma3_text", {{"sliding_window", 4},
                                   {"rope_local_base_freq", 5000.0},
                                   {"query_pre_attn_scalar", 16},
                                   {"num_hidden_layers", 6}}),
       "gemma3", Same::kNearly},
      {MixedConfig("deepseek_v2", latent), "deepseek2", Same::kNumbers, "deepseek_v2"},
      {MixedConfig("deepseek_v2", groups), "deepseek2", Same::kNumbers, "deepseek_v2"},
  };
  int index = 0;
  for (const Case& each : cases) {
    SCOPED_TRACE(index);
    const std::string name = "mixed" + std::to_string(index++);
    testing::WriteRandomModel(each.config, directory_ / name);
    const Network network = library_.Import(directory_ / name, name);
    EXPECT_EQ(Write(network, {.usual = each.usual}).architecture, each.architecture);
    const Network again = Read(name + "-again");
    ExpectSame(network, again, Logits(network), Logits(again), each.same);
  }
}

TEST_F(GgufRoundTrip, OfQueriesThatLlamaCppWouldNotLoadIsForAshlarAlone) {
  int made = 0;
  const auto refusal = [&](std::int64_t layers, const Json& query_latent, const char* usual) {
    const std::string name = "net" + std::to_string(made++);
    const Json config = MixedConfig("deepseek_v2", {{"num_hidden_layers", layers},
                                                    {"num_key_value_heads", 4},
                                                    {"first_k_dense_replace", layers - 1},
                                                    {"n_routed_experts", 4},
                                                    {"n_shared_experts", 1},
                                                    {"moe_intermediate_size", 32},
                                                    {"num_experts_per_tok", 2},
                                                    {"kv_lora_rank", 24},
                                                    {"q_lora_rank", query_latent},
                                                    {"qk_nope_head_dim", 16},
                                                    {"qk_rope_head_dim", 8},
                                                    {"v_head_dim", 16}});
    testing::WriteRandomModel(config, directory_ / name);
    const Network network = library_.Import(directory_ / name, name);
    const auto report = ExportGguf(network, "name", library_.store(), file(), {.usual = usual});
    return report.ok() ? fmt::format("remark: {}", Join(report->remarks, "; "))
                       : report.error().message;
  };
  const auto written = AllOf(StartsWith("remark: "), Not(HasSubstr("would not load")));
  EXPECT_THAT(refusal(26, nullptr, ""), written);
  EXPECT_THAT(refusal(3, 24, ""), written);
  EXPECT_THAT(refusal(3, nullptr, ""), HasSubstr("would not load a file of 3 layers without one"));
  EXPECT_THAT(refusal(27, 24, ""), HasSubstr("would not load a file of 27 layers with one"));
  EXPECT_THAT(refusal(3, nullptr, "deepseek_v2"),
              HasSubstr("remark: llama.cpp's deepseek2 has queries without a latent"));
}

TEST_F(GgufRoundTrip, OfAFormThatLlamaCppWouldNotLoadIsForAshlarAloneAndSaysSo) {
  struct Case {
    Json config;
    const char* family;
    const char* why;
  };
  const Case cases[] = {
      {LayerNormConfig("cohere", {{"use_qk_norm", true}}), "cohere",
       "has norms of queries and keys in networks of 64 layers or more, and would not load a file "
       "of 5"},
      {LayerNormConfig("starcoder2", {{"use_bias", false}}), "starcoder2",
       "has biases, and would not load a file without"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.family);
    testing::WriteRandomModel(each.config, directory_ / each.family);
    const Network network = library_.Import(directory_ / each.family, each.family);
    EXPECT_THAT(ExportGguf(network, "name", library_.store(), file()).error().message,
                HasSubstr(each.why));
    EXPECT_THAT(Join(Write(network, {.usual = each.family}).remarks, "; "), HasSubstr(each.why));
  }
}

TEST_F(GgufRoundTrip, OfNormsThatLlamaCppHasNotIsRefused) {
  const Json config = LayerNormConfig("phi", {{"qk_layernorm", true}, {"num_key_value_heads", 4}});
  testing::WriteRandomModel(config, directory_ / "phi");
  const Network network = library_.Import(directory_ / "phi", "phi");
  const auto report = ExportGguf(network, "phi", library_.store(), file(), {.usual = "phi"});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(report.error().message,
              HasSubstr("layers.0.attention: GGUF has no name for its tensor \"q_norm.bias\""));
}

// llama.cpp computes side by side where there is one norm, and has a norm for each head.
TEST_F(GgufRoundTrip, OfNormsHasThemAsLlamaCppReadsThem) {
  const Json config =
      LayerNormConfig("stablelm", {{"use_parallel_residual", true}, {"qk_layernorm", true}});
  testing::WriteRandomModel(config, directory_ / "m");
  Write(library_.Import(directory_ / "m", "m"));
  const GgufFile written = *GgufFile::Open(file());
  EXPECT_EQ(written.Find("blk.0.ffn_norm.weight"), nullptr);
  EXPECT_EQ(written.Find("blk.0.attn_q_norm.weight")->shape, (std::vector<std::int64_t>{4, 16}));
  EXPECT_EQ(written.Find("blk.0.attn_k_norm.weight")->shape, (std::vector<std::int64_t>{2, 16}));
}

// ---- Types

TEST_F(GgufRoundTrip, WritesMatricesInTheTypeThatIsAskedForAndTheRestWide) {
  WriteModel(testing::MakeTinyModel({.width = 256, .channels = 288, .head_dim = 64}),
             directory_ / "m");
  const Network network = library_.Import(directory_ / "m", "m");
  Write(network);
  const GgufReader exact(file());
  struct Case {
    const char* type;
    const char* head;
    const char* down;  // 288 columns: no whole blocks of 256
    double error;      // root of the mean squared one, over the root of the mean square
  };
  for (const Case& each : {Case{"F32", "F32", "F32", 0},
                           {"F16", "F16", "F16", 3e-4},
                           {"BF16", "BF16", "BF16", 2.5e-3},
                           {"Q8_0", "Q8_0", "Q8_0", 0.006},
                           {"Q4_0", "Q6_K", "Q4_0", 0.088},
                           {"Q4_1", "Q6_K", "Q4_1", 0.075},
                           {"Q4_K", "Q6_K", "Q8_0", 0.075},
                           {"Q6_K", "Q6_K", "Q8_0", 0.019}}) {
    SCOPED_TRACE(each.type);
    const GgufReport report = Write(network, {.type = *FindGgufExportType(each.type)});
    const auto opened = GgufFile::Open(file());
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    for (const GgufEntry& entry : opened->entries()) {
      const bool vector = entry.shape.size() == 1;
      const char* const expected = vector                                    ? "F32"
                                   : entry.name == "output.weight"           ? each.head
                                   : entry.name.ends_with("ffn_down.weight") ? each.down
                                                                             : each.type;
      EXPECT_EQ(entry.type->name, expected) << entry.name;
      const std::vector<float>& wanted = exact.tensors.at(entry.name).values;
      std::vector<float> row(static_cast<std::size_t>(entry.shape.back()));
      std::vector<std::byte> packed(entry.type->codec->band_bytes(entry.shape.back()));
      double error = 0;
      double power = 0;
      for (std::size_t r = 0; r * row.size() < wanted.size(); ++r) {
        const std::uint64_t bytes = entry.type->row_bytes(entry.shape.back());
        entry.type->read_rows(entry.bytes.data() + r * bytes, 1, entry.shape.back(), packed.data());
        entry.type->codec->decode(packed.data(), entry.shape.back(), 0, 1, row.data());
        for (std::size_t i = 0; i < row.size(); ++i) {
          const auto value = static_cast<double>(wanted[r * row.size() + i]);
          error += std::pow(static_cast<double>(row[i]) - value, 2);
          power += value * value;
        }
      }
      EXPECT_LE(std::sqrt(error / power), vector ? 0 : each.error) << entry.name;
    }
    EXPECT_EQ(std::ranges::any_of(report.remarks,
                                  [](const std::string& remark) {
                                    return remark.find("matrices are") != remark.npos;
                                  }),
              each.type[0] == 'Q' && each.type != std::string("Q8_0"));
    EXPECT_EQ(Logits(Read(each.type)).size(), 9u * 128);
  }
  EXPECT_THAT(FindGgufExportType("Q9_X").error().message,
              HasSubstr("unknown type \"Q9_X\"; known: F32, F16, BF16, Q4_0, Q8_0, Q4_1, Q4_K, "
                        "Q6_K"));
}

// ---- Files that came in

GgufSerialized Value(const GgufLies::Pair& pair) {
  const std::string bytes = GgufLies::Bytes(pair.type) + pair.value;
  const auto view = std::as_bytes(std::span(bytes));
  return {{view.begin(), view.end()}};
}

// Every pair of the tokenizer's, of a kind that tokenizer.json holds in another form (scores), of
// one that it has no room for, and of one that this version does not read.
TEST_F(GgufRoundTrip, OfAFileHasEveryPairOfItsTokenizerAndEveryTensor) {
  WriteModel(testing::MakeTinyModel({.fields = {{"bos_token_id", 1}, {"eos_token_id", 2}}}),
             directory_ / "m");
  Write(library_.Import(directory_ / "m", "m"));
  const GgufFile plain = *GgufFile::Open(file());
  for (const char* model : {"llama", "unheard-of"}) {
    SCOPED_TRACE(model);
    GgufContent content;
    for (const std::string_view key : plain.fields().keys()) {
      if (key != "tokenizer.ggml.model") {
        content.metadata.emplace_back(key, plain.fields().Serialized(key));
      }
    }
    std::vector<std::string> tokens = {"<unk>", "<s>", "</s>", "\u2581"};
    std::string scores;
    std::string types;
    for (int id = 0; id < 128; ++id) {
      if (id >= 4) {
        tokens.push_back(id < 30 ? std::string(1, static_cast<char>('a' + id - 4))
                                 : "\u2581" + std::string(1, static_cast<char>('a' + id % 26)) +
                                       std::to_string(id));
      }
      scores += GgufLies::Bytes(-0.25f * static_cast<float>(id));
      types += GgufLies::Bytes(id == 0 ? 2 : id < 3 ? 3 : 1);
    }
    const GgufLies::Pair pairs[] = {
        GgufLies::Of("tokenizer.ggml.model", model),
        GgufLies::Texts("tokenizer.ggml.tokens", tokens),
        GgufLies::Array("tokenizer.ggml.scores", 6, 128, scores),
        GgufLies::Array("tokenizer.ggml.token_type", 5, 128, types),
        GgufLies::U32("tokenizer.ggml.unknown_token_id", 0),
        GgufLies::U32("tokenizer.ggml.padding_token_id", 2),
        {"tokenizer.ggml.add_bos_token", 7, std::string(1, '\1')},
        GgufLies::Of("tokenizer.chat_template", "plain"),
        GgufLies::Of("tokenizer.chat_template.tool_use", "with tools"),
        GgufLies::Of("tokenizer.chat_template.rag", "with texts"),
        GgufLies::Texts("tokenizer.chat_templates", {"tool_use", "rag"}),
    };
    for (const GgufLies::Pair& pair : pairs) {
      content.metadata.emplace_back(pair.key, Value(pair));
    }
    for (const GgufEntry& entry : plain.entries()) {
      content.tensors.push_back({entry.name, entry.shape, entry.type,
                                 [&](const GgufSink& sink) { return sink(entry.bytes); }});
    }
    const Path original = directory_ / (std::string(model) + ".gguf");
    ASSERT_TRUE(WriteGguf(original, content).ok());
    const auto imported = ImportGguf(original, model, library_.catalog());
    ASSERT_TRUE(imported.ok()) << imported.error().message;

    Write(*library_.catalog().Load(model));
    const GgufFile before = *GgufFile::Open(original);
    const GgufFile after = *GgufFile::Open(file());
    EXPECT_EQ(after.fields().keys(), before.fields().keys());
    for (const std::string_view key : before.fields().keys()) {
      EXPECT_EQ(after.fields().Serialized(key), before.fields().Serialized(key)) << key;
    }
    ASSERT_EQ(after.entries().size(), before.entries().size());
    for (const GgufEntry& entry : before.entries()) {
      EXPECT_TRUE(std::ranges::equal(after.Find(entry.name)->bytes, entry.bytes)) << entry.name;
    }
    EXPECT_EQ(Read(std::string(model) + "-again").digest(), imported->network);
  }
}

}  // namespace
}  // namespace ashlar
