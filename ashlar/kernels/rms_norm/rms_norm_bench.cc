#include <memory>
#include <string>

#include "ashlar/kernels/kernel_bench_support.h"
#include "ashlar/kernels/rms_norm/rms_norm.h"

namespace ashlar {
namespace {

// One row of a 1B and an 8B model: x, w and y, 12 bytes for each element.
const int kRegistered = [] {
  for (const std::int64_t n : {2048, 4096}) {
    for (const RmsNormForm& form : RmsNormForms()) {
      auto data = std::make_shared<RandomBuffer>(3 * n);
      RegisterBandwidth("rms_norm/" + std::to_string(n), form, 12.0 * static_cast<double>(n), [=] {
        form.fn(data->data(), data->data() + n, data->data() + 2 * n, n, 1e-5F);
      });
    }
  }
  return 0;
}();

}  // namespace
}  // namespace ashlar
