#include "ashlar/kinds/moe/moe.h"

#include <algorithm>
#include <numeric>

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::MatVec;
using testing::TestBatch;
using testing::TestBlock;

constexpr std::int64_t kMoeWidth = 64;
constexpr std::int64_t kMoeRows = 23;

const AttributeMap kMixtral = {{"width", kMoeWidth},
                               {"experts", std::int64_t{7}},
                               {"experts_per_token", std::int64_t{3}},
                               {"channels", std::int64_t{96}},
                               {"normalized", std::int64_t{1}},
                               {"form", "gated"},
                               {"activation", "silu"}};
const AttributeMap kDeepSeek = Changed(kMixtral, {{"experts", std::int64_t{12}},
                                                  {"scoring", "sigmoid"},
                                                  {"scaling", 2.5},
                                                  {"groups", std::int64_t{4}},
                                                  {"groups_per_token", std::int64_t{2}},
                                                  {"selection_bias", std::int64_t{1}},
                                                  {"shared_channels", std::int64_t{32}}});
const AttributeMap kGptOss = Changed(kMixtral, {{"bias", std::int64_t{1}},
                                                {"router_bias", std::int64_t{1}},
                                                {"gate_gain", 1.702},
                                                {"clamp", 0.3},
                                                {"up_offset", 1.0}});

// One row, by the formula in doubles.
class MoeFormula {
 public:
  explicit MoeFormula(const TestBlock& block) : block_(block), attributes_(block.attributes()) {}

  Doubles operator()(const Doubles& x) const {
    Doubles n = x;
    if (attributes_.Choice("norm") == "rms") {
      n = testing::RmsNormed(x, block_.tensor("norm.weight").values, 0,
                             attributes_.Real("norm_eps"));
    }
    Doubles y(kMoeWidth);
    if (attributes_.Integer("shared_channels") > 0) {
      double gate = 1;
      if (block_.has("shared_gate")) {
        gate = 1 / (1 + std::exp(-MatVec(block_.tensor("shared_gate"), nullptr, n)[0]));
      }
      Add(gate, Expert("shared", n), y);
    }
    for (const auto& [expert, weight] : Weights(n)) {
      Add(weight, Expert("experts." + std::to_string(expert), n), y);
    }
    for (double& v : y) {
      v *= attributes_.Real("multiplier");
    }
    return y;
  }

  // The chosen experts with their weights.
  std::map<std::size_t, double> Weights(const Doubles& n) const {
    Doubles score = Project("router", n);
    double sum = 0;
    for (double& s : score) {
      s = attributes_.Choice("scoring") == "softmax" ? std::exp(s) : 1 / (1 + std::exp(-s));
      sum += s;
    }
    Doubles rank;
    for (std::size_t e = 0; e < score.size(); ++e) {
      score[e] /= attributes_.Choice("scoring") == "softmax" ? sum : 1;
      rank.push_back(score[e] + (block_.has("router.selection_bias")
                                     ? block_.tensor("router.selection_bias").values[e]
                                     : 0));
    }
    const std::vector<std::size_t> allowed = InBestGroups(rank);
    std::map<std::size_t, double> weights;
    double chosen_sum = 0;
    for (const std::size_t e : Largest(rank, allowed, Count("experts_per_token"))) {
      weights[e] = score[e];
      chosen_sum += score[e];
    }
    for (auto& [e, weight] : weights) {
      weight *=
          attributes_.Real("scaling") / (attributes_.Integer("normalized") != 0 ? chosen_sum : 1);
    }
    return weights;
  }

