// Checkpoints in FP8 with a scale for each block, as DeepSeek-V3 and Qwen3 are published too: they
// are the networks of their numbers in bf16.
#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/formats/checkpoint.h"
#include "tests/support/imported.h"
#include "tests/support/model_directory.h"
#include "tests/support/random_model.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using testing::FileTensor;
using ::testing::HasSubstr;
using testing::Library;
using testing::ModelDirectory;

// No size of the models here is a multiple of either.
constexpr std::int64_t kBlockRows = 40;
constexpr std::int64_t kBlockColumns = 24;

// The definition of E4M3 without infinities: (-1)^s 2^(e - 7) (1 + f / 8), and 2^-6 f / 8 for e =
// 0.
double ValueOfE4M3(int code) {
  const int e = code / 8 % 16;
  const double f = code % 8 / 8.0;
  const double size = e == 0 ? std::ldexp(f, -6) : std::ldexp(1 + f, e - 7);
  return code < 128 ? size : -size;
}

// The nearest number of bf16, ties to even, by arithmetic alone.
std::uint16_t NearestBF16(double value) {
  if (value == 0) {
    return std::signbit(value) ? 0x8000 : 0;
  }
  const int exponent = std::max(std::ilogb(value), -126) - 7;
  const auto rounded =
      static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(value, -exponent)), exponent));
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(rounded) >> 16);
}

