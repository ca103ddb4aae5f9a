// Imported networks compute what the formulas of their families say, written out in doubles, on
// random checkpoints.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/graph/derive.h"
#include "ashlar/graph/describe.h"
#include "tests/support/command.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"
#include "tests/support/rope_formula.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::LargestDifference;
using testing::Library;
using testing::LogitsOf;
using testing::Rope;
using testing::SupportedIsas;
using testing::TinyModel;
using testing::TinySpec;

using Row = std::vector<double>;

// A decoder of the Llama family, position by position, in doubles.
class PlainForward {
 public:
  PlainForward(const TinyModel& model, const Rope& rope, std::vector<std::int64_t> windows)
      : model_(model), spec_(model.spec), rope_(rope), windows_(std::move(windows)) {}

  std::vector<float> Logits(const std::vector<std::int32_t>& ids) {
    keys_.assign(spec_.layers, {});
    values_.assign(spec_.layers, {});
    std::vector<float> logits;
    for (std::size_t position = 0; position < ids.size(); ++position) {
      Row x;
      for (std::int64_t i = 0; i < spec_.width; ++i) {
        x.push_back(Weight("model.embed_tokens.weight")[ids[position] * spec_.width + i]);
      }
      for (std::int64_t layer = 0; layer < spec_.layers; ++layer) {
        const std::string name = "model.layers." + std::to_string(layer) + ".";
        Add(Attention(name + "self_attn.", layer, static_cast<std::int64_t>(position),
                      Normed(name + "input_layernorm.weight", x)),
            x);
        const Row normed = Normed(name + "post_attention_layernorm.weight", x);
        Add(spec_.experts > 0 && layer > 0 ? Mixture(name + "mlp.", normed)
                                           : Mlp(name + "mlp.", normed),
            x);
      }
      const Row last = Normed("model.norm.weight", x);
      for (const double logit : Linear(spec_.tied ? "model.embed_tokens" : "lm_head", last)) {
        logits.push_back(static_cast<float>(logit));
      }
    }
    return logits;
  }