 private:
  std::size_t Count(const char* name) const {
    return static_cast<std::size_t>(attributes_.Integer(name));
  }
  static std::vector<std::size_t> Largest(const Doubles& of, std::vector<std::size_t> among,
                                          std::size_t count) {
    std::ranges::sort(among, [&](std::size_t a, std::size_t b) { return of[a] > of[b]; });
    among.resize(count);
    return among;
  }
  std::vector<std::size_t> InBestGroups(const Doubles& rank) const {
    std::vector<std::size_t> all(rank.size());
    std::iota(all.begin(), all.end(), 0);
    if (Count("groups") == 0) {
      return all;
    }
    const std::size_t size = rank.size() / Count("groups");
    Doubles of_group;
    std::vector<std::size_t> groups;
    for (std::size_t g = 0; g < Count("groups"); ++g) {
      const std::vector<std::size_t> own(all.begin() + static_cast<std::ptrdiff_t>(g * size),
                                         all.begin() + static_cast<std::ptrdiff_t>((g + 1) * size));
      const bool by_best = attributes_.Choice("group_rank") == "best";
      const auto best = Largest(rank, own, 2);
      of_group.push_back(rank[best[0]] + (by_best ? 0 : rank[best[1]]));
      groups.push_back(g);
    }
    std::vector<std::size_t> allowed;
    for (const std::size_t g : Largest(of_group, groups, Count("groups_per_token"))) {
      for (std::size_t e = g * size; e < (g + 1) * size; ++e) {
        allowed.push_back(e);
      }
    }
    return allowed;
  }
  Doubles Project(const std::string& name, const Doubles& x) const {
    return MatVec(block_.tensor(name),
                  block_.has(name + ".bias") ? &block_.tensor(name + ".bias") : nullptr, x);
  }
  Doubles Expert(const std::string& name, const Doubles& n) const {
    Doubles hidden = Project(name + ".up", n);
    if (attributes_.Choice("form") == "gated") {
      const Doubles gates = Project(name + ".gate", n);
      const double clamp = attributes_.Real("clamp") == 0 ? 1e30 : attributes_.Real("clamp");
      for (std::size_t i = 0; i < hidden.size(); ++i) {
        const double gate = std::min(gates[i], clamp);
        hidden[i] = gate / (1 + std::exp(-attributes_.Real("gate_gain") * gate)) *
                    (std::clamp(hidden[i], -clamp, clamp) + attributes_.Real("up_offset"));
      }
    } else {
      for (double& h : hidden) {
        h = std::max(h, 0.0);
      }
    }
    return Project(name + ".down", hidden);
  }
  static void Add(double weight, const Doubles& from, Doubles& to) {
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] += weight * from[i];
    }
  }

  const TestBlock& block_;
  const Attributes& attributes_;
};

TestBatch RandomRows(std::uint32_t seed) {
  std::mt19937 random(seed);
  return {.x = testing::RandomFloats(kMoeRows * kMoeWidth, random), .rows = kMoeRows};
}

void ExpectMoeRows(const AttributeMap& attributes, std::string_view codec = "f32",
                   double bound = 3e-6) {
  TestBlock block(kMoe, attributes, codec, 1);
  const MoeFormula formula(block);
  const TestBatch batch = RandomRows(2);
  Doubles expected;
  for (std::int64_t row = 0; row < kMoeRows; ++row) {
    const Doubles y = formula(testing::RowOf(batch.x, row, kMoeWidth));
    expected.insert(expected.end(), y.begin(), y.end());
  }
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    const auto y = testing::Run(*block.Bind(isa), kMoe.interface(block.attributes()), batch, pool);
    EXPECT_LT(testing::RelativeError(y, expected), bound) << IsaName(isa);
  }
}

TEST(Moe, IsTheFormulaForSoftmaxOverTheChosenOrOverAll) {
  ExpectMoeRows(kMixtral);
  ExpectMoeRows(Changed(kMixtral, {{"normalized", std::int64_t{0}}}));
  ExpectMoeRows(
      Changed(kMixtral, {{"experts_per_token", std::int64_t{1}}, {"normalized", std::int64_t{0}}}));
  ExpectMoeRows(Changed(kMixtral, {{"experts_per_token", std::int64_t{7}}}));
}