template <class T>
void Append(std::vector<std::byte>& bytes, T value) {
  const auto* const from = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

// The same model twice: matrices of layers in FP8, and those numbers in bf16. Every code but those
// of NaN stands in each matrix of more than so many numbers.
struct Fp8Twins {
  ModelDirectory packed, plain;
  int matrices = 0;
};
Fp8Twins MakeFp8Twins(const Json& config, const Path& scratch, bool wide_scales) {
  Fp8Twins twins;
  testing::WriteRandomModel(config, scratch);
  const Checkpoint random = *Checkpoint::Open(scratch);
  std::mt19937_64 bits(7);
  for (const std::string& name : random.Names()) {
    const SafetensorsEntry& entry = *random.Find(name);
    FileTensor plain{entry.dtype, entry.shape, {entry.bytes.begin(), entry.bytes.end()}};
    FileTensor packed = plain;
    if (entry.shape.size() == 2 && name.ends_with("proj.weight")) {
      ++twins.matrices;
      packed = {"F8_E4M3", entry.shape, {}};
      plain = {"BF16", entry.shape, {}};
      const std::int64_t across = (entry.shape[1] + kBlockColumns - 1) / kBlockColumns;
      const std::int64_t down = (entry.shape[0] + kBlockRows - 1) / kBlockRows;
      FileTensor scales{wide_scales ? "F32" : "BF16", {down, across}, {}};
      std::vector<float> values;
      for (std::int64_t i = 0; i < down * across; ++i) {
        const std::uint32_t fraction = bits() & (wide_scales ? 0x7fffff : 0x7f0000);
        values.push_back(std::bit_cast<float>(0x3a000000u | fraction));  // 2^-11 to 2^-10
        if (wide_scales) {
          Append(scales.bytes, values.back());
        } else {
          Append(scales.bytes, NearestBF16(static_cast<double>(values.back())));
        }
      }
      for (std::int64_t row = 0; row < entry.shape[0]; ++row) {
        for (std::int64_t column = 0; column < entry.shape[1]; ++column) {
          int code = static_cast<int>(bits() % 256);
          code = code % 128 == 127 ? 0 : code;
          packed.bytes.push_back(static_cast<std::byte>(code));
          const float scale =
              values[static_cast<std::size_t>(row / kBlockRows * across + column / kBlockColumns)];
          const auto product = static_cast<float>(ValueOfE4M3(code) * static_cast<double>(scale));
          Append(plain.bytes, NearestBF16(static_cast<double>(product)));
        }
      }
      twins.packed.tensors.emplace(name + "_scale_inv", scales);
    }
    twins.packed.tensors[name] = std::move(packed);
    twins.plain.tensors[name] = std::move(plain);
  }
  twins.plain.config = config;
  twins.packed.config = config;
  // As the published ones say it.
  twins.packed.config.Set(
      "quantization_config",
      Json::Of({{"activation_scheme", "dynamic"},
                {"fmt", "e4m3"},
                {"quant_method", "fp8"},
                {"weight_block_size", Json::Array{kBlockRows, kBlockColumns}}}));
  return twins;
}

Json Fp8Config(const char* model_type, Json::Object fields = {}) {
  Json config = Json::Of({{"model_type", model_type},
                          {"hidden_size", 64},
                          {"intermediate_size", 100},
                          {"num_hidden_layers", 2},
                          {"num_attention_heads", 4},
                          {"num_key_value_heads", 2},
                          {"vocab_size", 128}});
  for (const auto& [key, value] : fields) {
    config.Set(key, value);
  }
  return config;
}

class Fp8Import : public ::testing::Test {
 protected:
  Fp8Twins Twins(const Json& config, bool wide_scales = true) {
    return MakeFp8Twins(config, directory_ / fmt::format("random{}", ++count_), wide_scales);
  }
  Result<ImportReport> Import(const ModelDirectory& from) {
    const std::string name = fmt::format("network{}", ++count_);
    from.Write(directory_ / name);
    return ImportHuggingFace(directory_ / name, name, library_.catalog());
  }

  TempDirectory directory_;
  Library library_;
  int count_ = 0;
};

TEST_F(Fp8Import, IsTheNetworkOfItsNumbersInBF16) {
  const Json configs[] = {
      Fp8Config("qwen3"),
      Fp8Config("phi3"),  // joins queries, keys and values, and gates
      Fp8Config("deepseek_v3", {{"num_key_value_heads", 4},
                                {"first_k_dense_replace", 1},
                                {"kv_lora_rank", 24},
                                {"q_lora_rank", 20},
                                {"qk_nope_head_dim", 16},
                                {"qk_rope_head_dim", 8},
                                {"v_head_dim", 16},
                                {"moe_intermediate_size", 36},
                                {"n_routed_experts", 4},
                                {"n_shared_experts", 1},
                                {"num_experts_per_tok", 2},
                                {"n_group", 1},
                                {"topk_group", 1}}),
  };
  int matrices = 0;
  for (const Json& config : configs) {
    for (const bool wide_scales : {true, false}) {
      SCOPED_TRACE(*config.Find("model_type")->string());
      const Fp8Twins twins = Twins(config, wide_scales);
      const auto packed = Import(twins.packed);
      const auto plain = Import(twins.plain);
      ASSERT_TRUE(packed.ok()) << packed.error().message;
      ASSERT_TRUE(plain.ok()) << plain.error().message;
      EXPECT_EQ(packed->network, plain->network);
      EXPECT_THAT(packed->remarks,
                  ElementsAre(HasSubstr(fmt::format("{} tensors are in FP8", twins.matrices))));
      EXPECT_TRUE(plain->remarks.empty());
      matrices += twins.matrices;
    }
  }
  Record({"Quantized checkpoints of Hugging Face directories", "fp8",
          "its definition, in numbers of bf16",
          fmt::format("{} matrices equal to the bit", matrices), !HasFailure()});
}

// Bytes of a mapped file that are in this process's memory.
std::int64_t ResidentBytesOf(const std::string& file) {
  std::ifstream maps("/proc/self/smaps");
  std::int64_t bytes = 0;
  bool mapped = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("-") < line.find(":") && line.find(" r") != line.npos) {
      mapped = line.ends_with(file);
    } else if (mapped && line.starts_with("Rss:")) {
      bytes += 1024 * std::stoll(line.substr(4));
    }
  }
  return bytes;
}

// With a scale for each number, these are four times the codes.
TEST_F(Fp8Import, LeavesNeitherCodesNorScalesInMemory) {
  ModelDirectory model =
      Twins(Fp8Config("qwen3", {{"hidden_size", 512}, {"intermediate_size", 1024}})).packed;
  for (auto& [name, tensor] : model.tensors) {
    if (name.ends_with("_scale_inv")) {
      const FileTensor& codes = model.tensors.at(name.substr(0, name.rfind("_scale_inv")));
      tensor = {"F32", codes.shape, {}};
      for (std::size_t i = 0; i < codes.bytes.size(); ++i) {
        Append(tensor.bytes, 0.125f);
      }
    }
  }
  Json quantization = *model.config.Find("quantization_config");
  quantization.Set("weight_block_size", Json::Array{1, 1});
  model.config.Set("quantization_config", quantization);
  model.Write(directory_ / "large");
  std::int64_t most = 0;
  int measured = 0;
  ASSERT_TRUE(
      ImportHuggingFace(directory_ / "large", "large", library_.catalog(), [&](const auto&) {
        most = std::max(most, ResidentBytesOf("large/model.safetensors"));
        ++measured;
      }).ok());
  EXPECT_GT(measured, 10);
  EXPECT_GT(std::filesystem::file_size(directory_ / "large/model.safetensors"), 20u << 20);
  EXPECT_LT(most, 6 << 20);

  // What is read and not given back is seen.
  const auto checkpoint = Checkpoint::Open(directory_ / "large");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  std::uint8_t sum = 0;
  for (const std::string& name : checkpoint->Names()) {
    for (const std::byte byte : checkpoint->Find(name)->bytes) {
      sum ^= std::to_integer<std::uint8_t>(byte);
    }
  }
  EXPECT_GT(ResidentBytesOf("large/model.safetensors"), 20 << 20) << sum;
}

