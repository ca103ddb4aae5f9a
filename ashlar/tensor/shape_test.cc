#include "ashlar/tensor/shape.h"

#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ashlar {
namespace {

using testing::HasSubstr;

TEST(Shape, KnowsItsDimensionsAndElements) {
  const Shape shape = {64, 160, 2};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape[1], 160);
  EXPECT_EQ(shape.elements(), 64 * 160 * 2);
  EXPECT_EQ(shape.ToString(), "[64, 160, 2]");
}

TEST(Shape, OfRankZeroHasOneElement) {
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_EQ(Shape().ToString(), "[]");
}

TEST(Shape, EqualsOnlyTheSameDimensionsInTheSameOrder) {
  EXPECT_EQ(Shape({2, 3}), Shape({2, 3}));
  EXPECT_NE(Shape({2, 3}), Shape({3, 2}));
  EXPECT_NE(Shape({2}), Shape({2, 1}));
}

TEST(Shape, RefusesWhatIsNotAShapeAndSaysWhy) {
  struct Case {
    std::vector<std::int64_t> dims;
    const char* message;
  };
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  for (const Case& c : std::vector<Case>{
           {{1, 1, 1, 1, 1}, "5 dimensions"},
           {{4, 0}, "a dimension 0"},
           {{-3}, "a dimension -3"},
           {{std::numeric_limits<std::int64_t>::min()}, "a dimension"},
           {{Shape::kMaxElements + 1}, "more than"},
           {{huge, huge}, "more than"},
           {{1 << 24, 1 << 24, 2}, "more than"},
       }) {
    const Result<Shape> shape = Shape::Make(c.dims);
    ASSERT_FALSE(shape.ok()) << c.message;
    EXPECT_EQ(shape.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(shape.error().message, HasSubstr(c.message));
  }
}

TEST(Shape, MayHaveTheLargestNumberOfElements) {
  const std::vector<std::int64_t> dims = {1 << 24, 1 << 24};
  const Result<Shape> shape = Shape::Make(dims);
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->elements(), Shape::kMaxElements);
}

}  // namespace
}  // namespace ashlar
