// Files that ashlar exports, run by llama.cpp itself: the npm package node-llama-cpp, installed
// outside of the sources, in build/peers/llama. Without npm or a network these tests skip.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/formats/safetensors.h"
#include "ashlar/text/sentence_piece_model.h"
#include "ashlar/text/tokenizer.h"
#include "tests/support/command.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"
#include "tests/support/random_model.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::Command;
using testing::CommandResult;

std::optional<Path> InstallPeer() {
  const CommandResult result =
      Command({ASHLAR_SOURCE_DIR "/tests/peers/install.sh", "llama"}).Wait();
  if (result.exit_code != 0) {
    return std::nullopt;
  }
  return Path(result.out.substr(0, result.out.find('\n')));
}

#define ASHLAR_NEED_LLAMA_PEER(peer)                                            \
  const std::optional<Path> peer##_found = InstallPeer();                       \
  if (!peer##_found) {                                                          \
    GTEST_SKIP() << "node-llama-cpp is not installed: no node, npm or network"; \
  }                                                                             \
  const Path& peer = *peer##_found

Json Parse(const CommandResult& result) {
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const auto json = ParseJson(result.out);
  EXPECT_TRUE(json.ok()) << result.out;
  return json.ok() ? *json : Json();
}

// What llama.cpp says to each of the requests: see generate.mjs. One process answers all of them:
// to start it takes longer than most answers.
Json::Array AskPeer(const Path& peer, const Json::Array& requests, const Path& scratch) {
  testing::WriteText(scratch, WriteJson(Json(requests)));
  const Json answers = Parse(
      Command({"/usr/bin/env", "node", (peer / "generate.mjs").string(), scratch.string()}).Wait());
  // (Of a process that failed, which Parse says, nothing.)
  return answers.array() != nullptr && answers.array()->size() == requests.size() ? *answers.array()
                                                                                  : Json::Array{};
}

void MustRun(const Ashlar& ashlar, const std::vector<std::string>& words) {
  const CommandResult result = ashlar(words);
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
}

constexpr std::int64_t kReferenceTokens = 48;  // that reference.json has

// Greedy tokens of the reference implementation in Python, in f32, and its tokenizer's ids.
TEST(ExportPeer, LlamaCppSaysWhatTheReferenceSays) {
  ASHLAR_NEED_SHARED_FILES(shared);
  ASHLAR_NEED_LLAMA_PEER(peer);
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  MustRun(ashlar, {"import", "hf", (shared / "models/lab").string(), "--as", "lab"});
  MustRun(ashlar, {"encode", "lab", "--as", "lab-f32", "--codec", "f32"});
  MustRun(ashlar, {"export", "gguf", "lab-f32", directory / "lab.gguf"});

  const Json reference = *ParseJson(*ReadTextFile(shared / "fixtures/reference/reference.json"));
  const Json cases = *ParseJson(*ReadTextFile(shared / "fixtures/reference/tokenizer_cases.json"));
  Json texts = Json::Array();
  for (const Json& entry : *cases.array()) {
    texts.Append(*entry.Find("text"));
  }
  const Json::Object& greedy = *reference.Find("lab")->Find("greedy")->object();
  Json prompts = Json::Array();
  for (const auto& [domain, entry] : greedy) {
    prompts.Append(*entry.Find("prompt_ids"));
  }
  const Json::Array answers = AskPeer(peer,
                                      {Json::Of({{"file", (directory / "lab.gguf").string()},
                                                 {"texts", texts},
                                                 {"prompts", prompts},
                                                 {"count", kReferenceTokens}})},
                                      directory / "request");
  ASSERT_EQ(answers.size(), 1u);
  const Json& answer = answers.front();
  const Json::Array& ids = *answer.Find("ids")->array();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Json& entry = cases.array()->at(i);
    EXPECT_EQ(ids[i], *entry.Find("ids")) << WriteJson(*entry.Find("text"));
  }
  const Json::Array& tokens = *answer.Find("tokens")->array();
  ASSERT_EQ(tokens.size(), greedy.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i], *greedy[i].second.Find("new_ids")) << greedy[i].first;
  }
}

