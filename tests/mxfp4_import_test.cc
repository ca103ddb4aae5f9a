// Checkpoints whose experts are in MXFP4, as gpt-oss is published: nothing is lost on the way in,
// and on the way out again.
#include <algorithm>
#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/formats/checkpoint.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/formats/gguf_import.h"
#include "ashlar/formats/hugging_face_export.h"
#include "tests/support/imported.h"
#include "tests/support/model_directory.h"
#include "tests/support/random_model.h"

namespace ashlar {
namespace {

using testing::FileTensor;
using ::testing::HasSubstr;
using testing::Library;
using testing::LogitsOf;
using testing::ModelDirectory;

constexpr std::int64_t kExperts = 3;
constexpr std::int64_t kWidth = 64;
constexpr std::int64_t kChannels = 96;

Json GptOssConfig() {
  return Json::Of({{"model_type", "gpt_oss"},
                   {"hidden_size", kWidth},
                   {"intermediate_size", kChannels},
                   {"num_hidden_layers", 2},
                   {"num_attention_heads", 4},
                   {"num_key_value_heads", 2},
                   {"head_dim", 16},
                   {"num_local_experts", kExperts},
                   {"num_experts_per_tok", 2},
                   {"vocab_size", 128}});
}

// The same model twice: its experts rounded to MXFP4 and packed, and those numbers in f32.
struct Twins {
  ModelDirectory packed, plain;
};

constexpr double kCodeValues[16] = {0,    0.5,  1,  1.5,  2,  3,  4,  6,
                                    -0.0, -0.5, -1, -1.5, -2, -3, -4, -6};

// What the format's definition says of 32 numbers: an exponent that brings the largest to at most
// 7.99, and of each number the nearest code.
struct Group {
  int exponent;  // less 127
  int codes[32];
};
Group RoundGroup(const std::function<double(int)>& number) {
  double largest = 0;
  for (int i = 0; i < 32; ++i) {
    largest = std::max(largest, std::abs(number(i)));
  }
  Group group{.exponent = largest == 0 ? -127 : std::ilogb(largest) - 2, .codes = {}};
  for (int i = 0; i < 32; ++i) {
    const double scaled = std::ldexp(number(i), -group.exponent);
    const double* const nearest = std::ranges::min_element(
        kCodeValues, {}, [&](double value) { return std::abs(value - scaled); });
    group.codes[i] = static_cast<int>(nearest - kCodeValues);
  }
  return group;
}

// Rounds one stack [experts, inputs, outputs] in both twins.
void RoundStack(const std::string& name, Twins& twins) {
  FileTensor& plain = twins.plain.tensors.at(name);
  const std::int64_t inputs = plain.shape[1];
  const std::int64_t outputs = plain.shape[2];
  auto* const numbers = reinterpret_cast<float*>(plain.bytes.data());
  FileTensor blocks{"U8", {kExperts, outputs, inputs / 32, 16}, {}};
  FileTensor scales{"U8", {kExperts, outputs, inputs / 32}, {}};
  for (std::int64_t expert = 0; expert < kExperts; ++expert) {
    for (std::int64_t output = 0; output < outputs; ++output) {
      for (std::int64_t begin = 0; begin < inputs; begin += 32) {
        const auto at = [&](int i) -> float& {
          return numbers[(expert * inputs + begin + i) * outputs + output];
        };
        const Group group = RoundGroup([&](int i) { return static_cast<double>(at(i)); });
        scales.bytes.push_back(static_cast<std::byte>(group.exponent + 127));
        for (int i = 0; i < 32; ++i) {
          at(i) = static_cast<float>(std::ldexp(kCodeValues[group.codes[i]], group.exponent));
        }
        for (int i = 0; i < 32; i += 2) {
          blocks.bytes.push_back(static_cast<std::byte>(group.codes[i] | group.codes[i + 1] << 4));
        }
      }
    }
  }
  twins.packed.tensors.erase(name);
  twins.packed.tensors.emplace(name + "_blocks", blocks);
  twins.packed.tensors.emplace(name + "_scales", scales);
}

Twins MakeTwins(const Path& scratch) {
  Twins twins;
  testing::WriteRandomModel(GptOssConfig(), scratch);
  const Checkpoint random = *Checkpoint::Open(scratch);
  for (const std::string& name : random.Names()) {
    const SafetensorsEntry& entry = *random.Find(name);
    twins.plain.tensors[name] = {
        entry.dtype, entry.shape, {entry.bytes.begin(), entry.bytes.end()}};
  }
  twins.plain.config = GptOssConfig();
  twins.packed = twins.plain;
  // As the published ones say it.
  twins.packed.config.Set(
      "quantization_config",
      Json::Of({{"quant_method", "mxfp4"},
                {"modules_to_not_convert", Json::Array{"model.layers.*.self_attn", "lm_head"}}}));
  for (int layer = 0; layer < 2; ++layer) {
    for (const char* part : {"gate_up_proj", "down_proj"}) {
      RoundStack(fmt::format("model.layers.{}.mlp.experts.{}", layer, part), twins);
    }
  }
  return twins;
}

class Mxfp4Import : public ::testing::Test {
 protected:
  Mxfp4Import() : twins_(MakeTwins(directory_ / "random")) {}

