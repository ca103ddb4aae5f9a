// DeepSeek-V2 from its config.json to its logits: imported networks compute what its authors'
// report and code say, written out in doubles, on random checkpoints. (Latent attention whose keys
// and values are made for every head, scores scaled for the stretch of positions, and experts
// chosen by shares of a softmax that stay as they are.)
#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_evidence.h"
#include "tests/support/imported.h"
#include "tests/support/random_model.h"
#include "tests/support/rope_formula.h"

namespace ashlar {
namespace {

using Row = std::vector<double>;

constexpr std::int64_t kWidth = 64, kLayers = 3, kHeads = 4, kExperts = 12, kChosen = 3;
constexpr std::int64_t kLatent = 24, kPlain = 16, kRotated = 8, kValue = 16, kVocabulary = 128;
constexpr double kNormEps = 1e-5, kLatentNormEps = 1e-6, kScaling = 1.5;
constexpr double kFactor = 40, kMscaleOfAll = 0.707;
constexpr std::int64_t kOriginal = 64;

double Mscale(double of) {
  return 0.1 * of * std::log(kFactor) + 1;
}

// What differs from one published form to the other.
struct Form {
  std::string name, doc;
  std::int64_t query_latent = 0;   // 0: queries come straight from the row
  double mscale = kMscaleOfAll;    // turned vectors are longer by its part of that of all
  std::int64_t groups = 1;         // experts are chosen from the best two
  std::int64_t best_of_group = 1;  // so many of its experts say how good a group is
  double score_mscale = kMscaleOfAll;
};
void PrintTo(const Form& form, std::ostream* os) {
  *os << form.name;
}

Json ConfigOf(const Form& form) {
  Json config = Json::Of({
      {"model_type", "deepseek_v2"},
      {"hidden_size", kWidth},
      {"intermediate_size", 96},
      {"num_hidden_layers", kLayers},
      {"num_attention_heads", kHeads},
      {"num_key_value_heads", kHeads},
      {"vocab_size", kVocabulary},
      {"max_position_embeddings", 2560},
      {"rms_norm_eps", kNormEps},
      {"first_k_dense_replace", 1},
      {"kv_lora_rank", kLatent},
      {"q_lora_rank", form.query_latent == 0 ? Json(nullptr) : Json(form.query_latent)},
      {"qk_nope_head_dim", kPlain},
      {"qk_rope_head_dim", kRotated},
      {"v_head_dim", kValue},
      {"moe_intermediate_size", 32},
      {"n_routed_experts", kExperts},
      {"num_experts_per_tok", kChosen},
      {"n_shared_experts", 2},
      {"routed_scaling_factor", kScaling},
      {"norm_topk_prob", false},
      {"scoring_func", "softmax"},
      {"topk_method", form.groups == 1 ? "greedy" : "group_limited_greedy"},
      {"n_group", form.groups},
      {"topk_group", form.groups == 1 ? 1 : 2},
      {"rope_scaling", Json::Of({{"type", "yarn"},
                                 {"factor", kFactor},
                                 {"mscale", form.mscale},
                                 {"mscale_all_dim", kMscaleOfAll},
                                 {"original_max_position_embeddings", kOriginal}})},
  });
  return config;
}

class DeepSeekForward {
 public:
  DeepSeekForward(const SafetensorsFile& file, const Form& form)
      : file_(file),
        form_(form),
        rope_({.type = "yarn",
               .factor = kFactor,
               .original = kOriginal,
               .magnitude = Mscale(form.mscale) / Mscale(kMscaleOfAll),
               .neighbours = true}) {}

