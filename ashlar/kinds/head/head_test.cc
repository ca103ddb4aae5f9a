#include "ashlar/kinds/head/head.h"

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::TestBatch;
using testing::TestBlock;

const AttributeMap kSmallHead = {{"width", std::int64_t{64}}, {"vocabulary", std::int64_t{101}}};

// Four rows against multiplier and cap on W x + b, for every instruction set.
void ExpectHeadRows(const AttributeMap& attributes, double multiplier, double soft_cap) {
  TestBlock block(kHead, attributes, "f32", 1);
  std::mt19937 random(2);
  TestBatch batch{.x = testing::RandomFloats(4 * 64, random), .rows = 4};
  Doubles all;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    for (const double s : testing::MatVec(block.tensor("weight"),
                                          block.has("bias") ? &block.tensor("bias") : nullptr,
                                          testing::RowOf(batch.x, row, 64))) {
      all.push_back(soft_cap == 0 ? multiplier * s
                                  : soft_cap * std::tanh(multiplier * s / soft_cap));
    }
  }
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    testing::ExpectNear(
        testing::Run(*block.Bind(isa), kHead.interface(block.attributes()), batch, pool), all,
        4e-6);
  }
}

TEST(Head, GivesTheLogits) {
  ExpectHeadRows(kSmallHead, 1, 0);
}

TEST(Head, AddsABiasAndMultiplies) {
  ExpectHeadRows(Changed(kSmallHead, {{"bias", std::int64_t{1}}, {"multiplier", 0.25}}), 0.25, 0);
}

TEST(Head, CapsTheMultipliedLogits) {
  ExpectHeadRows(Changed(kSmallHead, {{"multiplier", 3.0}, {"soft_cap", 2.0}}), 3, 2);
}

TEST(Head, ScoresItsVocabulary) {
  const Interface interface = kHead.interface(*Attributes::Make(kHead.attributes, kSmallHead));
  EXPECT_EQ(interface.width_out, 101);
  EXPECT_EQ(interface.vocabulary, 101);
}

TEST(Head, RefusesAttributesByName) {
  EXPECT_EQ(ErrorOf(kHead, Changed(kSmallHead, {{"soft_cap", -1.0}})),
            "attribute \"soft_cap\" must be at least 0, found -1");
}

TEST(Head, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(
      testing::LiteralBlock(kHead, Changed(kSmallHead, {{"soft_cap", 30.0}})).digest().ToString(),
      "sha256:a6051e150a81391311093bdfb38ae95e452b85e382a0adc0058ba67761d85a27");
}

}  // namespace
}  // namespace ashlar