 private:
  const std::vector<float>& Weight(const std::string& name) const {
    return model_.tensors.at(name).values;
  }
  static void Add(const Row& from, Row& to) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] += from[i];
    }
  }
  Row Normed(const std::string& name, const Row& x) const {
    double squares = 0;
    for (const double value : x) {
      squares += value * value;
    }
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + 1e-5);
    Row y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      y.push_back(x[i] * scale * Weight(name)[i]);
    }
    return y;
  }
  Row Linear(const std::string& name, const Row& x) const {
    const std::vector<float>& weight = Weight(name + ".weight");
    Row y(weight.size() / x.size());
    for (std::size_t out = 0; out < y.size(); ++out) {
      for (std::size_t in = 0; in < x.size(); ++in) {
        y[out] += static_cast<double>(weight[out * x.size() + in]) * x[in];
      }
      if (model_.tensors.contains(name + ".bias")) {
        y[out] += Weight(name + ".bias")[out];
      }
    }
    return y;
  }
  // One head's query or key.
  Row Turned(const Row& x, std::int64_t layer, std::int64_t position) const {
    if (rope_.without != 0 && (layer + 1) % rope_.without == 0) {
      return x;
    }
    return testing::Turned(rope_, x, position);
  }
  std::vector<Row> Heads(const Row& x) const {
    std::vector<Row> heads;
    for (auto at = x.begin(); at != x.end(); at += spec_.head_dim) {
      heads.emplace_back(at, at + spec_.head_dim);
    }
    return heads;
  }
  Row Attention(const std::string& name, std::int64_t layer, std::int64_t position, const Row& x) {
    std::vector<Row> queries = Heads(Linear(name + "q_proj", x));
    std::vector<Row> keys = Heads(Linear(name + "k_proj", x));
    for (Row& query : queries) {
      query =
          Turned(spec_.qk_norm ? Normed(name + "q_norm.weight", query) : query, layer, position);
    }
    for (Row& key : keys) {
      key = Turned(spec_.qk_norm ? Normed(name + "k_norm.weight", key) : key, layer, position);
    }
    keys_[layer].push_back(keys);
    values_[layer].push_back(Heads(Linear(name + "v_proj", x)));

    Row joined;
    const std::int64_t window = windows_[layer];
    const std::int64_t first = window == 0 ? 0 : std::max<std::int64_t>(0, position - window + 1);
    for (std::int64_t head = 0; head < spec_.heads; ++head) {
      const std::int64_t kv_head = head * spec_.kv_heads / spec_.heads;
      Row out(spec_.head_dim);
      double sum = 0;
      for (std::int64_t seen = first; seen <= position; ++seen) {
        double score = 0;
        for (std::int64_t i = 0; i < spec_.head_dim; ++i) {
          score += queries[head][i] * keys_[layer][seen][kv_head][i];
        }
        const double weight = std::exp(score / std::sqrt(static_cast<double>(spec_.head_dim)));
        sum += weight;
        for (std::int64_t i = 0; i < spec_.head_dim; ++i) {
          out[i] += weight * values_[layer][seen][kv_head][i];
        }
      }
      for (const double value : out) {
        joined.push_back(value / sum);
      }
    }
    return Linear(name + "o_proj", joined);
  }
  Row Mlp(const std::string& name, const Row& x) const {
    Row gate = Linear(name + "gate_proj", x);
    const Row up = Linear(name + "up_proj", x);
    for (std::size_t i = 0; i < gate.size(); ++i) {
      gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
    }
    return Linear(name + "down_proj", gate);
  }

  // The two experts with the largest shares of the softmax over all, weighed by them, and one that
  // is shared and gated.
  Row Mixture(const std::string& name, const Row& x) const {
    Row share = Linear(name + "gate", x);
    double sum = 0;
    for (double& each : share) {
      each = std::exp(each);
      sum += each;
    }
    const double gate = 1 / (1 + std::exp(-Linear(name + "shared_expert_gate", x)[0]));
    Row y = Mlp(name + "shared_expert.", x);
    for (double& each : y) {
      each *= gate;
    }
    for (int chosen = 0; chosen < 2; ++chosen) {
      const auto best = std::ranges::max_element(share) - share.begin();
      const double weight = share[static_cast<std::size_t>(best)] / sum;
      share[static_cast<std::size_t>(best)] = -1;
      const Row part = Mlp(name + "experts." + std::to_string(best) + ".", x);
      for (std::size_t i = 0; i < y.size(); ++i) {
        y[i] += weight * part[i];
      }
    }
    return y;
  }

  const TinyModel& model_;
  const TinySpec& spec_;
  Rope rope_;
  std::vector<std::int64_t> windows_;                // of each layer; 0: none
  std::vector<std::vector<std::vector<Row>>> keys_;  // [layer][position][head]
  std::vector<std::vector<std::vector<Row>>> values_;
};

struct FormulaCase {
  std::string name;
  TinySpec spec;
  Rope rope = {};
  std::vector<std::int64_t> windows = {0, 0};
};
void PrintTo(const FormulaCase& each, std::ostream* os) {
  *os << each.name;
}

TinySpec Qwen2MoeSpec() {
  return {.model_type = "qwen2_moe",
          .class_name = "Qwen2MoeForCausalLM",
          .qkv_bias = true,
          .experts = 6,
          .fields = {{"num_experts", 6},
                     {"num_experts_per_tok", 2},
                     {"moe_intermediate_size", 96},
                     {"shared_expert_intermediate_size", 96},
                     {"mlp_only_layers", Json::Array{0}}}};
}

Json::Object RopeParameters(std::initializer_list<Json::Member> members) {
  return {{"rope_parameters", Json::Of(members)}};
}