TEST(Moe, IsTheFormulaForSigmoidsGroupsBiasScalingAndASharedExpert) {
  ExpectMoeRows(kDeepSeek);
  ExpectMoeRows(Changed(kDeepSeek, {{"shared_gate", std::int64_t{1}}}));
  ExpectMoeRows(Changed(kDeepSeek, {{"normalized", std::int64_t{0}}}));
  ExpectMoeRows(
      Changed(kDeepSeek, {{"groups", std::int64_t{0}}, {"groups_per_token", std::int64_t{0}}}));
  ExpectMoeRows(Changed(kDeepSeek, {{"group_rank", "best"}}));
  ExpectMoeRows(Changed(kDeepSeek, {{"group_rank", "best"},
                                    {"scoring", "softmax"},
                                    {"selection_bias", std::int64_t{0}},
                                    {"normalized", std::int64_t{0}}}));
}

TEST(Moe, HasBiasesAndABentGate) {
  ExpectMoeRows(kGptOss);
}

TEST(Moe, HasNormsAndAMultiplierAndPlainExperts) {
  ExpectMoeRows(Changed(kMixtral, {{"norm", "rms"}, {"norm_eps", 1e-6}, {"multiplier", 0.22}}));
  ExpectMoeRows(Changed(kMixtral, {{"form", "plain"}, {"activation", "relu"}}));
}

// (The router stays in f32, so that the same experts are chosen.)
TEST(Moe, ComputesOnInt8RowsWithinTheirRounding) {
  ExpectMoeRows(kMixtral, "q8", 0.02);
  ExpectMoeRows(kDeepSeek, "q4", 0.02);
}

// More pairs of rows and experts than are computed side by side.
TEST(Moe, IsTheSameToTheBitHoweverManyRowsThereAre) {
  for (const char* codec : {"f32", "q8"}) {
    TestBlock block(kMoe, Changed(kMixtral, {{"experts_per_token", std::int64_t{5}}}), codec, 1);
    const Interface interface = kMoe.interface(block.attributes());
    std::mt19937 random(3);
    constexpr std::int64_t kMany = 150;
    const TestBatch all = {.x = testing::RandomFloats(kMany * kMoeWidth, random), .rows = kMany};
    ThreadPool pool(3);
    const auto bound = block.Bind(testing::SupportedIsas().back());
    const std::vector<float> together = testing::Run(*bound, interface, all, pool);
    for (std::int64_t row = 0; row < kMany; row += 7) {
      const auto at = row * kMoeWidth;
      const TestBatch one = {.x = {all.x.begin() + at, all.x.begin() + at + kMoeWidth}, .rows = 1};
      ASSERT_TRUE(testing::SameBits(testing::Run(*bound, interface, one, pool),
                                    {together.begin() + at, together.begin() + at + kMoeWidth}))
          << codec << " row " << row;
    }
  }
}

TEST(Moe, ChoosesTheFirstOfEqualExperts) {
  TestBlock block(kMoe, Changed(kMixtral, {{"experts_per_token", std::int64_t{1}}}), "f32", 1);
  // All rows of the router alike: the scores are equal.
  std::ranges::fill(block.tensor("router").packed.span(), std::byte{0});
  const TestBatch batch = RandomRows(4);
  ThreadPool pool(1);
  const auto y = testing::Run(*block.Bind(testing::SupportedIsas().back()),
                              kMoe.interface(block.attributes()), batch, pool);
  TestBlock only = block.Cut({{"experts", 1}});
  EXPECT_TRUE(testing::SameBits(y, testing::Run(*only.Bind(testing::SupportedIsas().back()),
                                                kMoe.interface(only.attributes()), batch, pool)));
}

// Weights that are no numbers give results that are none, and no crash.
TEST(Moe, SurvivesARouterThatIsNoNumber) {
  for (const AttributeMap& attributes : {kMixtral, kDeepSeek}) {
    TestBlock block(kMoe, attributes, "f32", 1);
    std::ranges::fill(block.tensor("router").packed.span(), std::byte{0xff});
    ThreadPool pool(1);
    const auto y = testing::Run(*block.Bind(testing::SupportedIsas().back()),
                                kMoe.interface(block.attributes()), RandomRows(5), pool);
    EXPECT_TRUE(std::ranges::all_of(y, [](float v) { return std::isnan(v); }));
  }
}

