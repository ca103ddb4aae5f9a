// What the tests of kernels share: guarded buffers, random numbers, and rows that print by name.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/kernels/isa.h"

namespace ashlar {

inline constexpr double kUnitRoundoff = 0x1p-24;  // u of the error bounds

// `count` floats, `offset` (below 16) floats past a 64-byte boundary, between guards that
// ExpectIntact checks.
class GuardedFloats {
 public:
  explicit GuardedFloats(std::int64_t count, std::int64_t offset = 0)
      : count_(count), storage_(static_cast<std::size_t>(count + 4 * kGuards), kGuard) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    const auto to_boundary = static_cast<std::int64_t>((64 - address % 64) % 64 / sizeof(float));
    begin_ = kGuards + to_boundary + offset;
  }
  GuardedFloats(const GuardedFloats&) = delete;
  GuardedFloats& operator=(const GuardedFloats&) = delete;

  float* data() { return storage_.data() + begin_; }
  const float* data() const { return storage_.data() + begin_; }
  std::int64_t size() const { return count_; }
  float& operator[](std::int64_t i) { return data()[i]; }
  float operator[](std::int64_t i) const { return data()[i]; }

  void ExpectIntact() const {
    const auto size = static_cast<std::int64_t>(storage_.size());
    for (std::int64_t i = 0; i < size; i = i + 1 == begin_ ? begin_ + count_ : i + 1) {
      ASSERT_EQ(storage_[static_cast<std::size_t>(i)], kGuard)
          << "wrote at " << i - begin_ << " of " << count_;
    }
  }

  static constexpr float kGuard = 1234.5F;

 private:
  static constexpr std::int64_t kGuards = 16;
  std::int64_t count_;
  std::int64_t begin_;
  std::vector<float> storage_;
};

// Normal numbers from a seed that a failing test prints.
class RandomFloats {
 public:
  explicit RandomFloats(std::uint32_t seed)
      : engine_(seed), trace_(__FILE__, __LINE__, "seed " + std::to_string(seed)) {}

  float Normal(float mean = 0, float deviation = 1) {
    return std::normal_distribution<float>(mean, deviation)(engine_);
  }
  std::int64_t Between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
  }
  void Fill(GuardedFloats& values, float mean = 0, float deviation = 1) {
    for (std::int64_t i = 0; i < values.size(); ++i) {
      values[i] = Normal(mean, deviation);
    }
  }

 private:
  std::mt19937 engine_;
  testing::ScopedTrace trace_;
};

// Rows of a list of forms print, and name their tests, by name.
template <class Form>
concept KernelForm = requires(Form form) {
  form.isa;
  form.name;
  form.fn;
};
template <KernelForm Form>
void PrintTo(const Form& form, std::ostream* out) {
  *out << form.name;
}
struct FormName {
  template <class Form>
  std::string operator()(const testing::TestParamInfo<Form>& info) const {
    return std::string(info.param.name);
  }
};

// The fixture of tests that run over all forms: a form that this processor lacks is a visible skip.
template <class Form>
class FormTest : public testing::TestWithParam<Form> {
 protected:
  void SetUp() override {
    if (!Supported(this->GetParam().isa)) {
      GTEST_SKIP() << "this processor cannot run " << IsaName(this->GetParam().isa);
    }
  }
};

}  // namespace ashlar
