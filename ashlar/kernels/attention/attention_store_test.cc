// What the pages of attention hold. (The fixture is instantiated in attention_test.cc.)
#include <cmath>
#include <cstring>
#include <vector>

#include "ashlar/kernels/attention/attention_test_support.h"

namespace ashlar::attention_test {
namespace {

TEST_P(AttentionParity, StoresEveryPositionAsTheReferenceDoesAndTouchesNothingElse) {
  RandomFloats random(11);
  for (std::int64_t dim = 1; dim <= 40; ++dim) {
    AttentionShape shape = PlainShape(2, 2, dim);
    shape.value_dim = 41 - dim;
    TestPage page(shape, GetParam().kv_format, dim % 4);
    TestPage expected(shape, GetParam().kv_format, 0);
    for (const int slot : {5, 0, 15, 8}) {
      std::vector<float> k(static_cast<std::size_t>(2 * shape.key_dim));
      std::vector<float> v(static_cast<std::size_t>(2 * shape.value_dim));
      std::generate(k.begin(), k.end(), [&] { return random.Normal(); });
      std::generate(v.begin(), v.end(), [&] { return random.Normal(0, 1e-6F); });  // subnormal
      GetParam().store(shape, k.data(), v.data(), slot, page.data());
      AttentionForms(GetParam().kv_format)
          .front()
          .store(shape, k.data(), v.data(), slot, expected.data());
      ASSERT_EQ(std::memcmp(page.data(), expected.data(),
                            static_cast<std::size_t>(PageBytes(shape, GetParam().kv_format))),
                0)
          << "key dim " << dim << ", slot " << slot;
    }
    page.ExpectIntact();
  }
}

TEST_P(AttentionParity, StoresNumbersBeyondTheFormatAsInfiniteAndHalvesRoundedToEven) {
  if (GetParam().kv_format == KvFormat::kQ8) {
    return;  // nothing is beyond it
  }
  const AttentionShape shape = PlainShape(1, 1, 4);
  TestPage page(shape, GetParam().kv_format, 0);
  const float k[] = {65519, -65520, 1 + 0x1p-11F, 1 + 3 * 0x1p-11F};
  const float v[] = {kInfinity, -kInfinity, kNotANumber, -0.0F};
  GetParam().store(shape, k, v, 3, page.data());
  const bool halves = GetParam().kv_format == KvFormat::kF16;
  EXPECT_EQ(page[3], halves ? 65504 : 65519);
  EXPECT_EQ(page[16 + 3], halves ? -kInfinity : -65520);
  EXPECT_EQ(page[32 + 3], halves ? 1 : 1 + 0x1p-11F);
  EXPECT_EQ(page[48 + 3], halves ? 1 + 0x1p-9F : 1 + 3 * 0x1p-11F);
  EXPECT_EQ(page[64 + 3 * 4], kInfinity);
  EXPECT_EQ(page[64 + 3 * 4 + 1], -kInfinity);
  EXPECT_TRUE(std::isnan(page[64 + 3 * 4 + 2]));
  EXPECT_TRUE(page[64 + 3 * 4 + 3] == 0 && std::signbit(page[64 + 3 * 4 + 3]));
}

TEST(AttentionQ8, AVectorHasTheScaleOfItsLargestNumber) {
  const AttentionShape shape = PlainShape(1, 1, 4);
  for (const AttentionForm& form : AttentionForms(KvFormat::kQ8)) {
    if (!Supported(form.isa)) {
      continue;
    }
    TestPage page(shape, KvFormat::kQ8, 0);
    const auto store = [&](const std::vector<float>& v) {
      form.store(shape, v.data(), v.data(), 3, page.data());
      const std::int64_t values = 4 * kPageLength + 3 * 4;
      return std::vector<float>{page[values], page[values + 1], page[values + 2], page[values + 3]};
    };
    EXPECT_EQ(store({-127, 1, 2.5, 3.5}), (std::vector<float>{-127, 1, 2, 4})) << form.name;
    EXPECT_EQ(store({254, 254, -254, 3}), (std::vector<float>{254, 254, -254, 4})) << form.name;
    EXPECT_EQ(store({0, 0, 0, 0}), (std::vector<float>{0, 0, 0, 0})) << form.name;
    EXPECT_EQ(store({1e-31F, 0, 0, -1e-40F}), (std::vector<float>{0, 0, 0, 0})) << form.name;
    EXPECT_NEAR(store({3e38F, 0, 0, 0})[0], 3e38F, 1e32F) << form.name;
    for (const float spoiled : {kInfinity, -kInfinity, kNotANumber}) {
      for (const float number : store({1, spoiled, 2, 3})) {
        EXPECT_TRUE(std::isnan(number)) << form.name;
      }
    }
  }
}

TEST_P(AttentionParity, PutsKeysDimsOutermostAndValuesPositionsOutermost) {
  AttentionShape shape = PlainShape(2, 2, 3);
  shape.value_dim = 2;
  TestPage page(shape, GetParam().kv_format, 0);
  std::vector<float> k = {1, 2, 3, 4, 5, 6};
  std::vector<float> v = {7, 8, 9, 10};
  GetParam().store(shape, k.data(), v.data(), 5, page.data());
  k = Stored(GetParam().kv_format, k, 3);
  v = Stored(GetParam().kv_format, v, 2);
  std::vector<float> expected(2 * 16 * (3 + 2), kNotANumber);
  for (std::size_t i = 0; i < 6; ++i) {
    expected[i * 16 + 5] = k[i];
  }
  expected[96 + 5 * 2] = v[0];
  expected[96 + 5 * 2 + 1] = v[1];
  expected[96 + 32 + 5 * 2] = v[2];
  expected[96 + 32 + 5 * 2 + 1] = v[3];
  for (std::int64_t i = 0; i < PageNumbers(shape); ++i) {
    const float wanted = expected[static_cast<std::size_t>(i)];
    EXPECT_TRUE(page[i] == wanted || (std::isnan(page[i]) && std::isnan(wanted))) << i;
  }
}

}  // namespace
}  // namespace ashlar::attention_test