TEST(Moe, HasATensorForEachMatrixOfEachExpert) {
  const Attributes attributes = *Attributes::Make(
      kMoe.attributes,
      Changed(kDeepSeek, {{"experts", std::int64_t{8}}, {"shared_gate", std::int64_t{1}}}));
  std::map<std::string, std::pair<TensorRole, Shape>> found;
  for (const TensorSpec& spec : testing::TensorsOf(kMoe, attributes)) {
    found[spec.name] = {spec.role, spec.shape};
  }
  EXPECT_EQ(found.size(), 3u * 8 + 3 + 3);
  EXPECT_EQ(found["router"], (std::pair{TensorRole::kRouter, Shape{8, kMoeWidth}}));
  EXPECT_EQ(found["router.selection_bias"], (std::pair{TensorRole::kVector, Shape{8}}));
  EXPECT_EQ(found["experts.7.gate"], (std::pair{TensorRole::kMatrix, Shape{96, kMoeWidth}}));
  EXPECT_EQ(found["experts.7.down"], (std::pair{TensorRole::kMatrix, Shape{kMoeWidth, 96}}));
  EXPECT_EQ(found["shared.up"], (std::pair{TensorRole::kMatrix, Shape{32, kMoeWidth}}));
  EXPECT_EQ(found["shared_gate"], (std::pair{TensorRole::kRouter, Shape{1, kMoeWidth}}));
}

TEST(Moe, CostsTheExpertsThatARowIsSentTo) {
  const Attributes attributes = *Attributes::Make(kMoe.attributes, kDeepSeek);
  EXPECT_EQ(kMoe.cost(attributes).flops, 2 * 64 * (3 * (3 * 96 + 32) + 12));
}

TEST(Moe, RefusesAttributesByName) {
  const auto error = [](const AttributeMap& changes) {
    return ErrorOf(kMoe, Changed(kDeepSeek, changes));
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({{"experts_per_token", std::int64_t{13}}}),
            "experts_per_token 13 is more than the 12 experts");
  EXPECT_EQ(error({{"groups", std::int64_t{5}}}),
            "attribute \"groups\" must be at least 2, and part the 12 experts evenly into groups "
            "of at least 2; found 5");
  EXPECT_EQ(error({{"groups_per_token", std::int64_t{4}}}),
            "attribute \"groups_per_token\" must be below groups 4, and leave at least "
            "experts_per_token 3 experts to choose from; found 4");
  EXPECT_EQ(error({{"groups_per_token", std::int64_t{1}}, {"experts_per_token", std::int64_t{4}}}),
            "attribute \"groups_per_token\" must be below groups 4, and leave at least "
            "experts_per_token 4 experts to choose from; found 1");
  EXPECT_EQ(error({{"groups", std::int64_t{0}}}),
            "attribute \"groups_per_token\" has no meaning when groups is 0; leave it out");
  EXPECT_EQ(error({{"shared_channels", std::int64_t{0}}, {"shared_gate", std::int64_t{1}}}),
            "attribute \"shared_gate\" has no meaning when there is no shared expert; leave it "
            "out");
  EXPECT_EQ(error({{"form", "plain"}, {"clamp", 7.0}}),
            "attribute \"clamp\" has no meaning when form is plain; leave it out");
  EXPECT_EQ(error({{"clamp", -7.0}}), "attribute \"clamp\" must be at least 0, found -7");
  EXPECT_EQ(error({{"scaling", 0.0}}), "attribute \"scaling\" must be above 0, found 0");
}

TEST(Moe, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kMoe, kMixtral).digest().ToString(),
            "sha256:cd1885aae4f5d4e27c5d662ab39452e0b600bb6d3c3ab186d001669c1547dee2");
  EXPECT_EQ(testing::LiteralBlock(kMoe, kDeepSeek).digest().ToString(),
            "sha256:47333b96fc0cae4c6379c1e825c04ca330d511d3b72a8b2d640e5debd6a7311f");
}

}  // namespace
}  // namespace ashlar
