#include "ashlar/kernels/split_rows/split_rows.h"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

constexpr std::uint32_t kGuard = 0xdeadbeef;

// Split rows with a guard behind them.
class Output {
 public:
  Output(std::int64_t rows, std::int64_t columns)
      : shape_(ShapeOfSplit(rows, columns)),
        pairs_(static_cast<std::size_t>(shape_.pair_count + 16), kGuard) {}

  const SplitShape& shape() const { return shape_; }
  SplitRows View() { return {pairs_.data(), shape_.blocks, shape_.tile_rows, 0}; }
  const std::vector<std::uint32_t>& pairs() const { return pairs_; }
  // By the formula of the view.
  std::uint16_t BitsOf(const SplitRows& view, std::int64_t m, std::int64_t k, int part) const {
    const std::int64_t r = view.first + m;
    const std::int64_t block = r / view.tile_rows * view.blocks + k / 32;
    const std::int64_t at =
        ((block * 3 + part) * 16 + k % 32 / 2) * view.tile_rows + r % view.tile_rows;
    return static_cast<std::uint16_t>(view.pairs[at] >> (k % 2 * 16));
  }
  float Part(const SplitRows& view, std::int64_t m, std::int64_t k, int part) const {
    return std::bit_cast<float>(std::uint32_t{BitsOf(view, m, k, part)} << 16);
  }

 private:
  SplitShape shape_;
  std::vector<std::uint32_t> pairs_;
};

class EverySplitRowsForm : public FormTest<SplitRowsForm> {
 protected:
  void Split(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns,
             Output& output) const {
    GetParam().fn(x, x_stride, rows, columns, 0, output.shape().tiles, output.View());
  }
};

TEST_P(EverySplitRowsForm, MakesThreePartsOfTheSameSignThatAddUpToTheNumber) {
  RandomFloats random(7);
  const std::int64_t columns = 71;
  for (const std::int64_t rows : {1, 2, 15, 16, 17, 40}) {
    std::vector<float> x(static_cast<std::size_t>(rows * columns));
    for (float& value : x) {
      value = std::ldexp(random.Normal(), static_cast<int>(random.Between(-90, 120)));
    }
    x[0] = std::numeric_limits<float>::max();
    x[1] = -1 - 0x1p-23f;
    x[2] = -0.0f;
    Output output(rows, columns);
    Split(x.data(), columns, rows, columns, output);
    const SplitRows view = output.View();
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t k = 0; k < columns; ++k) {
        const float value = x[static_cast<std::size_t>(m * columns + k)];
        const float first = output.Part(view, m, k, 0);
        const float second = output.Part(view, m, k, 1);
        const float third = output.Part(view, m, k, 2);
        ASSERT_EQ(static_cast<double>(first) + second + third, value) << m << ' ' << k;
        ASSERT_TRUE(first * value >= 0 && second * value >= 0 && third * value >= 0);
        ASSERT_LE(std::fabs(second), std::fabs(value) * 0x1p-7);
        ASSERT_LE(std::fabs(third), std::fabs(value) * 0x1p-15);
        // A view of the rows from some row on is of the same parts.
        ASSERT_EQ(output.BitsOf(FromRow(view, m), 0, k, 2), output.BitsOf(view, m, k, 2));
      }
    }
  }
}

TEST_P(EverySplitRowsForm, KeepsWhatIsNotFiniteInTheFirstPart) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float quiet = std::bit_cast<float>(0xffc00000u);
  const float low = std::bit_cast<float>(0x7f800001u);  // cut off, it would be an infinity
  const std::vector<float> x = {infinity, -infinity, quiet, low};
  Output output(1, 4);
  Split(x.data(), 4, 1, 4, output);
  const SplitRows view = output.View();
  for (std::int64_t k = 0; k < 4; ++k) {
    const float first = output.Part(view, 0, k, 0);
    EXPECT_TRUE(k < 2 ? first == x[static_cast<std::size_t>(k)] : std::isnan(first)) << k;
    EXPECT_EQ(output.BitsOf(view, 0, k, 1), 0);
    EXPECT_EQ(output.BitsOf(view, 0, k, 2), 0);
  }
}

TEST_P(EverySplitRowsForm, WritesTheReferencesBitsInEveryPlaceAndNoFurther) {
  RandomFloats random(8);
  for (const std::int64_t rows : {1, 2, 7, 16, 17, 33}) {
    for (const std::int64_t columns : {1, 2, 15, 16, 17, 31, 32, 33, 96, 100}) {
      const std::int64_t stride = columns + 3;
      std::vector<float> x(static_cast<std::size_t>(rows * stride));
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = i % 11 == 5 ? std::ldexp(random.Normal(), -128) : random.Normal();  // denormal too
      }
      Output expected(rows, columns);
      Output actual(rows, columns);
      SplitRowsForms()[0].fn(x.data(), stride, rows, columns, 0, expected.shape().tiles,
                             expected.View());
      // A tile at a time, as threads would.
      for (std::int64_t tile = 0; tile < actual.shape().tiles; ++tile) {
        GetParam().fn(x.data(), stride, rows, columns, tile, tile + 1, actual.View());
      }
      ASSERT_EQ(expected.pairs(), actual.pairs()) << rows << " rows of " << columns;
      ASSERT_EQ(actual.pairs()[static_cast<std::size_t>(actual.shape().pair_count)], kGuard);
    }
  }
}

// Whoever computes rows some columns at a time.
TEST_P(EverySplitRowsForm, WritesSomeBlocksOfWiderRowsAndNoOthers) {
  RandomFloats random(9);
  for (const std::int64_t rows : {1, 5, 16, 40}) {
    const std::int64_t columns = 150;
    std::vector<float> x(static_cast<std::size_t>(rows * columns));
    for (float& value : x) {
      value = random.Normal();
    }
    Output expected(rows, columns);
    Output actual(rows, columns);
    Split(x.data(), columns, rows, columns, expected);
    for (const std::int64_t begin : {96, 0, 128, 32}) {  // the second has to leave the first alone
      const std::int64_t end = begin == 32 ? 96 : std::min<std::int64_t>(begin + 32, columns);
      SplitRows view = actual.View();
      view.pairs += begin / 32 * 3 * 16 * view.tile_rows;
      GetParam().fn(x.data() + begin, columns, rows, end - begin, 0, actual.shape().tiles, view);
    }
    ASSERT_EQ(expected.pairs(), actual.pairs()) << rows;
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, EverySplitRowsForm,
                         testing::ValuesIn(SplitRowsForms().begin(), SplitRowsForms().end()),
                         FormName());

}  // namespace
}  // namespace ashlar
