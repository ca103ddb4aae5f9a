#include "ashlar/kernels/delta_rule/delta_rule.h"

#include <cmath>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

struct DeltaOperands {
  DeltaOperands(std::int64_t key_dim_in, std::int64_t value_dim_in, std::int64_t offset)
      : key_dim(key_dim_in),
        value_dim(value_dim_in),
        state(key_dim * value_dim, offset),
        q(key_dim, (offset + 1) % 4),
        k(key_dim, (offset + 2) % 4),
        v(value_dim, (offset + 3) % 4) {
    RandomFloats random(key_dim * 1000 + value_dim);
    for (GuardedFloats* values : {&state, &q, &k, &v}) {
      random.Fill(*values);
    }
  }
  void Run(DeltaRuleFn fn, float keep, float write) {
    fn({.state = state.data(),
        .q = q.data(),
        .k = k.data(),
        .v = v.data(),
        .key_dim = key_dim,
        .value_dim = value_dim,
        .keep = keep,
        .write = write});
  }

  std::int64_t key_dim, value_dim;
  GuardedFloats state, q, k, v;
};

class DeltaRuleParity : public FormTest<DeltaRuleForm> {
 protected:
  void ExpectAgrees(std::int64_t key_dim, std::int64_t value_dim, std::int64_t offset, float keep,
                    float write) const {
    const DeltaOperands before(key_dim, value_dim, offset);
    DeltaOperands expected(key_dim, value_dim, offset);
    DeltaOperands actual(key_dim, value_dim, offset);
    expected.Run(DeltaRuleForms().front().fn, keep, write);
    actual.Run(GetParam().fn, keep, write);
    const auto keys = static_cast<double>(key_dim);
    for (std::int64_t j = 0; j < value_dim; ++j) {
      double found = std::fabs(before.v[j]);
      for (std::int64_t i = 0; i < key_dim; ++i) {
        found += keep * std::fabs(before.k[i] * before.state[i * value_dim + j]);
      }
      double magnitude = 0;
      for (std::int64_t i = 0; i < key_dim; ++i) {
        const std::int64_t at = i * value_dim + j;
        const double kept = keep * std::fabs(before.state[at]);
        const double written = std::fabs(before.k[i]) * write * found;
        ASSERT_NEAR(actual.state[at], expected.state[at],
                    (4 * kept + (keys / 4 + 12) * written) * kUnitRoundoff + 0x1p-140)
            << key_dim << " keys, value " << j << " of " << value_dim;
        magnitude += std::fabs(before.q[i]) * (kept + written);
      }
      ASSERT_NEAR(actual.v[j], expected.v[j],
                  (keys / 2 + 24) * kUnitRoundoff * magnitude + 0x1p-140)
          << key_dim << " keys, value " << j << " of " << value_dim;
    }
    actual.state.ExpectIntact();
    actual.v.ExpectIntact();
  }
};

TEST_P(DeltaRuleParity, AgreesWithTheReferenceForEveryTailAndMisalignment) {
  for (std::int64_t dim = 1; dim <= 40; ++dim) {
    for (const std::int64_t offset : {0, 1, 3}) {
      ExpectAgrees(dim, 41 - dim, offset, 0.9F, 0.6F);
    }
  }
  ExpectAgrees(128, 128, 0, 0.99F, 0.5F);
  ExpectAgrees(5, 19, 0, 0, 1);
  ExpectAgrees(5, 19, 0, 1, 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, DeltaRuleParity, testing::ValuesIn(DeltaRuleForms()), FormName());

TEST(DeltaRuleReference, WithAKeyOfLengthOneReplacesWhatItFindsByTheValue) {
  float state[] = {4, 8, 1, 2};  // two keys, two values
  const float q[] = {10, 1};
  const float k[] = {0, 1};
  float v[] = {6, 7};
  DeltaRuleForms().front().fn({state, q, k, v, 2, 2, 0.5F, 1});
  const float expected[] = {2, 4, 6, 7};
  for (int i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(state[i], expected[i]);
  }
  EXPECT_FLOAT_EQ(v[0], 20 + 6);
  EXPECT_FLOAT_EQ(v[1], 40 + 7);
}

}  // namespace
}  // namespace ashlar
