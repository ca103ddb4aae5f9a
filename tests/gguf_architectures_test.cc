// Networks of every architecture that GGUF names, as converters write them: the files are made here
// from the Hugging Face fixtures, by the names and orders of llama.cpp's converter, and must give
// the reference implementation's logits.
#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/formats/gguf_import.h"
#include "tests/support/gguf_converter.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::ConvertedFamily;
using testing::Converter;
using testing::Library;

constexpr ConvertedFamily kConverted[] = {
    {.fixture = "llama", .architecture = "llama", .turns_neighbours = true},
    {.fixture = "llama_rope3", .architecture = "llama", .turns_neighbours = true},
    {.fixture = "mixtral", .architecture = "llama", .turns_neighbours = true},
    {.fixture = "qwen2", .architecture = "qwen2"},
    {.fixture = "qwen3", .architecture = "qwen3"},
    {.fixture = "qwen2_moe", .architecture = "qwen2moe"},
    {.fixture = "qwen3_moe", .architecture = "qwen3moe"},
    {.fixture = "gemma2", .architecture = "gemma2", .adds_one = true, .sandwich = true},
    {.fixture = "gemma3", .architecture = "gemma3", .adds_one = true, .sandwich = true},
    {.fixture = "phi3", .architecture = "phi3"},
    {.fixture = "olmo2", .architecture = "olmo2", .sandwich = true},
    {.fixture = "gpt2", .architecture = "gpt2", .transposes = true},
    {.fixture = "starcoder2", .architecture = "starcoder2"},
    {.fixture = "falcon", .architecture = "falcon"},
    {.fixture = "olmoe", .architecture = "olmoe"},
    {.fixture = "granite", .architecture = "granite", .turns_neighbours = true},
    {.fixture = "cohere", .architecture = "command-r"},
    {.fixture = "phi", .architecture = "phi2"},
    {.fixture = "gpt_neox", .architecture = "gptneox"},
    {.fixture = "stablelm", .architecture = "stablelm"},
    {.fixture = "glm4", .architecture = "glm4"},
    {.fixture = "ernie4_5", .architecture = "ernie4_5"},
    {.fixture = "seed_oss", .architecture = "seed_oss", .ffn_norm = "post_attention_norm"},
    {.fixture = "smollm3", .architecture = "smollm3", .turns_neighbours = true},
    {.fixture = "gpt_oss", .architecture = "gpt-oss", .ffn_norm = "post_attention_norm"},
    {.fixture = "hunyuan_dense", .architecture = "hunyuan-dense"},
    {.fixture = "deepseek_v3", .architecture = "deepseek2", .latent = true},
    {.fixture = "deepseek_v3", .architecture = "deepseek2", .latent = true, .older = true},
    {.fixture = "exaone4", .architecture = "exaone4", .sandwich = true},
    {.fixture = "mamba", .architecture = "mamba"},
    {.fixture = "mamba2", .architecture = "mamba2"},
    {.fixture = "qwen3_next",
     .architecture = "qwen3next",
     .adds_one = true,
     .ffn_norm = "post_attention_norm"},
    {.fixture = "qwen3_next",
     .architecture = "qwen3next",
     .adds_one = true,
     .ffn_norm = "post_attention_norm",
     .older = true},
};

TEST(GgufArchitectures, GiveTheLogitsOfTheReferenceImplementation) {
  ASHLAR_NEED_SHARED_FILES(shared);
  const TempDirectory temporary;
  for (const ConvertedFamily& family : kConverted) {
    SCOPED_TRACE(family.fixture);
    const Path directory = shared / "fixtures/hf" / family.fixture;
    SCOPED_TRACE(family.older);
    const Path path = temporary / (std::string(family.fixture) + ".gguf");
    std::ofstream(path, std::ios::binary) << Converter(directory, family).Convert().Write();
    Library library;
    const auto report = ImportGguf(path, "net", library.catalog());
    ASSERT_TRUE(report.ok()) << report.error().message;
    const Network network = *library.catalog().Load("net");
    const SafetensorsFile expected = *SafetensorsFile::Open(directory / "expected.safetensors");
    const auto ids = testing::NumbersOf<std::int32_t>(expected, "input_ids");
    const auto logits = testing::NumbersOf<float>(expected, "logits");
    constexpr std::size_t kSequences = 2;
    const std::size_t length = ids.size() / kSequences;
    Engine engine(library.store(), {.isa = testing::BestIsa(), .max_positions = 64});
    const NetworkId id = *engine.Load(network);
    double largest = 0;
    for (std::size_t i = 0; i < kSequences; ++i) {
      const std::vector<std::int32_t> sequence(
          ids.begin() + static_cast<std::ptrdiff_t>(i * length),
          ids.begin() + static_cast<std::ptrdiff_t>((i + 1) * length));
      const std::span<const float> wanted =
          std::span(logits).subspan(i * logits.size() / kSequences, logits.size() / kSequences);
      largest = std::max(
          largest, testing::LargestDifference(testing::LogitsOf(engine, id, sequence), wanted));
    }
    EXPECT_LE(largest, 3e-4);
    Record({"Architectures of GGUF files", family.architecture,
            std::string("fixtures/hf/") + family.fixture +
                (family.older ? ", as once converted" : ", converted"),
            fmt::format("largest difference of a logit {:.1e}", largest), largest <= 3e-4});
  }
}

}  // namespace
}  // namespace ashlar