std::vector<FormulaCase> FormulaCases() {
  return {
      {"llama", {}},
      {"tied", {.tied = true}},
      {"one_head_each", {.kv_heads = 4}},
      {"one_head_for_all", {.kv_heads = 1}},
      {"heads_wider_than_the_row", {.head_dim = 32}},
      {"mlp_biases", {.mlp_bias = true, .fields = {{"mlp_bias", true}}}},
      {"attention_biases",
       {.qkv_bias = true, .output_bias = true, .fields = {{"attention_bias", true}}}},
      {"linear",
       {.fields = RopeParameters({{"rope_type", "linear"}, {"factor", 4.0}})},
       {.type = "linear", .factor = 4}},
      {"dynamic",
       {.positions = 16, .fields = RopeParameters({{"rope_type", "dynamic"}, {"factor", 3.0}})},
       {.type = "dynamic", .factor = 3, .original = 16}},
      {"llama3",
       {.fields = RopeParameters({{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 64}})},
       {.type = "llama3", .factor = 8, .original = 64}},
      {"yarn",
       {.fields = RopeParameters({{"rope_type", "yarn"},
                                  {"factor", 4.0},
                                  {"beta_fast", 16},
                                  {"original_max_position_embeddings", 128}})},
       {.type = "yarn",
        .factor = 4,
        .original = 128,
        .beta_fast = 16,
        .magnitude = 0.1 * std::log(4.0) + 1}},
      {"mistral_window",
       {.model_type = "mistral",
        .class_name = "MistralForCausalLM",
        .fields = {{"sliding_window", 7}}},
       {},
       {7, 7}},
      {"qwen2", {.model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .qkv_bias = true}},
      {"qwen2_windows_from_a_layer_on",
       {.model_type = "qwen2",
        .class_name = "Qwen2ForCausalLM",
        .qkv_bias = true,
        .fields = {{"use_sliding_window", true}, {"sliding_window", 5}, {"max_window_layers", 1}}},
       {},
       {0, 5}},
      {"ernie_turns_neighbours",
       {.model_type = "ernie4_5",
        .class_name = "Ernie4_5ForCausalLM",
        .fields = {{"rope_theta", 10000.0}}},
       {.neighbours = true}},
      {"smollm3_leaves_layers_unturned",
       {.model_type = "smollm3",
        .class_name = "SmolLM3ForCausalLM",
        .fields = {{"no_rope_layer_interval", 2}, {"rope_theta", 500.0}}},
       {.without = 2, .theta = 500}},
      {"qwen3", {.model_type = "qwen3", .class_name = "Qwen3ForCausalLM", .qk_norm = true}},
      {"qwen3_windows_by_type",
       {.model_type = "qwen3",
        .class_name = "Qwen3ForCausalLM",
        .qk_norm = true,
        .fields = {{"use_sliding_window", true},
                   {"sliding_window", 9},
                   {"layer_types", Json::Array{"sliding_attention", "full_attention"}}}},
       {},
       {9, 0}},
      {"qwen2_moe", Qwen2MoeSpec()},
  };
}

std::vector<std::int32_t> SomeIds(std::int64_t vocabulary) {
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i < 40; ++i) {
    ids.push_back(static_cast<std::int32_t>((37 * i * i + 11 * i + 5) % vocabulary));
  }
  return ids;
}

class FormulaTest : public ::testing::TestWithParam<FormulaCase> {};

TEST_P(FormulaTest, HoldsForARandomCheckpointOnEveryInstructionSet) {
  const FormulaCase& each = GetParam();
  const TinyModel model = testing::MakeTinyModel(each.spec);
  TempDirectory directory;
  testing::WriteModel(model, directory.path());
  Library library;
  const Network network = library.Import(directory.path(), "tiny");
  const std::vector<std::int32_t> ids = SomeIds(each.spec.vocabulary);
  const std::vector<float> expected = PlainForward(model, each.rope, each.windows).Logits(ids);
  for (const Isa isa : SupportedIsas()) {
    Engine engine(library.store(), {.isa = isa, .max_positions = 64});
    const NetworkId id = *engine.Load(network);
    EXPECT_LE(LargestDifference(LogitsOf(engine, id, ids), expected), 2e-4) << IsaName(isa);
  }
  // The case says something: without its scaling or windows the logits are others.
  if (each.rope.type != "default" || each.rope.neighbours || each.rope.without != 0 ||
      each.windows != std::vector<std::int64_t>{0, 0}) {
    EXPECT_GT(LargestDifference(PlainForward(model, {}, {0, 0}).Logits(ids), expected), 0.01);
  }
}

