#include "ashlar/plan/plan.h"

#include <gtest/gtest.h>

namespace ashlar {
namespace {

TEST(Bytes, AreParsedInPowersOfAThousandAndOf1024) {
  EXPECT_EQ(*ParseBytes("2000000"), 2000000u);
  EXPECT_EQ(*ParseBytes("300M"), 300000000u);
  EXPECT_EQ(*ParseBytes("300MB"), 300000000u);
  EXPECT_EQ(*ParseBytes("1.5GiB"), 1610612736u);
  EXPECT_EQ(*ParseBytes("64Ki"), 65536u);
  EXPECT_EQ(*ParseBytes("12 B"), 12u);
  EXPECT_EQ(*ParseBytes("0"), 0u);
}

TEST(Bytes, AnythingElseIsRefusedWithWhatIsAccepted) {
  for (const char* text :
       {"", "M", "-1", "1X", "1mb", "nan", "inf", "1e30", "99999999T", "1 2", "0x10", "1.5GiBB"}) {
    const Result<std::uint64_t> parsed = ParseBytes(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
    EXPECT_NE(parsed.error().message.find(text), std::string::npos) << parsed.error().message;
  }
}

TEST(Bytes, AreFormattedForPeople) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1000), "1.0 kB");
  EXPECT_EQ(FormatBytes(25200000), "25.2 MB");
  EXPECT_EQ(FormatBytes(999960), "1.0 MB");
  EXPECT_EQ(FormatBytes(~std::uint64_t{0}), "18.4 EB");
}

// A kind with one matrix and two numbers of state per position and attribute "width".
constexpr AttributeSpec kWidth[] = {
    {.name = "width", .required = true, .min = 1, .max = 1 << 20, .doc = "of the matrix"}};
constinit const BlockKind kPlain{
    .name = "plain",
    .summary = "for this test",
    .attributes = kWidth,
    .slices = {},
    .tensors = [](const Attributes& attributes) -> Result<std::vector<TensorSpec>> {
      return std::vector<TensorSpec>{{"weight",
                                      TensorRole::kMatrix,
                                      {attributes.Integer("width"), attributes.Integer("width")}}};
    },
    .interface =
        [](const Attributes& attributes) {
          return Interface{.width_in = attributes.Integer("width"),
                           .width_out = attributes.Integer("width"),
                           .state_floats = 2 * attributes.Integer("width")};
        },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = nullptr,
};

// Nodes whose f32 weights are ranges of one blob.
Network OnBlob(const Digest& blob, std::initializer_list<std::uint64_t> offsets) {
  Network network;
  for (const std::uint64_t offset : offsets) {
    Block block{.kind = &kPlain, .attributes = *Attributes::Make(kWidth, {{"width", 64}})};
    block.tensors.emplace(
        "weight",
        TensorManifest{{64, 64}, *FindCodec("f32"), {{blob, offset, 64 * 64 * sizeof(float)}}});
    network.nodes.push_back({.block = network.AddBlock(std::move(block))});
  }
  return network;
}

TEST(MemoryPlan, SharedWeightsAreCountedOnceTogetherAndTwiceApart) {
  const Digest blob = Sha256("weights");
  const Network one = OnBlob(blob, {0, 16384});
  const Network two = OnBlob(blob, {16384, 32768});
  const Network* const both[] = {&one, &two};
  const MemoryPlan plan = PredictMemory({.networks = both});
  EXPECT_EQ(plan.weight_bytes, 3 * 16384u);
  EXPECT_EQ(plan.weight_bytes_apart, 4 * 16384u);
}

TEST(MemoryPlan, WeightsTakeWholePagesOfMemory) {
  const Network one = OnBlob(Sha256("weights"), {4096 - 8});
  const Network* const networks[] = {&one};
  EXPECT_EQ(PredictMemory({.networks = networks}).weight_bytes, 5 * 4096u);
}

