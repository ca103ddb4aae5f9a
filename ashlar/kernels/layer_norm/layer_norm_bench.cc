#include <memory>
#include <string>

#include "ashlar/kernels/kernel_bench_support.h"
#include "ashlar/kernels/layer_norm/layer_norm.h"

namespace ashlar {
namespace {

// One row: x, w, b and y, 16 bytes for each element.
const int kRegistered = [] {
  for (const std::int64_t n : {2048, 4096}) {
    for (const LayerNormForm& form : LayerNormForms()) {
      auto data = std::make_shared<RandomBuffer>(4 * n);
      RegisterBandwidth("layer_norm/" + std::to_string(n), form, 16.0 * static_cast<double>(n),
                        [=] {
                          float* x = data->data();
                          form.fn(x, x + n, x + 2 * n, x + 3 * n, n, 1e-5F);
                        });
    }
  }
  return 0;
}();

}  // namespace
}  // namespace ashlar