INSTANTIATE_TEST_SUITE_P(Parity, FormulaTest, ::testing::ValuesIn(FormulaCases()),
                         [](const auto& info) { return info.param.name; });

TEST(Mixture, EncodingLeavesItsRoutersAsTheyAreUnlessTheyAreNamed) {
  TempDirectory directory;
  testing::WriteModel(testing::MakeTinyModel(Qwen2MoeSpec()), directory.path());
  Library library;
  library.Import(directory.path(), "tiny");
  const auto codecs = [&](const std::string& name, const Arguments& arguments) {
    const std::vector<TransformStep> steps = {{*FindTransform("encode"), arguments}};
    const auto derived = Derive(library.catalog(), name, "tiny", steps);
    EXPECT_TRUE(derived.ok()) << derived.error().message;
    std::map<std::string, std::string_view> found;
    for (const NamedTensor& tensor : NamedTensors(derived->network)) {
      found[tensor.name] = tensor.manifest->codec->short_name;
    }
    return found;
  };
  auto encoded = codecs("small", {{"codec", "q8"}});
  EXPECT_EQ(encoded["layers.1.moe.router"], "f32");
  EXPECT_EQ(encoded["layers.1.moe.shared_gate"], "f32");
  EXPECT_EQ(encoded["layers.1.moe.experts.5.down"], "q8");
  encoded = codecs("smaller", {{"codec", "q8"}, {"tensors", "layers.1.moe.router"}});
  EXPECT_EQ(encoded["layers.1.moe.router"], "q8");
  EXPECT_EQ(encoded["layers.1.moe.experts.5.down"], "f32");
}

TEST(Mixture, EvalExpertsCountsTheExpertsOfEveryToken) {
  TempDirectory directory;
  TinySpec spec = Qwen2MoeSpec();
  spec.vocabulary = 4096;  // the demo's, whose tokenizer it takes
  testing::WriteModel(testing::MakeTinyModel(spec), directory / "model");
  std::filesystem::copy_file(testing::DemoModel() / "tokenizer.json",
                             directory / "model/tokenizer.json");
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text += fmt::format("Line {} of a text that is read.\n", i);
  }
  testing::WriteText(directory / "text", text);
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", directory / "model", "--as", "mixture"}).exit_code, 0);
  std::vector<std::string> words = {"eval",   "experts",          "mixture",
                                    "--text", directory / "text", "--window",
                                    "64",     "--windows",        "3"};
  const auto printed = ashlar(words);
  EXPECT_EQ(printed.exit_code, 0) << printed.err;
  EXPECT_NE(printed.out.find("mixture: % of 192 tokens (3 windows of 64) by expert\n"
                             "layers.1.moe: 2 of 6 experts; a token shares "),
            std::string::npos)
      << printed.out;
  words.push_back("--json");
  const Json json = *ParseJson(ashlar(words).out);
  const JsonCursor root(json);
  EXPECT_EQ(*root.Integer("tokens", 0, 1000), 192);
  const auto mixtures = root.At("mixtures")->AsArray();
  ASSERT_EQ(mixtures->size(), 1u);
  const auto counts = mixtures->front().At("uses")->AsArray();
  ASSERT_EQ(counts->size(), 6u);
  std::int64_t uses = 0;
  for (const JsonCursor& count : *counts) {
    uses += *count.AsInteger(0, 192);
  }
  EXPECT_EQ(uses, 2 * 192);
  EXPECT_GT(*mixtures->front().Real("overlap"), 0);
  EXPECT_LT(*mixtures->front().Real("overlap"), 1);

  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel(), "--as", "demo"}).exit_code, 0);
  words[2] = "demo";
  EXPECT_NE(ashlar(words).err.find("demo has no mixture of experts"), std::string::npos);
}

}  // namespace
}  // namespace ashlar