// The log-probability of each id after the first, as ashlar computes it.
std::vector<double> OwnLogprobs(const Ashlar& ashlar, const std::string& name,
                                const std::vector<std::int32_t>& ids,
                                const TempDirectory& directory) {
  const SafetensorsTensor in[] = {{.name = "input_ids",
                                   .dtype = "I32",
                                   .shape = {1, std::ssize(ids)},
                                   .bytes = std::as_bytes(std::span(ids))}};
  EXPECT_TRUE(WriteSafetensors(directory / "ids", in).ok());
  MustRun(ashlar, {"eval", "logits", name, "--ids", directory / "ids", "--out", directory / "out"});
  const auto out = SafetensorsFile::Open(directory / "out");
  if (!out.ok()) {
    ADD_FAILURE() << out.error().message;
    return {};
  }
  const SafetensorsEntry& logits = *out->Find("logits");
  const auto vocabulary = static_cast<std::size_t>(logits.shape.back());
  std::vector<float> row(vocabulary);
  std::vector<double> logprobs;
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    std::memcpy(row.data(), logits.bytes.data() + i * vocabulary * sizeof(float),
                vocabulary * sizeof(float));
    const double largest = *std::ranges::max_element(row);
    double sum = 0;
    for (const float logit : row) {
      sum += std::exp(static_cast<double>(logit) - largest);
    }
    logprobs.push_back(static_cast<double>(row[static_cast<std::size_t>(ids[i + 1])]) - largest -
                       std::log(sum));
  }
  return logprobs;
}

// Each codec of the demo: the two engines give every token of a text the same log-probability. What
// is left between them is how they round activations: not at all beside f32 and f16, to bf16 or to
// 8 bits in llama.cpp, each engine in its own groups. Measured: 1e-6, 6e-3 and 3e-2 a token; a file
// whose numbers mean something else (a scale's sign, the order of nibbles, what is subtracted from
// them) is off by 1 or more.
TEST(ExportPeer, LlamaCppSaysWhatAshlarSaysInEveryCodec) {
  ASHLAR_NEED_LLAMA_PEER(peer);
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  MustRun(ashlar, {"import", "hf", testing::DemoModel().string(), "--as", "demo"});
  MustRun(ashlar, {"encode", "demo", "--as", "wide", "--codec", "f32"});
  const std::string text = ReadTextFile(ASHLAR_SOURCE_DIR "/LICENSE")->substr(0, 600);
  struct Case {
    const char* codec;
    double tolerance;  // of the mean over the tokens
  };
  // (f16: by its kernels for AVX2 llama.cpp rounds what is multiplied to f16 too, which moved the mean
  // by 0.0007; by those for AVX-512, by less than 0.0001.)
  const std::vector<Case> cases = {{"f32", 1e-4}, {"f16", 3e-3},  {"bf16", 0.02}, {"q8", 0.08},
                                   {"q4", 0.08},  {"q4_1", 0.08}, {"q4_k", 0.08}, {"q6_k", 0.08}};
  Json::Array requests;
  for (const Case& each : cases) {
    const Path file = directory / fmt::format("demo-{}.gguf", each.codec);
    // All but one matrix: with the sign of every scale turned round a file is the same function.
    MustRun(ashlar, {"encode", "wide", "--as", each.codec, "--codec", each.codec, "--except",
                     "layers.0.mlp.up"});
    MustRun(ashlar, {"export", "gguf", each.codec, file});
    requests.push_back(Json::Of({{"file", file.string()}, {"scored", text}}));
  }
  const Json::Array answers = AskPeer(peer, requests, directory / "request");
  ASSERT_EQ(answers.size(), cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& each = cases[i];
    SCOPED_TRACE(each.codec);
    std::vector<std::int32_t> ids;
    for (const Json& id : *answers[i].Find("logprobs")->Find("ids")->array()) {
      ids.push_back(static_cast<std::int32_t>(*id.integer()));
    }
    ASSERT_GT(ids.size(), 100u);
    const std::vector<double> own = OwnLogprobs(ashlar, each.codec, ids, directory);
    const Json::Array& theirs = *answers[i].Find("logprobs")->Find("values")->array();
    ASSERT_EQ(own.size(), theirs.size());
    double sum = 0;
    double largest = 0;
    for (std::size_t k = 0; k < own.size(); ++k) {
      const double apart = std::abs(own[k] - *JsonCursor(theirs[k]).AsReal());
      sum += apart;
      largest = std::max(largest, apart);
    }
    const double mean = sum / static_cast<double>(own.size());
    std::printf("%s: %.2g apart over %zu tokens, at most %.2g\n", each.codec, mean, own.size(),
                largest);
    EXPECT_LT(mean, each.tolerance);
    EXPECT_LT(largest, 10 * each.tolerance);
  }
}