  std::vector<float> Logits(const std::vector<std::int32_t>& ids) {
    keys_.assign(kLayers, {});
    values_.assign(kLayers, {});
    std::vector<float> logits;
    for (std::size_t position = 0; position < ids.size(); ++position) {
      const std::vector<float> embeddings = Weight("model.embed_tokens.weight");
      const auto own = embeddings.begin() + ids[position] * kWidth;
      Row x(own, own + kWidth);
      for (std::int64_t layer = 0; layer < kLayers; ++layer) {
        const std::string name = "model.layers." + std::to_string(layer) + ".";
        Add(1,
            Attention(name + "self_attn.", layer, static_cast<std::int64_t>(position),
                      Normed(name + "input_layernorm.weight", kNormEps, x)),
            x);
        const Row normed = Normed(name + "post_attention_layernorm.weight", kNormEps, x);
        Add(1, layer == 0 ? Mlp(name + "mlp.", normed) : Mixture(name + "mlp.", normed), x);
      }
      for (const double logit : Linear("lm_head", Normed("model.norm.weight", kNormEps, x))) {
        logits.push_back(static_cast<float>(logit));
      }
    }
    return logits;
  }

 private:
  std::vector<float> Weight(const std::string& name) const {
    return testing::NumbersOf<float>(file_, name);
  }
  static void Add(double weight, const Row& from, Row& to) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] += weight * from[i];
    }
  }
  Row Normed(const std::string& name, double eps, const Row& x) const {
    const double squares = std::inner_product(x.begin(), x.end(), x.begin(), 0.0);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
    const std::vector<float> weight = Weight(name);
    Row y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      y.push_back(x[i] * scale * weight[i]);
    }
    return y;
  }
  Row Linear(const std::string& name, const Row& x) const {
    const std::vector<float> weight = Weight(name + ".weight");
    Row y(weight.size() / x.size());
    for (std::size_t out = 0; out < y.size(); ++out) {
      for (std::size_t in = 0; in < x.size(); ++in) {
        y[out] += static_cast<double>(weight[out * x.size() + in]) * x[in];
      }
    }
    return y;
  }
  static Row Piece(const Row& x, std::int64_t first, std::int64_t count) {
    return {x.begin() + first, x.begin() + first + count};
  }

  Row Attention(const std::string& name, std::int64_t layer, std::int64_t position, const Row& x) {
    const Row queries =
        form_.query_latent == 0
            ? Linear(name + "q_proj", x)
            : Linear(name + "q_b_proj", Normed(name + "q_a_layernorm.weight", kLatentNormEps,
                                               Linear(name + "q_a_proj", x)));
    const Row down = Linear(name + "kv_a_proj_with_mqa", x);
    const Row up = Linear(name + "kv_b_proj", Normed(name + "kv_a_layernorm.weight", kLatentNormEps,
                                                     Piece(down, 0, kLatent)));
    const Row turned = testing::Turned(rope_, Piece(down, kLatent, kRotated), position);
    std::vector<Row> keys, values;
    for (std::int64_t head = 0; head < kHeads; ++head) {
      keys.push_back(Piece(up, head * (kPlain + kValue), kPlain));
      keys.back().insert(keys.back().end(), turned.begin(), turned.end());
      values.push_back(Piece(up, head * (kPlain + kValue) + kPlain, kValue));
    }
    keys_[layer].push_back(keys);
    values_[layer].push_back(values);

    const double scale =
        std::pow(Mscale(form_.score_mscale), 2) / std::sqrt(static_cast<double>(kPlain + kRotated));
    Row joined;
    for (std::int64_t head = 0; head < kHeads; ++head) {
      Row query = Piece(queries, head * (kPlain + kRotated), kPlain);
      const Row rotated = testing::Turned(
          rope_, Piece(queries, head * (kPlain + kRotated) + kPlain, kRotated), position);
      query.insert(query.end(), rotated.begin(), rotated.end());
      Row out(kValue);
      double sum = 0;
      for (std::int64_t seen = 0; seen <= position; ++seen) {
        const Row& key = keys_[layer][seen][head];
        const double weight =
            std::exp(scale * std::inner_product(query.begin(), query.end(), key.begin(), 0.0));
        sum += weight;
        Add(weight, values_[layer][seen][head], out);
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

  // The numbers of the `count` largest.
  static std::vector<std::int64_t> Largest(const Row& of, std::int64_t count) {
    std::vector<std::int64_t> order(of.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, [&](std::int64_t a, std::int64_t b) { return of[a] > of[b]; });
    order.resize(count);
    return order;
  }
  Row Mixture(const std::string& name, const Row& x) const {
    Row share = Linear(name + "gate", x);
    double sum = 0;
    for (double& each : share) {
      each = std::exp(each);
      sum += each;
    }
    for (double& each : share) {
      each /= sum;
    }
    Row among = share;
    if (form_.groups > 1) {
      const std::int64_t size = kExperts / form_.groups;
      Row of_group;
      for (std::int64_t group = 0; group < form_.groups; ++group) {
        const Row own = Piece(share, group * size, size);
        double rank = 0;
        for (const std::int64_t expert : Largest(own, form_.best_of_group)) {
          rank += own[expert];
        }
        of_group.push_back(rank);
      }
      among.assign(share.size(), 0);
      for (const std::int64_t group : Largest(of_group, 2)) {
        std::copy_n(share.begin() + group * size, size, among.begin() + group * size);
      }
    }
    Row y = Mlp(name + "shared_experts.", x);
    for (const std::int64_t expert : Largest(among, kChosen)) {
      Add(kScaling * share[expert], Mlp(name + "experts." + std::to_string(expert) + ".", x), y);
    }
    return y;
  }

  const SafetensorsFile& file_;
  const Form form_;
  const testing::Rope rope_;
  std::vector<std::vector<std::vector<Row>>> keys_;  // [layer][position][head]
  std::vector<std::vector<std::vector<Row>>> values_;
};

class DeepSeekV2Test : public ::testing::TestWithParam<Form> {};

TEST_P(DeepSeekV2Test, IsItsAuthorsFormulaOnEveryInstructionSet) {
  const Form& form = GetParam();
  const TempDirectory directory;
  testing::WriteRandomModel(ConfigOf(form), directory.path());
  testing::Library library;
  const Network network = library.Import(directory.path(), "random");
  const SafetensorsFile file = *SafetensorsFile::Open(directory / "model.safetensors");
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i < 40; ++i) {
    ids.push_back((37 * i * i + 11 * i + 5) % static_cast<std::int32_t>(kVocabulary));
  }
  const std::vector<float> expected = DeepSeekForward(file, form).Logits(ids);
  double largest = 0;
  for (const Isa isa : testing::SupportedIsas()) {
    Engine engine(library.store(), {.isa = isa, .max_positions = 64});
    const double difference =
        testing::LargestDifference(testing::LogitsOf(engine, *engine.Load(network), ids), expected);
    EXPECT_LE(difference, 2e-4) << IsaName(isa);
    largest = difference <= largest ? largest : difference;
  }
  Record({"Architectures", "deepseek_v2", "its authors' formula in doubles: " + form.doc,
          fmt::format("largest difference of a logit {:.1e}", largest), largest <= 2e-4});
  // What is held here matters here.
  Form other = form;
  other.score_mscale = 0;
  EXPECT_GT(testing::LargestDifference(DeepSeekForward(file, other).Logits(ids), expected), 0.01);
  if (form.groups > 1) {
    other = form;
    other.best_of_group = 2;
    EXPECT_GT(testing::LargestDifference(DeepSeekForward(file, other).Logits(ids), expected), 0.01);
  }
}

INSTANTIATE_TEST_SUITE_P(Formula, DeepSeekV2Test,
                         ::testing::Values(Form{.name = "greedy",
                                                .doc = "experts from all, as V2-Lite"},
                                           Form{.name = "greedy_longer_when_turned",
                                                .doc = "turned vectors of another length",
                                                .mscale = 1},
                                           Form{.name = "in_groups",
                                                .doc = "experts from the best groups, as V2",
                                                .query_latent = 40,
                                                .groups = 4}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ashlar
