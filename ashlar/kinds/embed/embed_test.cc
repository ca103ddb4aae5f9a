#include "ashlar/kinds/embed/embed.h"

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::ErrorOf;
using testing::TestBatch;
using testing::TestBlock;

const AttributeMap kSmallEmbed = {{"width", std::int64_t{64}}, {"vocabulary", std::int64_t{50}}};

TEST(Embed, GivesTheRowsOfTheTokensTimesTheMultiplier) {
  for (const char* codec : {"f32", "bf16", "q8", "q4"}) {
    TestBlock block(kEmbed, testing::Changed(kSmallEmbed, {{"multiplier", 8.0}}), codec, 1);
    TestBatch batch{.tokens = {49, 0, 7, 7, 32}, .rows = 5};
    ThreadPool pool(2);
    const auto y = testing::Run(*block.Bind(Isa::kReference), kEmbed.interface(block.attributes()),
                                batch, pool);
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      for (std::int64_t i = 0; i < 64; ++i) {
        ASSERT_EQ(y[row * 64 + i], 8 * block.tensor("weight").values[batch.tokens[row] * 64 + i])
            << codec;
      }
    }
  }
}

TEST(Embed, AddsTheLearnedRowOfEachPosition) {
  const AttributeMap attributes =
      testing::Changed(kSmallEmbed, {{"positions", testing::kMaxPositions}, {"multiplier", 2.0}});
  for (const char* codec : {"f32", "q8"}) {
    TestBlock block(kEmbed, attributes, codec, 1);
    TestBatch batch{.tokens = {49, 0, 7, 7, 32}};
    batch.Add(2, 100, nullptr);
    batch.Add(3, 0, nullptr);
    const std::int64_t positions[] = {100, 101, 0, 1, 2};
    ThreadPool pool(2);
    const auto y = testing::Run(*block.Bind(Isa::kReference), kEmbed.interface(block.attributes()),
                                batch, pool);
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      for (std::int64_t i = 0; i < 64; ++i) {
        const double weight = block.tensor("weight").values[batch.tokens[row] * 64 + i];
        const double learned = block.tensor("positions").values[positions[row] * 64 + i];
        ASSERT_FLOAT_EQ(y[row * 64 + i], static_cast<float>(2 * weight + learned)) << codec;
      }
    }
  }
}

TEST(Embed, ReadsTokensBelowItsVocabulary) {
  const Interface interface = kEmbed.interface(*Attributes::Make(kEmbed.attributes, kSmallEmbed));
  EXPECT_EQ(interface.width_in, 0);
  EXPECT_EQ(interface.width_out, 64);
  EXPECT_EQ(interface.vocabulary, 50);
  EXPECT_EQ(interface.max_positions, 0);
  const Attributes learned = *Attributes::Make(
      kEmbed.attributes, testing::Changed(kSmallEmbed, {{"positions", std::int64_t{8}}}));
  EXPECT_EQ(kEmbed.interface(learned).max_positions, 8);
}

TEST(Embed, RefusesAttributesByName) {
  EXPECT_EQ(ErrorOf(kEmbed, {{"width", std::int64_t{64}}}), "attribute \"vocabulary\" is missing");
  EXPECT_EQ(ErrorOf(kEmbed, testing::Changed(kSmallEmbed, {{"width", std::int64_t{0}}})),
            "attribute \"width\" must be from 1 to 1048576, found 0");
}

TEST(Embed, HasTheIdentityThatItAlwaysHad) {
  const Block block = testing::LiteralBlock(kEmbed, kSmallEmbed);
  EXPECT_EQ(block.CanonicalManifest(),
            R"({"attributes":{"vocabulary":50,"width":64},"kind":"embed","schema":1,)"
            R"("tensors":{"weight":{"codec":"f32.1","levels":[{"blob":"sha256:)"
            R"(9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c)"
            R"(","length":12800,"offset":0}],"shape":[50,64]}},"type":"block"})");
  EXPECT_EQ(block.digest().ToString(),
            "sha256:8846300a09ebfa10df4e1d913bb7af189dd058f6603d61c13cd87059268ace81");
}

}  // namespace
}  // namespace ashlar
