#include "ashlar/kernels/add_scaled/add_scaled.h"

#include <cstring>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

class AddScaledParity : public FormTest<AddScaledForm> {
 protected:
  // `y` may be where x or b already are.
  void ExpectSameBits(float scale, const GuardedFloats& x, const GuardedFloats& b,
                      const float* in_x, const float* in_b, GuardedFloats& y) const {
    std::vector<float> expected(static_cast<std::size_t>(x.size()) + 1);  // never null
    AddScaledForms().front().fn(scale, x.data(), b.data(), expected.data(), x.size());
    GetParam().fn(scale, in_x, in_b, y.data(), x.size());
    ASSERT_EQ(
        std::memcmp(y.data(), expected.data(), static_cast<std::size_t>(x.size()) * sizeof(float)),
        0)
        << "n " << x.size() << ", scale " << scale;
    y.ExpectIntact();
  }
};

TEST_P(AddScaledParity, GivesTheBitsOfTheReferenceForEveryTailAndMisalignment) {
  RandomFloats random(1);
  for (std::int64_t n = 0; n <= 70; ++n) {
    for (const float scale : {1.0F, 0.5F, -0.3F, 0.0F}) {
      GuardedFloats x(n, n % 4);
      GuardedFloats b(n, (n + 1) % 4);
      random.Fill(x);
      random.Fill(b);
      GuardedFloats y(n, (n + 2) % 4);
      ExpectSameBits(scale, x, b, x.data(), b.data(), y);
    }
  }
}

TEST_P(AddScaledParity, MayWriteOverWhatItReads) {
  RandomFloats random(2);
  for (const std::int64_t n : {1, 31, 32, 33, 257}) {
    GuardedFloats x(n);
    GuardedFloats b(n);
    random.Fill(x);
    random.Fill(b);
    GuardedFloats over_x(n);
    std::copy_n(x.data(), n, over_x.data());
    ExpectSameBits(0.7F, x, b, over_x.data(), b.data(), over_x);
    GuardedFloats over_b(n);
    std::copy_n(b.data(), n, over_b.data());
    ExpectSameBits(0.7F, x, b, x.data(), over_b.data(), over_b);
    GuardedFloats over_both(n);
    std::copy_n(x.data(), n, over_both.data());
    ExpectSameBits(0.7F, x, x, over_both.data(), over_both.data(), over_both);
  }
}

TEST_P(AddScaledParity, RoundsTheProductBeforeTheSum) {
  // (1 + 2^-23)^2 = 1 + 2^-22 + 2^-46: fused, the last term would be left over.
  const float x = 1 + 0x1p-23F;
  const float b = -(1 + 0x1p-22F);
  float y = -1;
  GetParam().fn(x, &x, &b, &y, 1);
  EXPECT_EQ(y, 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, AddScaledParity, testing::ValuesIn(AddScaledForms()), FormName());

}  // namespace
}  // namespace ashlar
