#include "ashlar/kinds/linear/linear.h"

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::TestBatch;
using testing::TestBlock;

const AttributeMap kStitch = {{"width_in", std::int64_t{64}}, {"width_out", std::int64_t{45}}};

Doubles ExpectedLinear(const TestBlock& block, const Doubles& x) {
  const Doubles n = block.has("norm.weight")
                        ? testing::RmsNormed(x, block.tensor("norm.weight").values, 0, 1e-6)
                        : x;
  return testing::MatVec(block.tensor("weight"),
                         block.has("bias") ? &block.tensor("bias") : nullptr, n);
}

// Nine rows against ExpectedLinear, for every instruction set.
void ExpectLinearRows(const AttributeMap& attributes, std::string_view codec, double bound) {
  TestBlock block(kLinear, attributes, codec, 1);
  std::mt19937 random(2);
  TestBatch batch{.x = testing::RandomFloats(9 * 64, random), .rows = 9};
  Doubles all;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const Doubles y = ExpectedLinear(block, testing::RowOf(batch.x, row, 64));
    all.insert(all.end(), y.begin(), y.end());
  }
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    const auto y =
        testing::Run(*block.Bind(isa), kLinear.interface(block.attributes()), batch, pool);
    EXPECT_LT(testing::RelativeError(y, all), bound) << IsaName(isa);
  }
}

TEST(Linear, IsTheMatrixTimesTheRow) {
  ExpectLinearRows(kStitch, "f32", 1e-6);
}

TEST(Linear, AddsTheBias) {
  ExpectLinearRows(Changed(kStitch, {{"bias", std::int64_t{1}}}), "f32", 1e-6);
}

TEST(Linear, NormsTheRowFirst) {
  ExpectLinearRows(Changed(kStitch, {{"norm", "rms"}, {"norm_eps", 1e-6}}), "f32", 1e-6);
}

TEST(Linear, ComputesOnInt8RowsWithinTheirRounding) {
  for (const char* codec : {"q8", "q4"}) {
    ExpectLinearRows(
        Changed(kStitch, {{"bias", std::int64_t{1}}, {"norm", "rms"}, {"norm_eps", 1e-6}}), codec,
        0.01);
  }
}

TEST(Linear, RefusesAttributesByName) {
  EXPECT_EQ(ErrorOf(kLinear, Changed(kStitch, {{"norm_eps", 1e-6}})),
            "attribute \"norm_eps\" has no meaning when the block has no norm; leave it out");
  EXPECT_EQ(ErrorOf(kLinear, Changed(kStitch, {{"norm", "rms"}})),
            "attribute \"norm_eps\" must be above 0, found 0");
}

TEST(Linear, NamesTheMatrixThatNoKernelReads) {
  Codec unknown = testing::CodecNamed("f32");
  unknown.name = "future.7";
  const std::vector<float> weights(64 * 45);
  RopeTables rope_tables;
  const auto bound = kLinearOnCpu.bind(
      *Attributes::Make(kLinear.attributes, kStitch),
      {{"weight", {&unknown, reinterpret_cast<const std::byte*>(weights.data()), 64, 45, 64}}},
      {Isa::kReference, 1, rope_tables});
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(bound.error().message.starts_with("weight: ")) << bound.error().message;
}

TEST(Linear, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kLinear, kStitch).digest().ToString(),
            "sha256:0d34837bab8a4b64f1965a42ea082384dae63ef8f78961aadb0fa216ed55e5ff");
}

}  // namespace
}  // namespace ashlar
