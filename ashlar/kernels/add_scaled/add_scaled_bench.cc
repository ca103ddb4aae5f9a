#include <memory>
#include <string>

#include "ashlar/kernels/add_scaled/add_scaled.h"
#include "ashlar/kernels/kernel_bench_support.h"

namespace ashlar {
namespace {

// The residual sum of one row of a 1B model: 12 bytes for each element.
const int kRegistered = [] {
  constexpr std::int64_t kWidth = 2048;
  for (const AddScaledForm& form : AddScaledForms()) {
    auto data = std::make_shared<RandomBuffer>(3 * kWidth);
    RegisterBandwidth("add_scaled/2048", form, 12.0 * kWidth, [=] {
      float* x = data->data();
      form.fn(1, x, x + kWidth, x + 2 * kWidth, kWidth);
    });
  }
  return 0;
}();

}  // namespace
}  // namespace ashlar