TEST(MemoryPlan, OfAResidualTensorTheLevelsOfItsPrecisionAreCounted) {
  const Codec& codec = **FindCodec("bitplane");
  Block block{.kind = &kPlain, .attributes = *Attributes::Make(kWidth, {{"width", 1024}})};
  TensorManifest tensor{.shape = {1024, 1024}, .codec = &codec};
  for (int level = 0; level < codec.levels(); ++level) {
    tensor.levels.push_back(
        {Sha256(std::to_string(level)), 0, *LevelBytes(codec, tensor.shape, level)});
  }
  block.tensors.emplace("weight", tensor);
  Network network;
  network.nodes.push_back({.block = network.AddBlock(std::move(block))});
  const Network* const networks[] = {&network};
  const auto pages = [](std::uint64_t bytes) { return (bytes + 4095) / 4096 * 4096; };
  std::uint64_t all = 0;
  for (const Level& level : tensor.levels) {
    all += pages(level.length);
  }
  EXPECT_EQ(PredictMemory({.networks = networks}).weight_bytes, all);
  const Precision precision = {{tensor.levels[0], {{256, 3}, {1024, 1}}}};
  // A header of 2048 bytes and 8 bands of 32 tiles of 128 bytes, of levels 1 and 2.
  EXPECT_EQ(PredictMemory({.networks = networks, .precision = precision}).weight_bytes,
            pages(tensor.levels[0].length) + 2 * pages(2048 + 8 * 4096));
}

TEST(MemoryPlan, PagesAreThoseOfTheNetworkThatNeedsMost) {
  const Network small = OnBlob(Sha256("weights"), {0});
  const Network large = OnBlob(Sha256("weights"), {0, 16384});
  const Network* const networks[] = {&small, &large};
  EXPECT_EQ(StateBytesPerPosition(small, KvFormat::kF32), 128 * sizeof(float));
  // 17 positions: two pages of 16 positions of 128 floats in each of two slots.
  const std::uint64_t sequence = SequencePageBytes(large, 17, KvFormat::kF32);
  EXPECT_EQ(sequence, 2u * 2 * 16 * 128 * sizeof(float));
  const PlanRequest request{.networks = networks, .max_positions = 17, .max_sequences = 3};
  EXPECT_EQ(PredictMemory(request).page_bytes, 3 * sequence);
  PlanRequest fixed = request;
  fixed.page_bytes = 1000;
  EXPECT_EQ(PredictMemory(fixed).page_bytes, 1000u);
}

TEST(MemoryPlan, HalvesTakeHalfTheState) {
  const Network one = OnBlob(Sha256("weights"), {0});
  const Network* const networks[] = {&one};
  EXPECT_EQ(StateBytesPerPosition(one, KvFormat::kF16), 128u * 2);
  EXPECT_EQ(SequencePageBytes(one, 17, KvFormat::kF16), 2u * 16 * 128 * 2);
  const PlanRequest request{.networks = networks, .max_positions = 17, .kv_format = KvFormat::kF16};
  EXPECT_EQ(PredictMemory(request).page_bytes, 2u * 16 * 128 * 2);
}

TEST(MemoryPlan, KeysAndValuesInEightBitsHaveAScaleEach) {
  const Interface interface { .width_in = 64, .state_floats = 4096, .state_vectors = 64 };
  EXPECT_EQ(StatePageOf(interface, KvFormat::kF16).bytes, 16u * 4096 * 2);
  EXPECT_EQ(StatePageOf(interface, KvFormat::kQ8).bytes, 16u * (4096 + 64 * 4));
}

TEST(MemoryPlan, APageOfCarriedStateStandsForAsManyPositionsAsAttentionWouldFillItWith) {
  const auto positions = [](std::int64_t floats) {
    return StatePageOf({.width_in = 64, .carried_floats = floats}, KvFormat::kF16).positions;
  };
  // A key and a value of 64 floats each.
  EXPECT_EQ(positions(1), 16);
  EXPECT_EQ(positions(16 * 128), 16);
  EXPECT_EQ(positions(16 * 128 + 1), 32);
  EXPECT_EQ(positions(std::int64_t{1} << 40), 1024);
  // In f32 whatever the format of keys and values.
  EXPECT_EQ(StatePageOf({.width_in = 64, .carried_floats = 3000}, KvFormat::kF16).bytes, 12288u);
}

TEST(MemoryPlan, WhatCannotFitIsRefusedWithEveryNumber) {
  const Network one = OnBlob(Sha256("weights"), {0});
  const Network* const networks[] = {&one};
  const PlanRequest request{.networks = networks,
                            .workspace_bytes = 2000000,
                            .process_bytes = 5000000,
                            .page_bytes = 30000000};
  const std::uint64_t needed = 16384 + 37000000;
  EXPECT_EQ(PlanWithin(request, needed)->total(), needed);
  const Result<MemoryPlan> refused = PlanWithin(request, needed - 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
  for (const char* number : {"37.0 MB", "16.4 kB", "30.0 MB", "2.0 MB", "5.0 MB", "1 B"}) {
    EXPECT_NE(refused.error().message.find(number), std::string::npos) << refused.error().message;
  }
}

}  // namespace
}  // namespace ashlar
