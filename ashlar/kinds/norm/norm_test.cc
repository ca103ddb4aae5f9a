#include "ashlar/kinds/norm/norm.h"

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::TestBatch;
using testing::TestBlock;

const AttributeMap kRms = {{"width", std::int64_t{50}}, {"type", "rms"}, {"eps", 1e-5}};
const AttributeMap kLayer = {{"width", std::int64_t{50}}, {"type", "layer"}, {"eps", 1e-5}};

// Five rows of a block against `expected(row)`, for every instruction set.
template <class ExpectedNorm>
void ExpectNormRows(const AttributeMap& attributes, const ExpectedNorm& expected) {
  TestBlock block(kNorm, attributes, "f32", 1);
  std::mt19937 random(2);
  TestBatch batch{.x = testing::RandomFloats(5 * 50, random, 3), .rows = 5};
  Doubles all;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const Doubles y = expected(block, testing::RowOf(batch.x, row, 50));
    all.insert(all.end(), y.begin(), y.end());
  }
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    testing::ExpectNear(
        testing::Run(*block.Bind(isa), kNorm.interface(block.attributes()), batch, pool), all,
        2e-6);
  }
}

TEST(Norm, IsTheRootMeanSquareNorm) {
  ExpectNormRows(kRms, [](const TestBlock& block, const Doubles& x) {
    return testing::RmsNormed(x, block.tensor("weight").values, 0, 1e-5);
  });
}

TEST(Norm, AddsTheOffsetToTheWeight) {
  ExpectNormRows(Changed(kRms, {{"offset", 1.0}}), [](const TestBlock& block, const Doubles& x) {
    return testing::RmsNormed(x, block.tensor("weight").values, 1, 1e-5);
  });
}

TEST(Norm, IsTheLayerNorm) {
  ExpectNormRows(kLayer, [](const TestBlock& block, const Doubles& x) {
    EXPECT_FALSE(block.has("bias"));
    return testing::LayerNormed(x, block.tensor("weight").values, {}, 1e-5);
  });
}

TEST(Norm, IsTheLayerNormWithABias) {
  ExpectNormRows(Changed(kLayer, {{"bias", std::int64_t{1}}}),
                 [](const TestBlock& block, const Doubles& x) {
                   return testing::LayerNormed(x, block.tensor("weight").values,
                                               block.tensor("bias").values, 1e-5);
                 });
}

TEST(Norm, RefusesAttributesByName) {
  EXPECT_EQ(ErrorOf(kNorm, Changed(kRms, {{"eps", 0.0}})),
            "attribute \"eps\" must be above 0, found 0");
  EXPECT_EQ(ErrorOf(kNorm, Changed(kRms, {{"bias", std::int64_t{1}}})),
            "attribute \"bias\" has no meaning when the type is rms; leave it out");
  EXPECT_EQ(ErrorOf(kNorm, Changed(kRms, {{"type", "none"}})),
            "attribute \"type\" must be one of rms, layer, found \"none\"");
}

TEST(Norm, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kNorm, kRms).digest().ToString(),
            "sha256:bc4ef73f1b1fc68a9f4297385956c4fb4ef21aaa26f5aaf99d32716f4fc24229");
  EXPECT_EQ(testing::LiteralBlock(kNorm, Changed(kRms, {{"offset", 0.0}})).digest().ToString(),
            "sha256:bc4ef73f1b1fc68a9f4297385956c4fb4ef21aaa26f5aaf99d32716f4fc24229");
}

}  // namespace
}  // namespace ashlar
