#include <memory>
#include <string>

#include "ashlar/kernels/activation/activation.h"
#include "ashlar/kernels/kernel_bench_support.h"

namespace ashlar {
namespace {

// One gated row of a 1B model: gate, up and y, 12 bytes for each element.
const int kRegistered = [] {
  constexpr std::int64_t kWidth = 8192;
  for (const ActivationForm& form : ActivationForms()) {
    auto data = std::make_shared<RandomBuffer>(3 * kWidth);
    RegisterBandwidth(std::string(ActivationName(form.activation)) + "/8192", form, 12.0 * kWidth,
                      [=] {
                        float* gate = data->data();
                        form.fn(gate, gate + kWidth, gate + 2 * kWidth, kWidth);
                      });
  }
  return 0;
}();

}  // namespace
}  // namespace ashlar
