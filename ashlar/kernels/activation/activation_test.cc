#include "ashlar/kernels/activation/activation.h"

#include <cmath>

#include "ashlar/kernels/kernel_test_support.h"

namespace ashlar {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// The bound that activation.h gives, over u.
double Units(Activation activation, double x) {
  switch (activation) {
    case Activation::kSilu:
      return 7;
    case Activation::kGelu:
      return 15;
    case Activation::kGeluTanh:
      return 7 + 6 * std::fabs(1.6 * (x + 0.044715 * x * x * x));
    case Activation::kRelu:
      return 1;
    case Activation::kRelu2:
      return 2;
    case Activation::kSigmoid:
      return 5;
  }
  return 0;
}

ActivateFn Reference(Activation activation) {
  return FindActivate(activation, Isa::kReference);
}

class ActivationParity : public FormTest<ActivationForm> {
 protected:
  void ExpectAgrees(const GuardedFloats& gate, const GuardedFloats* up) const {
    const std::int64_t n = gate.size();
    const Activation activation = GetParam().activation;
    GuardedFloats expected(n);
    GuardedFloats actual(n, 3);
    const float* factors = up == nullptr ? nullptr : up->data();
    Reference(activation)(gate.data(), factors, expected.data(), n);
    GetParam().fn(gate.data(), factors, actual.data(), n);
    for (std::int64_t k = 0; k < n; ++k) {
      const double factor = up == nullptr ? 1 : std::fabs((*up)[k]);
      const double flushed = std::max(std::fabs(gate[k]), 1.0F) * factor * 0x1p-126;
      ASSERT_NEAR(
          actual[k], expected[k],
          Units(activation, gate[k]) * kUnitRoundoff * std::fabs(expected[k]) + flushed + 0x1p-149)
          << k << " of " << n << ", x " << gate[k];
    }
    actual.ExpectIntact();
  }
};

TEST_P(ActivationParity, AgreesWithTheReferenceForEveryTailAndMisalignment) {
  RandomFloats random(1);
  for (std::int64_t n = 1; n <= 130; ++n) {
    for (const std::int64_t offset : {0, 1, 3}) {
      GuardedFloats gate(n, offset);
      GuardedFloats up(n, (offset + 1) % 4);
      random.Fill(gate, 0, 3);
      random.Fill(up);
      ExpectAgrees(gate, nullptr);
      ExpectAgrees(gate, &up);
    }
  }
}

TEST_P(ActivationParity, AgreesWithTheReferenceFromTheSmallestToTheLargestNumbers) {
  GuardedFloats gate(2 * 120'000);
  for (std::int64_t k = 0; k < 120'000; ++k) {
    gate[2 * k] = -12 + static_cast<float>(k) * 2e-4F;
    gate[2 * k + 1] = std::ldexp(k % 2 == 0 ? 1.0F : -1.0F, static_cast<int>(k % 140) - 126) *
                      (1 + static_cast<float>(k) / 120'000);
  }
  ExpectAgrees(gate, nullptr);
}

TEST_P(ActivationParity, MayWriteOverEitherInput) {
  RandomFloats random(2);
  GuardedFloats gate(45);
  GuardedFloats up(45, 1);
  GuardedFloats y(45);
  random.Fill(gate);
  random.Fill(up);
  GetParam().fn(gate.data(), up.data(), y.data(), 45);
  GuardedFloats gate_copy(45);
  std::copy_n(gate.data(), 45, gate_copy.data());
  GetParam().fn(gate_copy.data(), up.data(), gate_copy.data(), 45);
  GetParam().fn(gate.data(), up.data(), up.data(), 45);
  for (std::int64_t k = 0; k < 45; ++k) {
    ASSERT_EQ(gate_copy[k], y[k]) << k;
    ASSERT_EQ(up[k], y[k]) << k;
  }
}

TEST_P(ActivationParity, KeepsNaN) {
  const float x[] = {kNaN, 1};
  float y[2];
  GetParam().fn(x, nullptr, y, 2);
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_FALSE(std::isnan(y[1]));
}

INSTANTIATE_TEST_SUITE_P(Forms, ActivationParity, testing::ValuesIn(ActivationForms()),
                         [](const testing::TestParamInfo<ActivationForm>& info) {
                           return std::string(ActivationName(info.param.activation)) + "_" +
                                  std::string(info.param.name);
                         });

TEST(ActivationReference, IsTheFormulaOnKnownNumbers) {
  const auto value = [](Activation activation, float x) {
    const float up = 2;
    float y = 0;
    Reference(activation)(&x, &up, &y, 1);
    return y / 2;
  };
  EXPECT_FLOAT_EQ(value(Activation::kSilu, 1), 0.7310586F);
  EXPECT_FLOAT_EQ(value(Activation::kSilu, -2), -0.23840584F);
  EXPECT_FLOAT_EQ(value(Activation::kGelu, 1), 0.8413447F);
  EXPECT_FLOAT_EQ(value(Activation::kGelu, -2), -0.04550026F);
  EXPECT_FLOAT_EQ(value(Activation::kGeluTanh, 1), 0.841192F);
  EXPECT_FLOAT_EQ(value(Activation::kGeluTanh, -2), -0.045402306F);
  EXPECT_FLOAT_EQ(value(Activation::kRelu, 1.5F), 1.5F);
  EXPECT_FLOAT_EQ(value(Activation::kRelu, -1.5F), 0);
  EXPECT_FLOAT_EQ(value(Activation::kRelu2, 1.5F), 2.25F);
  EXPECT_FLOAT_EQ(value(Activation::kRelu2, -1.5F), 0);
  EXPECT_FLOAT_EQ(value(Activation::kSigmoid, 1), 0.7310586F);
}

TEST(Activation, IsFoundByItsName) {
  for (const ActivationForm& form : ActivationForms()) {
    const Result<Activation> found = FindActivation(ActivationName(form.activation));
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, form.activation);
  }
  const Result<Activation> unknown = FindActivation("swish");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalid);
}

TEST(Activation, IsChosenAsTheFastestFormOfTheInstructionSet) {
  for (const ActivationForm& form : ActivationForms()) {
    EXPECT_EQ(FindActivate(form.activation, form.isa), form.fn) << form.name;
  }
}

}  // namespace
}  // namespace ashlar