// A tokenizer for networks that have none: a token for each byte, one pair, and ends of texts.
Json ByteTokenizer() {
  Json vocab = Json::Object();
  Json added = Json::Array();
  std::int64_t id = 0;
  for (const char* special : {"<unk>", "<s>", "</s>", "<|endoftext|>"}) {
    vocab.Set(special, id);
    added.Append(Json::Of({{"id", id++},
                           {"content", special},
                           {"special", true},
                           {"single_word", false},
                           {"lstrip", false},
                           {"rstrip", false},
                           {"normalized", false}}));
  }
  // The letters that byte-level BPE has for bytes: itself where a byte is a letter one can see,
  // else the next one from U+0100 on.
  const auto utf8 = [](int code) {
    return code < 0x80 ? std::string(1, static_cast<char>(code))
                       : std::string{static_cast<char>(0xc0 | code >> 6),
                                     static_cast<char>(0x80 | (code & 0x3f))};
  };
  int hidden = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool seen = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    vocab.Set(utf8(seen ? byte : hidden++), id++);
  }
  vocab.Set("th", id);
  const Json level = Json::Of({{"type", "ByteLevel"},
                               {"add_prefix_space", false},
                               {"trim_offsets", true},
                               {"use_regex", true}});
  return Json::Of(
      {{"added_tokens", added},
       {"pre_tokenizer", level},
       {"decoder", level},
       {"model", Json::Of({{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::Array{"t h"}}})}});
}

// Layers of both sorts, and as many channels as llama.cpp asks for: the fixtures have neither.
Json MixedLayers() {
  return Json::Of({{"model_type", "qwen3_next"},
                   {"hidden_size", 64},
                   {"intermediate_size", 96},
                   {"num_hidden_layers", 4},
                   {"num_attention_heads", 4},
                   {"num_key_value_heads", 2},
                   {"head_dim", 32},
                   {"num_experts", 4},
                   {"num_experts_per_tok", 2},
                   {"moe_intermediate_size", 32},
                   {"shared_expert_intermediate_size", 32},
                   {"linear_num_value_heads", 4},
                   {"linear_num_key_heads", 2},
                   {"linear_key_head_dim", 32},
                   {"linear_value_head_dim", 32},
                   {"full_attention_interval", 2},
                   {"vocab_size", 384}});
}
Json StateSpaces() {
  return Json::Of({{"model_type", "mamba"},
                   {"hidden_size", 64},
                   {"num_hidden_layers", 3},
                   {"tie_word_embeddings", false},
                   {"vocab_size", 384}});
}
Json StateSpacesOfGroups() {
  return Json::Of({{"model_type", "mamba2"},
                   {"hidden_size", 64},
                   {"num_hidden_layers", 3},
                   {"num_heads", 8},
                   {"head_dim", 16},
                   {"n_groups", 2},
                   {"state_size", 16},
                   {"tie_word_embeddings", false},
                   {"vocab_size", 384}});
}

// Queries without a latent, shares of a softmax as they are, and stretched positions.
Json GreedyLatentMixture() {
  return Json::Of({{"model_type", "deepseek_v2"},
                   {"hidden_size", 64},
                   {"intermediate_size", 96},
                   {"num_hidden_layers", 27},  // (where llama.cpp has such queries)
                   {"num_attention_heads", 4},
                   {"num_key_value_heads", 4},
                   {"max_position_embeddings", 2560},
                   {"first_k_dense_replace", 1},
                   {"kv_lora_rank", 32},
                   {"q_lora_rank", nullptr},
                   {"qk_nope_head_dim", 16},
                   {"qk_rope_head_dim", 16},
                   {"v_head_dim", 16},
                   {"moe_intermediate_size", 32},
                   {"n_routed_experts", 8},
                   {"num_experts_per_tok", 3},
                   {"routed_scaling_factor", 1.5},
                   {"rope_scaling", Json::Of({{"type", "yarn"},
                                              {"factor", 40.0},
                                              {"mscale", 0.707},
                                              {"mscale_all_dim", 0.707},
                                              {"original_max_position_embeddings", 64}})},
                   {"vocab_size", 384}});
}

// As many heads of keys as of queries, as llama.cpp asks for.
Json WholeHeadsMixture() {
  return Json::Of({{"model_type", "olmoe"},
                   {"hidden_size", 64},
                   {"intermediate_size", 32},
                   {"num_hidden_layers", 3},
                   {"num_attention_heads", 4},
                   {"num_experts", 8},
                   {"num_experts_per_tok", 2},
                   {"vocab_size", 384}});
}

