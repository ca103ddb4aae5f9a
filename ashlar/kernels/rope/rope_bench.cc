#include <memory>
#include <string>

#include "ashlar/kernels/kernel_bench_support.h"
#include "ashlar/kernels/rope/rope.h"

namespace ashlar {
namespace {

// One row of 32 heads: x in place, 8 bytes for each element. (The numbers stay bounded: cos and sin
// are those of one angle.)
const int kRegistered = [] {
  for (const std::int64_t head_dim : {64, 128}) {
    for (const RopeForm& form : RopeForms()) {
      auto data = std::make_shared<RandomBuffer>(33 * head_dim);
      float* cos = data->data() + 32 * head_dim;
      float* sin = cos + head_dim / 2;
      std::fill_n(cos, head_dim / 2, 0.6F);
      std::fill_n(sin, head_dim / 2, 0.8F);
      RegisterBandwidth("rope/" + std::to_string(head_dim), form,
                        8.0 * 32 * static_cast<double>(head_dim),
                        [=] { form.fn(data->data(), 32, head_dim, head_dim, cos, sin); });
    }
  }
  return 0;
}();

}  // namespace
}  // namespace ashlar
