#include <memory>
#include <string>

#include "ashlar/kernels/kernel_bench_support.h"
#include "ashlar/kernels/softmax/softmax.h"

namespace ashlar {
namespace {

// The logits of a small and a large vocabulary: x and y, 8 bytes for each element.
const int kRegistered = [] {
  for (const std::int64_t n : {32'000, 151'936}) {
    for (const SoftmaxForm& form : SoftmaxForms()) {
      auto data = std::make_shared<RandomBuffer>(2 * n);
      RegisterBandwidth("softmax/" + std::to_string(n), form, 8.0 * static_cast<double>(n),
                        [=] { form.fn(data->data(), data->data() + n, n); });
    }
  }
  return 0;
}();

}  // namespace
}  // namespace ashlar
