#include "ashlar/kernels/quantize_rows/quantize_rows.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar {

void PrintTo(const QuantizeRowsForm& form, std::ostream* out) {
  *out << form.name;
}

namespace {

// Rows in the quantized form, with room that must stay untouched behind each row and each group.
class Output {
 public:
  static constexpr std::int64_t kSpareGroups = 1;
  static constexpr std::int8_t kGuard = 77;

  Output(std::int64_t rows, std::int64_t columns)
      : groups_(columns / kGroup),
        stride_(groups_ + kSpareGroups),
        stride_rows_(rows + 1),
        q_(static_cast<std::size_t>(rows * stride_)),
        scale_(static_cast<std::size_t>(groups_ * stride_rows_), kGuard),
        sum_(static_cast<std::size_t>(groups_ * stride_rows_), kGuard) {
    for (Group& group : q_) {
      std::fill_n(group.q, kGroup, kGuard);
    }
  }

  QuantizedRows View() { return {q_.data()->q, scale_.data(), sum_.data(), stride_, stride_rows_}; }
  std::int8_t Q(std::int64_t m, std::int64_t k) const {
    return q_[static_cast<std::size_t>(m * stride_ + k / kGroup)].q[k % kGroup];
  }
  float Scale(std::int64_t m, std::int64_t g) const {
    return scale_[static_cast<std::size_t>(g * stride_rows_ + m)];
  }
  std::int32_t Sum(std::int64_t m, std::int64_t g) const {
    return sum_[static_cast<std::size_t>(g * stride_rows_ + m)];
  }
  bool SpareIsUntouched(std::int64_t m) const {
    for (std::int64_t i = 0; i < kGroup; ++i) {
      if (Q(m, groups_ * kGroup + i) != kGuard) {
        return false;
      }
    }
    for (std::int64_t g = 0; g < groups_; ++g) {
      if (Scale(stride_rows_ - 1, g) != kGuard || Sum(stride_rows_ - 1, g) != kGuard) {
        return false;
      }
    }
    return true;
  }

 private:
  struct alignas(32) Group {
    std::int8_t q[kGroup];
  };
  std::int64_t groups_;
  std::int64_t stride_;
  std::int64_t stride_rows_;
  std::vector<Group> q_;
  std::vector<float> scale_;
  std::vector<std::int32_t> sum_;
};

class EveryQuantizeRowsForm : public testing::TestWithParam<QuantizeRowsForm> {
 protected:
  void SetUp() override {
    if (!Supported(GetParam().isa)) {
      GTEST_SKIP() << "this processor cannot run " << IsaName(GetParam().isa);
    }
  }
  std::mt19937_64 random_{TestSeed()};
};

TEST_P(EveryQuantizeRowsForm, RoundsEachNumberToTheNearestStepOfItsGroup) {
  std::student_t_distribution<float> heavy(3);
  const std::int64_t rows = 5;
  const std::int64_t columns = 96;
  std::vector<float> x(rows * columns);
  for (float& value : x) {
    value = heavy(random_);
  }
  Output out(rows, columns);
  GetParam().fn(x.data(), columns, rows, columns, out.View());
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t g = 0; g < columns / kGroup; ++g) {
      const float* group = &x[static_cast<std::size_t>(m * columns + g * kGroup)];
      float largest = 0;
      std::int32_t sum = 0;
      for (int i = 0; i < kGroup; ++i) {
        largest = std::max(largest, std::fabs(group[i]));
        sum += out.Q(m, g * kGroup + i);
      }
      EXPECT_EQ(out.Scale(m, g), largest / 127);
      EXPECT_EQ(out.Sum(m, g), sum);
      for (int i = 0; i < kGroup; ++i) {
        EXPECT_LE(std::fabs(group[i] - out.Q(m, g * kGroup + i) * out.Scale(m, g)),
                  out.Scale(m, g) * 0.50001f);
      }
    }
    EXPECT_TRUE(out.SpareIsUntouched(m));
  }
}