// A family's other forms: their files differ in tensors from the fixture's.
Json StableLm(Json::Object fields) {
  Json config = Json::Of({{"model_type", "stablelm"},
                          {"hidden_size", 64},
                          {"intermediate_size", 96},
                          {"num_hidden_layers", 3},
                          {"num_attention_heads", 4},
                          {"num_key_value_heads", 2},
                          {"vocab_size", 384}});
  for (const auto& [field, value] : fields) {
    config.Set(field, value);
  }
  return config;
}
Json NormsOfHeads() {
  return Json::Of({{"model_type", "cohere"},
                   {"hidden_size", 64},
                   {"intermediate_size", 96},
                   {"num_hidden_layers", 64},  // (from where on llama.cpp has such norms)
                   {"num_attention_heads", 4},
                   {"num_key_value_heads", 2},
                   {"use_qk_norm", true},
                   {"vocab_size", 384}});
}

// Every architecture that is written, of its family's fixture or, where llama.cpp asks for what the
// fixture is not, of random weights: after a prompt, llama.cpp chooses the tokens that ashlar
// chooses.
TEST(ExportPeer, LlamaCppChoosesTheTokensOfEveryArchitecture) {
  ASHLAR_NEED_SHARED_FILES(shared);
  ASHLAR_NEED_LLAMA_PEER(peer);
  const TempDirectory directory;
  testing::Library library;
  constexpr std::int64_t kTokens = 12;
  const std::map<std::string, Json> random = {
      {"qwen3_next", MixedLayers()},
      {"mamba", StateSpaces()},
      {"mamba2_of_groups", StateSpacesOfGroups()},
      {"deepseek_v2", GreedyLatentMixture()},
      {"olmoe", WholeHeadsMixture()},
      {"stablelm_beside", StableLm({{"use_parallel_residual", true}})},
      {"stablelm_norms", StableLm({{"qk_layernorm", true}})},
      {"cohere_norms", NormsOfHeads()}};
  // Those that are also another architecture's network go to their own when it is asked for.
  const std::set<std::string> asked_for = {"phi3", "seed_oss", "smollm3"};
  struct Exported {
    std::string fixture;
    Network network;
    std::string architecture;
  };
  std::vector<Exported> exported;
  Json::Array requests;
  const std::vector<std::int32_t> prompt = {7, 100, 31, 250, 68, 199, 40, 41, 42, 43};
  for (const std::string fixture : {"llama",
                                    "llama_rope3",
                                    "mixtral",
                                    "qwen2",
                                    "qwen3",
                                    "qwen2_moe",
                                    "qwen3_moe",
                                    "gemma2",
                                    "gemma3",
                                    "phi3",
                                    "olmo2",
                                    "olmoe",
                                    "gpt2",
                                    "starcoder2",
                                    "falcon",
                                    "granite",
                                    "cohere",
                                    "phi",
                                    "gpt_neox",
                                    "stablelm",
                                    "glm4",
                                    "ernie4_5",
                                    "seed_oss",
                                    "smollm3",
                                    "gpt_oss",
                                    "hunyuan_dense",
                                    "deepseek_v2",
                                    "deepseek_v3",
                                    "exaone4",
                                    "mamba",
                                    "mamba2",
                                    "qwen3_next",
                                    "mamba2_of_groups",
                                    "stablelm_beside",
                                    "stablelm_norms",
                                    "cohere_norms"}) {
    SCOPED_TRACE(fixture);
    const Path model = directory / fixture;
    if (const auto made = random.find(fixture); made != random.end()) {
      testing::WriteRandomModel(made->second, model);
    } else {
      std::filesystem::copy(shared / "fixtures/hf" / fixture, model);
    }
    testing::WriteText(model / "tokenizer.json", WriteJson(ByteTokenizer()));
    const Network network = library.Import(model, fixture);
    const Path file = directory / (fixture + ".gguf");
    const auto report = ExportGguf(network, fixture, library.store(), file,
                                   {.usual = asked_for.contains(fixture) ? fixture : ""});
    ASSERT_TRUE(report.ok()) << report.error().message;
    exported.push_back({fixture, network, report->architecture});
    Json ids = Json::Array();
    for (const std::int32_t id : prompt) {
      ids.Append(id);
    }
    requests.push_back(
        Json::Of({{"file", file.string()}, {"prompts", Json::Array{ids}}, {"count", kTokens}}));
  }
  const Json::Array answers = AskPeer(peer, requests, directory / "request");
  ASSERT_EQ(answers.size(), exported.size());
  for (std::size_t each = 0; each < exported.size(); ++each) {
    const auto& [fixture, network, architecture] = exported[each];
    SCOPED_TRACE(fixture);
    std::vector<std::int32_t> ids = prompt;
    const std::size_t first = ids.size();
    for (const Json& token : *answers[each].Find("tokens")->array()->front().array()) {
      ids.push_back(static_cast<std::int32_t>(*token.integer()));
    }
    ASSERT_EQ(ids.size(), first + kTokens);
    Engine engine(library.store(), {.max_positions = 64});
    const std::vector<float> logits = testing::LogitsOf(engine, *engine.Load(network), ids);
    const std::size_t vocabulary = logits.size() / ids.size();
    Tally tally;
    for (std::size_t i = first; i < ids.size(); ++i) {
      const auto row = logits.begin() + static_cast<std::ptrdiff_t>((i - 1) * vocabulary);
      const auto best = std::max_element(row, row + static_cast<std::ptrdiff_t>(vocabulary)) - row;
      EXPECT_TRUE(tally.Count(best == ids[i])) << "token " << i - first;
    }
    Record({"Architectures of GGUF files", architecture,
            "npm node-llama-cpp, " + fixture + " exported", tally.text("greedy tokens"),
            tally.all()});
  }
}

