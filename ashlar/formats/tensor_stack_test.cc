// Where tensors lie that the checkpoint stacks, or that are the columns of others' rows.
#include <numeric>

#include <gtest/gtest.h>

#include "ashlar/formats/internal/tensor_place.h"
#include "ashlar/graph/attributes.h"

namespace ashlar::internal {
namespace {

using Halves = std::vector<std::uint16_t>;

constexpr AttributeSpec kPlaceAttributes[] = {
    {.name = "groups", .type = AttributeType::kInteger, .min = 1, .max = 100},
};

Attributes WithGroups(std::int64_t groups) {
  return *Attributes::Make(kPlaceAttributes, {{"groups", groups}});
}

TensorSpec MatrixSpec(const std::string& name, std::int64_t rows, std::int64_t columns) {
  return {name, TensorRole::kMatrix, {rows, columns}};
}

// The block's tensor `spec`, or all of its stack, out of one tensor of the checkpoint that holds
// 0, 1, 2, ... (A 16-bit number is as good as any to be moved.)
Halves StackGathered(const TensorSpec& spec, std::span<const TensorSpec> specs,
                     const TensorSource& source, std::int64_t numbers, std::int64_t groups = 1) {
  Halves checkpoint(static_cast<std::size_t>(numbers));
  std::iota(checkpoint.begin(), checkpoint.end(), std::uint16_t{0});
  const auto place = PlaceOf(spec, specs, WithGroups(groups), source);
  EXPECT_TRUE(place.ok()) << place.error().message;
  std::vector<std::byte> buffer;
  const std::span<const std::byte> bytes[] = {std::as_bytes(std::span(checkpoint))};
  const std::span<const std::byte> gathered = Gather(*place, bytes, 2, buffer);
  Halves result(gathered.size() / 2);
  std::memcpy(result.data(), gathered.data(), gathered.size());
  return result;
}

TEST(TensorStack, HasItsMatricesOneAfterTheOther) {
  const TensorSpec spec = MatrixSpec("experts.1.down", 2, 3);
  Halves all(12);
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  EXPECT_EQ(StackGathered(spec, {&spec, 1}, {.tensors = {"a"}, .stack = 2, .index = 1}, 12), all);
  EXPECT_EQ(StackGathered(spec, {&spec, 1},
                          {.tensors = {"a"}, .transposed = true, .stack = 2, .index = 1}, 12),
            (Halves{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
  const TensorSpec bias = {"experts.1.down.bias", TensorRole::kVector, {2}};
  EXPECT_EQ(StackGathered(bias, {&bias, 1}, {.tensors = {"a"}, .stack = 3, .index = 1}, 6),
            (Halves{0, 1, 2, 3, 4, 5}));
}

TEST(TensorStack, OfJoinedRowsThatTakeTurnsIsEverySecondOne) {
  constexpr std::string_view kParts[] = {"gate", "up"};
  const Joined joined{kParts, "groups"};
  const TensorSpec specs[] = {MatrixSpec("experts.0.gate", 2, 3), MatrixSpec("experts.0.up", 2, 3),
                              MatrixSpec("experts.1.gate", 2, 3), MatrixSpec("experts.1.up", 2, 3)};
  // [2, 3, 4]: of each expert the inputs, and in them gate and up of the first channel, ...
  const TensorSource source = {
      .tensors = {"a"}, .joined = &joined, .transposed = true, .stack = 2, .index = 1};
  EXPECT_EQ(StackGathered(specs[2], specs, source, 24, 2),
            (Halves{0, 4, 8, 2, 6, 10, 12, 16, 20, 14, 18, 22}));
  EXPECT_EQ(StackGathered(specs[3], specs, source, 24, 2),
            (Halves{1, 5, 9, 3, 7, 11, 13, 17, 21, 15, 19, 23}));
}

TEST(TensorStack, OfATurnedPartHasTheRowsOfItsPlaceAsColumns) {
  constexpr std::string_view kParts[] = {"q_latent", "v"};
  const Joined joined{.parts = kParts, .turned = "q_latent"};
  // [2 heads, 3 + 1 rows, 2]: of each head three rows of keys, and one of values.
  const TensorSpec specs[] = {MatrixSpec("heads.0.q_latent", 2, 3), MatrixSpec("heads.0.v", 1, 2),
                              MatrixSpec("heads.1.q_latent", 2, 3), MatrixSpec("heads.1.v", 1, 2)};
  const TensorSource source = {.tensors = {"a"}, .joined = &joined, .stack = 2};
  EXPECT_EQ(StackGathered(specs[0], specs, source, 16),
            (Halves{0, 2, 4, 1, 3, 5, 8, 10, 12, 9, 11, 13}));
  EXPECT_EQ(StackGathered(specs[1], specs, source, 16), (Halves{6, 7, 14, 15}));
}

TEST(TensorStack, HasItsCountBeforeTheMatrixOrItsRowsInOne) {
  const TensorSpec spec = MatrixSpec("experts.1.down", 2, 3);
  const auto has = [&](bool transposed, std::vector<std::int64_t> shape) {
    const TensorSource source = {.tensors = {"a"}, .transposed = transposed, .stack = 4};
    return HasShape(*PlaceOf(spec, {&spec, 1}, WithGroups(1), source), spec, shape);
  };
  EXPECT_TRUE(has(false, {4, 2, 3}));
  EXPECT_TRUE(has(false, {8, 3}));
  EXPECT_FALSE(has(false, {4, 3, 2}));
  EXPECT_FALSE(has(false, {2, 3}));
  EXPECT_TRUE(has(true, {4, 3, 2}));
  EXPECT_FALSE(has(true, {8, 3}));
}

}  // namespace
}  // namespace ashlar::internal