TEST_P(EveryQuantizeRowsForm, RoundsTiesToEven) {
  std::vector<float> x(kGroup, 0.0f);
  const float values[] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -126.5f};
  const int rounded[] = {127, 0, 2, 2, 0, -2, -2, 126, -126};
  std::copy(std::begin(values), std::end(values), x.begin());
  Output out(1, kGroup);
  GetParam().fn(x.data(), kGroup, 1, kGroup, out.View());
  EXPECT_EQ(out.Scale(0, 0), 1.0f);
  for (std::size_t i = 0; i < std::size(values); ++i) {
    EXPECT_EQ(out.Q(0, static_cast<std::int64_t>(i)), rounded[i]) << values[i];
  }
}

TEST_P(EveryQuantizeRowsForm, GivesTheBitsOfTheReferenceAtEveryMagnitude) {
  std::normal_distribution<float> normal;
  const QuantizeRowsFn reference = QuantizeRowsForms()[0].fn;
  const std::int64_t rows = 3;
  const std::int64_t columns = 160;
  const std::int64_t x_stride = columns + 5;
  for (const float magnitude : {1.0f, 1e-6f, 1e4f, 1e30f, 1e38f, 1e-37f, 1e-40f, 1e-44f, 0.0f}) {
    std::vector<float> x(static_cast<std::size_t>(rows * x_stride));
    for (float& value : x) {
      value = std::clamp(normal(random_), -3.0f, 3.0f) * magnitude;
    }
    Output expected(rows, columns);
    Output actual(rows, columns);
    reference(x.data() + 1, x_stride, rows - 1, columns, expected.View());
    GetParam().fn(x.data() + 1, x_stride, rows - 1, columns, actual.View());
    for (std::int64_t m = 0; m < rows; ++m) {
      for (std::int64_t k = 0; k < columns; ++k) {
        ASSERT_EQ(expected.Q(m, k), actual.Q(m, k)) << magnitude << ' ' << m << ' ' << k;
        ASSERT_GE(actual.Q(m, k), -127);
      }
      for (std::int64_t g = 0; g < columns / kGroup; ++g) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(expected.Scale(m, g)),
                  std::bit_cast<std::uint32_t>(actual.Scale(m, g)));
        ASSERT_EQ(expected.Sum(m, g), actual.Sum(m, g));
      }
      ASSERT_TRUE(actual.SpareIsUntouched(m));
    }
  }
}

// 127 / their magnitude would be infinite, and 0 times that no number.
TEST_P(EveryQuantizeRowsForm, TakesGroupsOfTheSmallestNumbersForZeros) {
  for (const float largest :
       {std::numeric_limits<float>::denorm_min(), 0x1p-126f, 0x1.fffffep-121f, 0x1p-120f}) {
    std::vector<float> x(kGroup, 0.0f);
    x[3] = -largest;
    Output out(1, kGroup);
    GetParam().fn(x.data(), kGroup, 1, kGroup, out.View());
    const bool zero = largest < 0x1p-120f;
    EXPECT_EQ(out.Scale(0, 0), zero ? 0.0f : largest / 127);
    EXPECT_EQ(out.Q(0, 3), zero ? 0 : -127);
    EXPECT_EQ(out.Q(0, 0), 0);
    EXPECT_EQ(out.Sum(0, 0), zero ? 0 : -127);
  }
}

TEST_P(EveryQuantizeRowsForm, GivesZerosTheScaleZero) {
  const std::vector<float> x(kGroup, -0.0f);
  Output out(1, kGroup);
  GetParam().fn(x.data(), kGroup, 1, kGroup, out.View());
  EXPECT_EQ(std::bit_cast<std::uint32_t>(out.Scale(0, 0)), 0u);
  EXPECT_EQ(out.Sum(0, 0), 0);
  for (std::int64_t k = 0; k < kGroup; ++k) {
    EXPECT_EQ(out.Q(0, k), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, EveryQuantizeRowsForm,
                         testing::ValuesIn(QuantizeRowsForms().begin(), QuantizeRowsForms().end()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ashlar