// Vocabularies of scores that went through a tokenizer.json: llama.cpp finds the same tokens.
TEST(ExportPeer, LlamaCppFindsTheTokensOfScores) {
  ASHLAR_NEED_SHARED_FILES(shared);
  ASHLAR_NEED_LLAMA_PEER(peer);
  const TempDirectory directory;
  testing::Library library;
  Json::Array requests;
  std::vector<Tokenizer> tokenizers;
  const std::vector<std::string> texts = {"Hello, world",
                                          " two  spaces   and more",
                                          "caf\u00e9 \u65e5\u672c \U0001f680\n\n\tend ",
                                          "a</s> b<s>c",
                                          "1234567 3.14e-5 (x[i] += y)",
                                          "ééééé ababab ........",
                                          "<|user|>\n\n a<|end|>  b<|endoftext|> c",
                                          ""};
  // phi-3's markers take the spaces behind them away, which is in the file's name.
  for (const std::string name : {"ggml-vocab-llama-spm", "ggml-vocab-phi-3", "unigram"}) {
    std::string json;
    if (name == "unigram") {
      json = *SentencePieceTokenizerJson(
          *ReadTextFile(ASHLAR_SOURCE_DIR "/ashlar/text/testdata/unigram.model"));
    } else {
      const auto file = GgufFile::Open(shared / "fixtures/tokenizers" / (name + ".gguf"));
      ASSERT_TRUE(file.ok()) << file.error().message;
      json = *GgufTokenizerJson(**internal::ReadGgufVocabulary(file->fields(), 1 << 20));
    }
    const Path model = directory / name;
    testing::WriteRandomModel(
        StableLm({{"vocab_size", Tokenizer::FromJson(json)->vocabulary_size()}}), model);
    testing::WriteText(model / "tokenizer.json", json);
    const Path out = directory / (name + ".gguf");
    const auto report = ExportGguf(library.Import(model, name), "name", library.store(), out);
    ASSERT_TRUE(report.ok()) << report.error().message;
    tokenizers.push_back(*Tokenizer::FromJson(json));
    Json asked = Json::Array();
    for (const std::string& text : texts) {
      asked.Append(text);
    }
    requests.push_back(Json::Of({{"file", out.string()}, {"texts", asked}}));
  }
  const Json::Array answers = AskPeer(peer, requests, directory / "request");
  ASSERT_EQ(answers.size(), tokenizers.size());
  for (std::size_t each = 0; each < answers.size(); ++each) {
    const Json::Array& ids = *answers[each].Find("ids")->array();
    ASSERT_EQ(ids.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Json expected = Json::Array();
      const auto found = *tokenizers[each].Encode(texts[i], {.add_special_tokens = false});
      for (const std::int32_t id : found) {
        expected.Append(id);
      }
      EXPECT_EQ(ids[i], expected) << texts[i];
    }
  }
}

}  // namespace
}  // namespace ashlar