  Network Import(const ModelDirectory& from, const std::string& name) {
    from.Write(directory_ / name);
    return library_.Import(directory_ / name, name);
  }
  std::string ErrorOf(const ModelDirectory& from) {
    const Path path = directory_ / fmt::format("lie{}", ++lies_);
    from.Write(path);
    const auto report = ImportHuggingFace(path, "lie", library_.catalog());
    EXPECT_FALSE(library_.catalog().Load("lie").ok());
    return report.ok() ? "no error" : report.error().message;
  }
  std::vector<float> Numbers(const TensorManifest& tensor) {
    const Level& level = tensor.levels.front();
    const Blob blob = *library_.store().Get(level.blob);
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
    DecodeTensor(*tensor.codec, tensor.shape, blob.bytes().subspan(level.offset, level.length),
                 values.data());
    return values;
  }
  std::vector<float> Logits(const Network& network) {
    Engine engine(library_.store(), {.isa = testing::BestIsa(), .max_positions = 64});
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 21; ++i) {
      ids.push_back(i * 5 + 3);
    }
    return LogitsOf(engine, *engine.Load(network), ids);
  }

  TempDirectory directory_;
  Library library_;
  Twins twins_;
  int lies_ = 0;
};

TEST_F(Mxfp4Import, GivesTheNumbersOfADequantizedCheckpoint) {
  const Network packed = Import(twins_.packed, "packed");
  const Network plain = Import(twins_.plain, "plain");
  ASSERT_EQ(packed.nodes.size(), plain.nodes.size());
  int experts = 0;
  std::size_t numbers = 0;
  for (int node = 0; node < std::ssize(packed.nodes); ++node) {
    for (const auto& [name, tensor] : packed.BlockOf(node).tensors) {
      SCOPED_TRACE(fmt::format("node {}, {}", node, name));
      const TensorManifest& other = plain.BlockOf(node).tensors.at(name);
      const bool of_experts = name.starts_with("experts.") && !name.ends_with(".bias");
      EXPECT_EQ(tensor.codec->name, of_experts ? "mxfp4.1" : "f32.1");
      // (Equal numbers: the codec has no zero below zero.)
      EXPECT_EQ(Numbers(tensor), Numbers(other));
      experts += of_experts ? 1 : 0;
      numbers += of_experts ? Numbers(tensor).size() : 0;
    }
  }
  EXPECT_EQ(experts, 2 * kExperts * 3);
  // So computed as plain numbers it is the plain network, and on the packed form nearly.
  const std::vector<float> expected = Logits(plain);
  EXPECT_EQ(Logits(library_.Derive("packed", "unpacked", "encode", {{"codec", "f32"}})), expected);
  const double largest = std::abs(
      *std::ranges::max_element(expected, {}, [](float logit) { return std::abs(logit); }));
  const double difference = testing::LargestDifference(Logits(packed), expected);
  EXPECT_LT(difference, 0.03 * largest);
  Record({"Quantized checkpoints of Hugging Face directories", "mxfp4",
          "its definition, in numbers of f32", fmt::format("{} numbers equal", numbers),
          !HasFailure()});
}

// The codes of 32 inputs as llama.cpp's blocks have them: inputs i and i + 16 share a byte.
TEST_F(Mxfp4Import, IsExportedToGgufAsItIs) {
  const Network network = Import(twins_.packed, "packed");
  const Path path = directory_ / "packed.gguf";
  const auto report = ExportGguf(network, "packed", library_.store(), path);
  ASSERT_TRUE(report.ok()) << report.error().message;
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok());
  for (const auto& [name, first, stride] :
       {std::tuple{"ffn_gate_exps", 0, 2}, {"ffn_up_exps", 1, 2}, {"ffn_down_exps", 0, 1}}) {
    SCOPED_TRACE(name);
    const bool down = std::string_view(name) == "ffn_down_exps";
    const std::string source =
        fmt::format("model.layers.1.mlp.experts.{}", down ? "down_proj" : "gate_up_proj");
    const FileTensor& blocks = twins_.packed.tensors.at(source + "_blocks");
    const FileTensor& scales = twins_.packed.tensors.at(source + "_scales");
    const std::int64_t rows = blocks.shape[1];
    const std::int64_t groups = blocks.shape[2];
    std::vector<std::byte> expected;
    for (std::int64_t expert = 0; expert < kExperts; ++expert) {
      for (std::int64_t row = first; row < rows; row += stride) {
        for (std::int64_t group = 0; group < groups; ++group) {
          const std::int64_t at = (expert * rows + row) * groups + group;
          expected.push_back(scales.bytes[static_cast<std::size_t>(at)]);
          const auto code = [&](std::int64_t i) {
            const auto both =
                std::to_integer<int>(blocks.bytes[static_cast<std::size_t>(at * 16 + i / 2)]);
            return i % 2 == 0 ? both & 15 : both >> 4;
          };
          for (std::int64_t i = 0; i < 16; ++i) {
            expected.push_back(static_cast<std::byte>(code(i) | code(i + 16) << 4));
          }
        }
      }
    }
    const GgufEntry* const entry = file->Find(fmt::format("blk.1.{}.weight", name));
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->type->name, "MXFP4");
    EXPECT_TRUE(std::ranges::equal(entry->bytes, expected));
  }
  // The matrices of experts are one blob, whichever file they came from.
  ASSERT_TRUE(ImportGguf(path, "again", library_.catalog()).ok());
  const Network again = *library_.catalog().Load("again");
  for (int node = 0; node < std::ssize(network.nodes); ++node) {
    for (const auto& [name, tensor] : network.BlockOf(node).tensors) {
      if (tensor.codec->name == "mxfp4.1") {
        EXPECT_EQ(again.BlockOf(node).tensors.at(name), tensor) << node << ", " << name;
      }
    }
  }
}

