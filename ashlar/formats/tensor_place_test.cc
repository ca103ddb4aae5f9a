#include "ashlar/formats/internal/tensor_place.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

using ::testing::ElementsAre;

constexpr AttributeSpec kGroupsAlone[] = {
    {.name = "groups", .type = AttributeType::kInteger, .required = true, .min = 1, .max = 100}};
Attributes Groups(std::int64_t groups) {
  return *Attributes::Make(kGroupsAlone, {{"groups", groups}});
}

// Two tensors of a block, of four and two rows of three numbers, and their biases.
std::vector<TensorSpec> TwoMatrices() {
  return {{"a", TensorRole::kMatrix, {4, 3}},
          {"a.bias", TensorRole::kVector, {4}},
          {"b", TensorRole::kMatrix, {2, 3}},
          {"b.bias", TensorRole::kVector, {2}}};
}
constexpr std::string_view kBothParts[] = {"a", "b"};
constexpr Joined kOneAfterTheOther{kBothParts};
constexpr Joined kInGroups{kBothParts, "groups"};

// The numbers of tensor `which` of the block, when those of each checkpoint's count up from
// 100 times its index.
class Gathered {
 public:
  Gathered(std::size_t which, const TensorSource& source, std::int64_t groups = 2) {
    const std::vector<TensorSpec> specs = TwoMatrices();
    const TensorSpec& spec = specs[which];
    const TensorPlace place = *PlaceOf(spec, specs, Groups(groups), source);
    shape = CheckpointShape(place, spec);
    std::vector<std::vector<std::uint16_t>> numbers;
    std::vector<std::span<const std::byte>> sources;
    for (std::size_t i = 0; i < source.tensors.size(); ++i) {
      std::vector<std::uint16_t> one(static_cast<std::size_t>(place.rows * place.columns));
      for (std::size_t k = 0; k < one.size(); ++k) {
        one[k] = static_cast<std::uint16_t>(100 * i + k);
      }
      numbers.push_back(std::move(one));
    }
    for (const auto& one : numbers) {
      sources.push_back(std::as_bytes(std::span(one)));
    }
    std::vector<std::byte> buffer;
    const std::span<const std::byte> bytes = Gather(place, sources, 2, buffer);
    values.resize(bytes.size() / 2);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    in_place = buffer.empty();
  }

  std::vector<std::int64_t> shape;  // of each of the checkpoint's
  std::vector<int> as_ints() const { return {values.begin(), values.end()}; }
  std::vector<std::uint16_t> values;
  bool in_place;
};

TEST(TensorPlace, OfATensorOfItsOwnIsAllOfIt) {
  const Gathered a(0, {.tensors = {"a"}});
  EXPECT_THAT(a.shape, ElementsAre(4, 3));
  EXPECT_THAT(a.as_ints(), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_TRUE(a.in_place);
}

TEST(TensorPlace, OfPartsOneAfterTheOtherIsARangeOfRows) {
  const TensorSource source{.tensors = {"ab"}, .joined = &kOneAfterTheOther};
  const Gathered b(2, source);
  EXPECT_THAT(b.shape, ElementsAre(6, 3));
  EXPECT_THAT(b.as_ints(), ElementsAre(12, 13, 14, 15, 16, 17));
  EXPECT_TRUE(b.in_place);
  EXPECT_THAT(Gathered(3, source).as_ints(), ElementsAre(4, 5));  // the bias
  EXPECT_THAT(Gathered(3, source).shape, ElementsAre(6));
}

// Two groups, each of two rows of a and then one of b.
TEST(TensorPlace, OfPartsInGroupsIsARunOfRowsInEach) {
  const TensorSource source{.tensors = {"ab"}, .joined = &kInGroups};
  EXPECT_THAT(Gathered(0, source).as_ints(), ElementsAre(0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14));
  EXPECT_THAT(Gathered(2, source).as_ints(), ElementsAre(6, 7, 8, 15, 16, 17));
  EXPECT_THAT(Gathered(1, source).as_ints(), ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(Gathered(3, source).as_ints(), ElementsAre(2, 5));
  EXPECT_TRUE(Gathered(2, source, 1).in_place);
}

TEST(TensorPlace, OfATransposedMatrixIsTurned) {
  const Gathered a(0, {.tensors = {"a"}, .transposed = true});
  EXPECT_THAT(a.shape, ElementsAre(3, 4));
  EXPECT_THAT(a.as_ints(), ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));
  const Gathered b(2, {.tensors = {"ab"}, .joined = &kOneAfterTheOther, .transposed = true});
  EXPECT_THAT(b.shape, ElementsAre(3, 6));
  EXPECT_THAT(b.as_ints(), ElementsAre(4, 10, 16, 5, 11, 17));
  EXPECT_THAT(Gathered(3, {.tensors = {"b"}, .transposed = true}).as_ints(), ElementsAre(0, 1));
}

TEST(TensorPlace, OfStackedTensorsIsOneAfterTheOther) {
  const Gathered a(0, {.tensors = {"a.0", "a.1"}});
  EXPECT_THAT(a.shape, ElementsAre(2, 3));
  EXPECT_THAT(a.as_ints(), ElementsAre(0, 1, 2, 3, 4, 5, 100, 101, 102, 103, 104, 105));
}

TEST(TensorPlace, OfAVectorMayHaveMoreDimensionsInTheCheckpoint) {
  constexpr std::string_view kDims[] = {"1", "groups", ""};
  const TensorSpec vector{"v", TensorRole::kVector, {12}};
  const TensorSource source{.tensors = {"v"}, .dims = kDims};
  EXPECT_THAT(CheckpointShape(*PlaceOf(vector, {&vector, 1}, Groups(3), source), vector),
              ElementsAre(1, 3, 4));
  EXPECT_EQ(PlaceOf(vector, {&vector, 1}, Groups(5), source).error().message,
            "the 12 numbers of \"v\" cannot be shared out among 1 x 5 x 2");
}

TEST(TensorPlace, IsRefusedWhenWhatItIsJoinedWithIsNoTensorOfTheBlock) {
  const std::vector<TensorSpec> specs = {{"a", TensorRole::kMatrix, {4, 3}}};
  const auto place =
      PlaceOf(specs[0], specs, Groups(2), {.tensors = {"ab"}, .joined = &kOneAfterTheOther});
  ASSERT_FALSE(place.ok());
  EXPECT_EQ(place.error().message,
            "\"a\" lies joined with \"b\", which such a block does not have");
}

TEST(TensorPlace, IsRefusedWhenRowsCannotBeSharedOut) {
  const std::vector<TensorSpec> specs = TwoMatrices();
  const auto place = PlaceOf(specs[0], specs, Groups(3), {.tensors = {"ab"}, .joined = &kInGroups});
  ASSERT_FALSE(place.ok());
  EXPECT_EQ(place.error().message, "the 4 rows of \"a\" cannot be shared out among 3 groups");
  EXPECT_FALSE(PlaceOf(specs[2], specs, Groups(1), {.tensors = {"b.0", "b.1", "b.2"}}).ok());
}

}  // namespace
}  // namespace ashlar::internal