TEST_F(Fp8Import, RefusesWhatIsNotAsTheFormatHasIt) {
  const Fp8Twins twins = Twins(Fp8Config("qwen3"));
  const std::string down = "model.layers.1.mlp.down_proj.weight";
  const auto set = [](ModelDirectory& it, const char* field, Json value) {
    Json quantization = *it.config.Find("quantization_config");
    quantization.Set(field, std::move(value));
    it.config.Set("quantization_config", std::move(quantization));
  };
  struct Lie {
    const char* message;
    std::function<void(ModelDirectory&)> tell;
  };
  const Lie lies[] = {
      {"has no tensor \"model.layers.1.mlp.down_proj.weight_scale_inv\"",
       [&](ModelDirectory& it) { it.tensors.erase(down + "_scale_inv"); }},
      {"down_proj.weight_scale_inv\" has shape [5, 2], but blocks of 40 x 24 make it [2, 5]",
       [&](ModelDirectory& it) {
         it.tensors.at(down + "_scale_inv").shape = {5, 2};
       }},
      {"down_proj.weight_scale_inv\" is I32; scales of FP8 can be F32 and BF16",
       [&](ModelDirectory& it) { it.tensors.at(down + "_scale_inv").dtype = "I32"; }},
      {"\"model.layers.1.mlp.down_proj.weight\" has shape [100, 64], but config.json makes it",
       [&](ModelDirectory& it) {
         it.tensors.at(down).shape = {100, 64};
         FileTensor& scales = it.tensors.at(down + "_scale_inv");
         scales.shape = {3, 3};
         scales.bytes.resize(9 * 4);
       }},
      {"down_proj.weight\" is F8_E5M2; F32, F16 and BF16 can be imported",
       [&](ModelDirectory& it) { it.tensors.at(down).dtype = "F8_E5M2"; }},
      {"q_proj.weight\" is F8_E4M3; F32, F16 and BF16 can be imported",
       [&](ModelDirectory& it) { it.config = Fp8Config("qwen3"); }},
      {"down_proj.weight_scale_inv\" is one that config.json does not call for",
       [&](ModelDirectory& it) { it.tensors[down] = twins.plain.tensors.at(down); }},
      {"quantization_config: fmt \"e5m2\" cannot be imported; known: e4m3",
       [&](ModelDirectory& it) { set(it, "fmt", "e5m2"); }},
      {"quantization_config: activation_scheme \"static\" cannot be imported; known: dynamic",
       [&](ModelDirectory& it) { set(it, "activation_scheme", "static"); }},
      {"quantization_config: FP8 whose weight_block_size is null, without blocks, cannot be",
       [&](ModelDirectory& it) { set(it, "weight_block_size", nullptr); }},
      {"q_proj.weight_scale_inv\" has shape [13, 3], but blocks of 128 x 128 make it [4, 1]",
       [&](ModelDirectory& it) {
         it.config.Set("quantization_config", Json::Of({{"quant_method", "fp8"}}));
       }},
      {"quantization_config.weight_block_size: expected two numbers, found 3",
       [&](ModelDirectory& it) {
         set(it, "weight_block_size", Json::Array{1, 2, 3});
       }},
      {"quantization_config.weight_block_size[1]",
       [&](ModelDirectory& it) {
         set(it, "weight_block_size", Json::Array{1, 0});
       }},
      {"quantization_config.rotation",
       [&](ModelDirectory& it) { set(it, "rotation", "hadamard"); }},
  };
  for (const Lie& lie : lies) {
    ModelDirectory liar = twins.packed;
    lie.tell(liar);
    const auto report = Import(liar);
    ASSERT_FALSE(report.ok()) << lie.message;
    EXPECT_THAT(report.error().message, HasSubstr(lie.message));
  }
}

}  // namespace
}  // namespace ashlar