TEST_F(Mxfp4Import, IsExportedToADirectoryAsItIs) {
  const Network network = Import(twins_.packed, "packed");
  const Path path = directory_ / "out";
  const auto report = ExportHuggingFace(network, library_.store(), path);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(report->remarks.empty());
  const Checkpoint written = *Checkpoint::Open(path);
  EXPECT_EQ(written.Names().size(), twins_.packed.tensors.size());
  for (const auto& [name, tensor] : twins_.packed.tensors) {
    SCOPED_TRACE(name);
    const SafetensorsEntry* const entry = written.Find(name);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->dtype, tensor.dtype);
    EXPECT_EQ(entry->shape, tensor.shape);
    EXPECT_TRUE(std::ranges::equal(entry->bytes, tensor.bytes));
  }
  const Json config = *ParseJson(*ReadTextFile(path / "config.json"));
  EXPECT_EQ(config.Find("quantization_config")->Find("modules_to_not_convert")->array()->size(), 7u)
      << "q, k, v, o and the router of each layer, the embedding and the head";
  EXPECT_EQ(library_.Import(path, "again").digest(), network.digest());
  // In a plain type where one is asked for: the plain network.
  const Path plain = directory_ / "plain-out";
  ASSERT_TRUE(ExportHuggingFace(network, library_.store(), plain, {.dtype = DType::kF32}).ok());
  EXPECT_EQ(Logits(library_.Import(plain, "plain-again")), Logits(Import(twins_.plain, "plain")));
}

