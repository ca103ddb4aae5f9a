#include "ashlar/kinds/wkv/wkv.h"

#include <algorithm>

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::TestBatch;
using testing::TestBlock;
using testing::TestPages;

constexpr std::int64_t kWkvWidth = 32;
constexpr std::int64_t kWkvRows = 37;  // three pages, the last one in part

const AttributeMap kPlainWkv = {{"width", kWkvWidth}, {"channels", std::int64_t{96}}};
const AttributeMap kRwkv =
    Changed(kPlainWkv, {{"norm", "layer"}, {"norm_eps", 1e-5}, {"norm_bias", std::int64_t{1}}});

// The block on one sequence by the paper's sums, each from the first row on.
Doubles WkvFormula(const TestBlock& block, const std::vector<float>& input) {
  const Attributes& attributes = block.attributes();
  const auto values = [&](const std::string& name) -> const std::vector<double>& {
    return block.tensor(name).values;
  };
  Doubles before(kWkvWidth);
  std::vector<Doubles> keys;
  std::vector<Doubles> rows;
  Doubles all;
  for (std::int64_t row = 0; row < kWkvRows; ++row) {
    Doubles n = testing::RowOf(input, row, kWkvWidth);
    if (attributes.Choice("norm") == "layer") {
      n = testing::LayerNormed(n, values("norm.weight"), values("norm.bias"), 1e-5);
    }
    const auto project = [&](const std::string& name) {
      Doubles mixed(kWkvWidth);
      for (std::size_t i = 0; i < mixed.size(); ++i) {
        const double mix = values("mix." + name)[i];
        mixed[i] = mix * n[i] + (1 - mix) * before[i];
      }
      return testing::MatVec(block.tensor(name), nullptr, mixed);
    };
    keys.push_back(project("k"));
    rows.push_back(project("v"));
    const Doubles gate = project("gate");
    before = n;
    Doubles y(keys.back().size());
    for (std::size_t c = 0; c < y.size(); ++c) {
      const double rate = -std::exp(values("decay_log")[c]);
      double sum = 0;
      double weights = 0;
      for (std::int64_t i = 0; i <= row; ++i) {
        const double weight = std::exp(
            keys[i][c] + (i == row ? values("bonus")[c] : static_cast<double>(row - 1 - i) * rate));
        sum += weight * rows[i][c];
        weights += weight;
      }
      y[c] = sum / weights / (1 + std::exp(-gate[c]));
    }
    for (const double out : testing::MatVec(block.tensor("o"), nullptr, y)) {
      all.push_back(out * attributes.Real("multiplier"));
    }
  }
  return all;
}

void ExpectWkvRows(const AttributeMap& attributes, std::string_view codec = "f32",
                   double bound = 3e-6, float scale = 1) {
  TestBlock block(kWkv, attributes, codec, 1);
  const Interface interface = kWkv.interface(block.attributes());
  std::mt19937 random(2);
  TestBatch batch{.x = testing::RandomFloats(kWkvRows * kWkvWidth, random, scale)};
  const Doubles expected = WkvFormula(block, batch.x);
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    const TestPages pages(interface);
    batch.segments.clear();
    batch.rows = 0;
    batch.Add(kWkvRows, 0, pages.get());
    const auto y = testing::Run(*block.Bind(isa), interface, batch, pool);
    EXPECT_LT(testing::RelativeError(y, expected), bound) << IsaName(isa);
  }
}

TEST(Wkv, IsTheWeightedMeanOfTheRowsSoFar) {
  ExpectWkvRows(kPlainWkv);
  ExpectWkvRows(kRwkv);
  ExpectWkvRows(Changed(kRwkv, {{"multiplier", 0.5}}));
}

// exp(k) of such keys is no f32, nor is its inverse.
TEST(Wkv, KeysMayBeFarFromZero) {
  ExpectWkvRows(kPlainWkv, "f32", 1e-4, 100);
}

TEST(Wkv, ComputesOnInt8RowsWithinTheirRounding) {
  ExpectWkvRows(kRwkv, "q8", 0.03);
}

TEST(Wkv, CarriesThreeNumbersOfAChannelAndTheLastRow) {
  const Interface interface = kWkv.interface(*Attributes::Make(kWkv.attributes, kRwkv));
  EXPECT_EQ(interface.state_floats, 0);
  EXPECT_EQ(interface.carried_floats, 3 * 96 + 32);
  EXPECT_EQ(interface.state_shape, "wkv:96x3+32");
}

TEST(Wkv, CostsItsMatrices) {
  EXPECT_EQ(kWkv.cost(*Attributes::Make(kWkv.attributes, kRwkv)).flops,
            8 * 32 * 96 + 9 * 32 + 20 * 96);
}

TEST(Wkv, RefusesAttributesByName) {
  EXPECT_EQ(ErrorOf(kWkv, kRwkv), "");
  EXPECT_EQ(ErrorOf(kWkv, Changed(kPlainWkv, {{"norm_eps", 1e-5}})),
            "attribute \"norm_eps\" has no meaning when the block has no norm; leave it out");
}

TEST(Wkv, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kWkv, kPlainWkv).digest().ToString(),
            "sha256:278d56adf94a6241a36202f589074951e5a6ec030e95ea9833449100440d1614");
  EXPECT_EQ(testing::LiteralBlock(kWkv, kRwkv).digest().ToString(),
            "sha256:cd11cd6605155b3232d4b80e4b048e420d4fbccdcac1b085a532bded12805170");
}

}  // namespace
}  // namespace ashlar
