// Imported networks compute what the reference implementation computes: its own figures.
#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/text/tokenizer.h"
#include "tests/support/command.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::BestIsa;
using testing::LargestDifference;
using testing::Library;
using testing::LogitsOf;
using testing::NumbersOf;
using testing::SupportedIsas;

// ---- The reference implementation's own figures

class ReferenceTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ReferenceTest, LogitsDifferByLessThanTwoTenThousandths) {
  ASHLAR_NEED_SHARED_FILES(shared);
  const Path directory = shared / "fixtures/hf" / GetParam();
  Library library;
  const Network network = library.Import(directory, "fixture");
  const auto file = SafetensorsFile::Open(directory / "expected.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto ids = NumbersOf<std::int32_t>(*file, "input_ids");
  const auto expected = NumbersOf<float>(*file, "logits");
  const auto length = static_cast<std::ptrdiff_t>(file->Find("input_ids")->shape[1]);
  double largest = 0;
  for (const Isa isa : SupportedIsas()) {
    Engine engine(library.store(), {.isa = isa, .max_positions = 64});
    const NetworkId id = *engine.Load(network);
    const Network* const planned[] = {&network};
    EXPECT_TRUE(Engine::WorkspaceBytes(planned, engine.options()).ok());
    std::vector<float> logits;
    for (auto row = ids.begin(); row != ids.end(); row += length) {
      const std::vector<float> part = LogitsOf(engine, id, {row, row + length});
      logits.insert(logits.end(), part.begin(), part.end());
    }
    const double difference = LargestDifference(logits, expected);
    EXPECT_LE(difference, 2e-4) << IsaName(isa);
    largest = difference <= largest ? largest : difference;
  }
  const Json config = *ParseJson(*ReadTextFile(directory / "config.json"));
  Record({"Architectures", *config.Find("model_type")->string(),
          std::string("fixtures/hf/") + GetParam(),
          fmt::format("largest difference of a logit {:.1e}", largest), largest <= 2e-4});
}

INSTANTIATE_TEST_SUITE_P(Parity, ReferenceTest,
                         ::testing::Values("llama", "llama_rope3", "mistral", "qwen2", "qwen3",
                                           "granite", "seed_oss", "ernie4_5", "hunyuan_dense",
                                           "smollm3", "olmo2", "exaone4", "glm4", "cohere",
                                           "starcoder2", "phi3", "stablelm", "gemma2", "gemma3",
                                           "gpt_neox", "phi", "falcon", "gpt2", "mixtral",
                                           "qwen2_moe", "qwen3_moe", "olmoe", "gpt_oss",
                                           "deepseek_v3", "mamba", "mamba2", "qwen3_next", "rwkv"),
                         [](const auto& info) { return std::string(info.param); });

class TrainedTest : public ::testing::TestWithParam<const char*> {
 protected:
  Network Import(const Path& shared) {
    return library_.Import(shared / "models" / GetParam(), GetParam());
  }
  Library library_;
};

TEST_P(TrainedTest, GreedyContinuationsAreTheReferences) {
  ASHLAR_NEED_SHARED_FILES(shared);
  const Network network = Import(shared);
  const Path path = shared / "fixtures/reference/reference.json";
  const Json reference = *ParseJson(*ReadTextFile(path));
  const auto prompts = JsonCursor(reference).At(GetParam())->At("greedy")->AsObject();
  ASSERT_TRUE(prompts.ok());
  const Blob tokenizer_file =
      *library_.store().Get(network.files.find("tokenizer.json")->second.blob);
  const Tokenizer tokenizer = *Tokenizer::FromJson(AsText(tokenizer_file.bytes()));

  // All four at once: neighbours change nothing.
  Engine engine(library_.store(), {.threads = 2, .isa = BestIsa(), .max_positions = 256});
  const NetworkId id = *engine.Load(network);
  std::map<RequestId, std::vector<std::int32_t>> expected;
  std::map<RequestId, std::vector<std::int32_t>> found;
  for (const auto& [name, prompt] : *prompts) {
    std::vector<std::int32_t> ids[2];
    const char* keys[] = {"prompt_ids", "new_ids"};
    for (int i = 0; i < 2; ++i) {
      const auto list = prompt.At(keys[i])->AsArray();
      for (const JsonCursor& item : *list) {
        ids[i].push_back(static_cast<std::int32_t>(*item.AsInteger(0, 1 << 30)));
      }
    }
    EXPECT_EQ(*tokenizer.Encode(*prompt.String("prompt")), ids[0]) << name;
    EXPECT_EQ(tokenizer.Decode(ids[1]), *prompt.String("text")) << name;
    const auto request = engine.Submit({.network = id,
                                        .prompt = ids[0],
                                        .max_tokens = static_cast<std::int64_t>(ids[1].size()),
                                        .sampling = {.temperature = 0}});
    ASSERT_TRUE(request.ok()) << request.error().message;
    expected[*request] = ids[1];
  }
  while (!engine.idle()) {
    const auto deliveries = engine.Step();
    ASSERT_TRUE(deliveries.ok()) << deliveries.error().message;
    for (const Delivery& delivery : *deliveries) {
      if (delivery.token) {
        found[delivery.request].push_back(delivery.token->token);
      }
    }
  }
  EXPECT_EQ(expected.size(), 4u);
  EXPECT_EQ(found, expected);
}

TEST_P(TrainedTest, LogitsOfPromptsAreTheReferences) {
  ASHLAR_NEED_SHARED_FILES(shared);
  const Network network = Import(shared);
  const auto file = SafetensorsFile::Open(shared / "fixtures/reference" /
                                          (std::string(GetParam()) + ".logits.safetensors"));
  ASSERT_TRUE(file.ok()) << file.error().message;
  Engine engine(library_.store(), {.threads = 2, .isa = BestIsa(), .max_positions = 256});
  const NetworkId id = *engine.Load(network);
  int prompts = 0;
  for (const SafetensorsEntry& entry : file->entries()) {
    if (!entry.name.ends_with(".ids")) {
      continue;
    }
    ++prompts;
    const std::string kind = entry.name.substr(0, entry.name.size() - 4);
    const auto ids = NumbersOf<std::int32_t>(*file, entry.name);
    const auto expected = NumbersOf<float>(*file, kind + ".logits");
    EXPECT_LE(LargestDifference(LogitsOf(engine, id, ids), expected), 5e-4) << kind;
  }
  EXPECT_EQ(prompts, 4);
}

// Perplexity of `network` over the reference's in f32, by text.
std::map<std::string, double> PerplexityRatios(const Ashlar& ashlar, const std::string& network,
                                               const std::filesystem::path& shared,
                                               const std::string& reference) {
  const Json json = *ParseJson(*ReadTextFile(shared / "fixtures/reference/reference.json"));
  std::map<std::string, double> ratios;
  for (const auto& [text, figure] :
       *JsonCursor(json).At(reference)->At("ppl_f32_seq1024")->AsObject()) {
    const std::string file = (shared / "eval" / (text + ".txt")).string();
    const auto result = ashlar({"eval", "ppl", network, "--text", file, "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const Json found = *ParseJson(result.out);
    EXPECT_EQ(*JsonCursor(found).Integer("tokens", 0, 1 << 30), 64 * 1024);
    ratios[text] = *JsonCursor(found).Real("perplexity") / *figure.AsReal();
    std::printf("%s on %s: perplexity %.4f of f32's\n", network.c_str(), text.c_str(),
                ratios[text]);
  }
  EXPECT_EQ(ratios.size(), 4u);
  return ratios;
}

// Minutes of work: only when asked for.
#define NEED_LONG_TESTS()                                   \
  if (std::getenv("ASHLAR_LONG") == nullptr) {              \
    GTEST_SKIP() << "takes minutes; ASHLAR_LONG=1 runs it"; \
  }

TEST_P(TrainedTest, PerplexitiesAreTheReferencesWithinATwoThousandth) {
  ASHLAR_NEED_SHARED_FILES(shared);
  NEED_LONG_TESTS();
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  const auto imported =
      ashlar({"import", "hf", (shared / "models" / GetParam()).string(), "--as", "net"});
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
  for (const auto& [text, ratio] : PerplexityRatios(ashlar, "net", shared, GetParam())) {
    EXPECT_NEAR(ratio, 1, 0.0005) << text;
  }
}

TEST(Quantized, EightBitsCostAThousandthOfPerplexityAndFourOneAndAHalfHundredths) {
  ASHLAR_NEED_SHARED_FILES(shared);
  NEED_LONG_TESTS();
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", (shared / "models/lab").string(), "--as", "lab"}).exit_code, 0);
  ASSERT_EQ(ashlar({"encode", "lab", "--as", "q8", "--codec", "q8"}).exit_code, 0);
  ASSERT_EQ(
      ashlar({"encode", "q8", "--as", "q4", "--codec", "q4", "--tensors", "layers*"}).exit_code, 0);
  for (const auto& [text, ratio] : PerplexityRatios(ashlar, "q8", shared, "lab")) {
    EXPECT_LT(ratio, 1.001) << text;
  }
  double sum = 0;
  for (const auto& [text, ratio] : PerplexityRatios(ashlar, "q4", shared, "lab")) {
    sum += ratio;
  }
  EXPECT_LT(sum / 4, 1.0155);
}

INSTANTIATE_TEST_SUITE_P(Parity, TrainedTest, ::testing::Values("lab", "lab-docs"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// ---- Perplexity as it is counted

TEST(Perplexity, CountsEachWindowAloneWithADocumentMarkBeforeEachDocument) {
  TempDirectory directory;
  const std::string documents[] = {"The first document,\nof two lines, and no more.",
                                   "def second():\n    pass"};
  testing::WriteText(directory / "text", "\n" + documents[0] + "\n\n<|endoftext|>\n" +
                                             documents[1] + "\n<|endoftext|>\n");
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  const auto result = ashlar({"eval", "ppl", "demo", "--text", (directory / "text").string(),
                              "--window", "8", "--windows", "2", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;

  Library library;
  const Network network = library.Import(testing::DemoModel(), "demo");
  const Tokenizer tokenizer =
      *Tokenizer::FromJson(*ReadTextFile(testing::DemoModel() / "tokenizer.json"));
  std::vector<std::int32_t> ids;
  for (const std::string& document : documents) {
    ids.push_back(*tokenizer.TokenId("<|endoftext|>"));
    const auto encoded = tokenizer.Encode(document, {.add_special_tokens = false});
    ids.insert(ids.end(), encoded->begin(), encoded->end());
  }
  ASSERT_GT(ids.size(), 16u);
  Engine engine(library.store(), {.isa = BestIsa(), .max_positions = 64});
  const NetworkId id = *engine.Load(network);
  double loss = 0;
  for (std::size_t window = 0; window < 2; ++window) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(window * 8);
    const std::vector<float> logits = LogitsOf(engine, id, {begin, begin + 8});
    const std::size_t width = logits.size() / 8;
    for (std::size_t row = 0; row < 8; ++row) {
      double sum = 0;
      for (std::size_t i = 0; i < width; ++i) {
        sum += std::exp(static_cast<double>(logits[row * width + i]));
      }
      const auto target = static_cast<std::size_t>(ids[window * 8 + row + 1]);
      loss += std::log(sum) - static_cast<double>(logits[row * width + target]);
    }
  }
  const Json found = *ParseJson(result.out);
  EXPECT_EQ(*JsonCursor(found).Integer("tokens", 0, 100), 16);
  EXPECT_NEAR(*JsonCursor(found).Real("perplexity"), std::exp(loss / 16), 1e-3);
}

TEST(Perplexity, OfATokenizerWithoutThatMarkBeginsDocumentsAsTheNetworkDoes) {
  TempDirectory directory;
  std::filesystem::copy(testing::DemoModel(), directory / "renamed");
  std::string tokenizer = *ReadTextFile(directory / "renamed/tokenizer.json");
  constexpr std::string_view kMark = "<|endoftext|>";
  for (std::size_t at = 0; (at = tokenizer.find(kMark, at)) != std::string::npos;) {
    tokenizer.replace(at, kMark.size(), "<|end|>");
  }
  testing::WriteText(directory / "renamed/tokenizer.json", tokenizer);
  testing::WriteText(directory / "text", "The first document.\n<|endoftext|>\nAnd the second.\n");
  const Ashlar ashlar(directory / "store");
  const auto perplexity = [&](const Path& model, const std::string& name, bool noted) {
    EXPECT_EQ(ashlar({"import", "hf", model.string(), "--as", name}).exit_code, 0);
    const auto result = ashlar({"eval", "ppl", name, "--text", (directory / "text").string(),
                                "--window", "8", "--windows", "1", "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err.find("no token <|endoftext|>: each document begins with <|end|>") !=
                  std::string::npos,
              noted)
        << result.err;
    return *JsonCursor(*ParseJson(result.out)).Real("perplexity");
  };
  EXPECT_EQ(perplexity(directory / "renamed", "renamed", true),
            perplexity(testing::DemoModel(), "demo", false))
      << "the mark is the token that begins its texts";
}

}  // namespace
}  // namespace ashlar