// Frameworks take all experts for matrices in MXFP4, but for those that are named.
TEST_F(Mxfp4Import, IsExportedWithTheNamesOfWhatIsInPlainNumbers) {
  const auto unpack = [&](ModelDirectory& it, const std::string& stack) {
    it.tensors.erase(stack + "_blocks");
    it.tensors.erase(stack + "_scales");
    it.tensors[stack] = twins_.plain.tensors.at(stack);
  };
  const std::string experts = "model.layers.1.mlp.experts.";
  ModelDirectory mixed = twins_.packed;
  unpack(mixed, experts + "down_proj");
  const Path path = directory_ / "partly-out";
  const auto partly = ExportHuggingFace(Import(mixed, "partly"), library_.store(), path);
  ASSERT_TRUE(partly.ok()) << partly.error().message;
  EXPECT_THAT(
      partly->remarks,
      ::testing::ElementsAre(HasSubstr("tensor model.layers.1.mlp.experts.down_proj is in plain")));

  unpack(mixed, experts + "gate_up_proj");
  const Network network = Import(mixed, "mixed");
  const Path to = directory_ / "mixed-out";
  const auto report = ExportHuggingFace(network, library_.store(), to);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->remarks, ::testing::IsEmpty());
  const Json config = *ParseJson(*ReadTextFile(to / "config.json"));
  EXPECT_EQ(WriteJson(*config.Find("quantization_config")),
            R"({"quant_method":"mxfp4","modules_to_not_convert":["model.embed_tokens",)"
            R"("model.layers.*.self_attn.q_proj","model.layers.*.self_attn.k_proj",)"
            R"("model.layers.*.self_attn.v_proj","model.layers.*.self_attn.o_proj",)"
            R"("model.layers.*.mlp.router","model.layers.1.mlp.experts","lm_head"]})");
  EXPECT_EQ(library_.Import(to, "mixed-again").digest(), network.digest());
}

TEST_F(Mxfp4Import, RefusesTensorsThatAreNotAsTheFormatHasThem) {
  const std::string stack = "model.layers.1.mlp.experts.gate_up_proj";
  struct Lie {
    const char* message;
    std::function<void(ModelDirectory&)> tell;
  };
  const Lie lies[] = {
      {"has no tensor \"model.layers.1.mlp.experts.gate_up_proj_scales\"",
       [&](ModelDirectory& it) { it.tensors.erase(stack + "_scales"); }},
      {"has no tensor \"model.layers.1.mlp.experts.gate_up_proj\"",
       [&](ModelDirectory& it) { it.tensors.erase(stack + "_blocks"); }},
      {"\"model.layers.1.mlp.experts.gate_up_proj_blocks\" has shape [3, 192, 16, 2], but "
       "config.json makes it [3, 192, 2, 16]",
       [&](ModelDirectory& it) {
         it.tensors.at(stack + "_blocks").shape = {3, 192, 16, 2};
       }},
      {"\"model.layers.1.mlp.experts.gate_up_proj_scales\" has shape [3, 2, 192], but config.json "
       "makes it [3, 192, 2]",
       [&](ModelDirectory& it) {
         it.tensors.at(stack + "_scales").shape = {3, 2, 192};
       }},
      {"gate_up_proj_blocks\" is I8; of a matrix in MXFP4 it must be U8",
       [&](ModelDirectory& it) { it.tensors.at(stack + "_blocks").dtype = "I8"; }},
      {"gate_up_proj_scales\" is I8; of a matrix in MXFP4 it must be U8",
       [&](ModelDirectory& it) { it.tensors.at(stack + "_scales").dtype = "I8"; }},
      {"tensor model.layers.1.mlp.experts.gate_up_proj_blocks (experts.2.up)",
       [&](ModelDirectory& it) { it.tensors.at(stack + "_scales").bytes.back() = std::byte{255}; }},
      {"tensor \"model.layers.1.mlp.experts.gate_up_proj_blocks\" is one that config.json does not "
       "call for",
       [&](ModelDirectory& it) { it.tensors[stack] = twins_.plain.tensors.at(stack); }},
      {"has no tensor \"model.layers.0.mlp.experts.gate_up_proj\"",
       [&](ModelDirectory& it) { it.config = GptOssConfig(); }},
      {"\"model.layers.0.mlp.experts.down_proj_blocks\": codec mxfp4.1 packs columns by 32, and "
       "the shape [64, 80] has 80 of them",
       [](ModelDirectory& it) {
         it.config.Set("intermediate_size", 80);
         for (const char* end : {"_blocks", "_scales", "_bias"}) {
           FileTensor& gate_up =
               it.tensors.at(std::string("model.layers.0.mlp.experts.gate_up_proj") + end);
           gate_up.bytes.resize(gate_up.bytes.size() / 192 * 160);
           gate_up.shape[1] = 160;
         }
       }},
  };
  for (const Lie& lie : lies) {
    ModelDirectory liar = twins_.packed;
    lie.tell(liar);
    EXPECT_THAT(ErrorOf(liar), HasSubstr(lie.message));
  }
}

}  // namespace
}  // namespace ashlar
