#include <algorithm>

#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/rope/rope.h"

namespace ashlar {

// One row of 32 heads, in place. (The numbers stay bounded: cos and sin are those of one angle.)
std::vector<KernelCase> RopeCases() {
  constexpr std::int64_t kHeads = 32;
  std::vector<KernelCase> cases;
  for (const std::int64_t head_dim : {64, 128}) {
    for (const RopeForm& form : RopeForms()) {
      cases.push_back({.kernel = "rope",
                       .size = "32x" + std::to_string(head_dim),
                       .isa = form.isa,
                       .bytes = 8.0 * kHeads * static_cast<double>(head_dim),
                       .prepare = [fn = form.fn, head_dim] {
                         const auto x = MakeRandom((kHeads + 1) * head_dim);
                         float* cos = x.get() + kHeads * head_dim;
                         float* sin = cos + head_dim / 2;
                         std::fill_n(cos, head_dim / 2, 0.6F);
                         std::fill_n(sin, head_dim / 2, 0.8F);
                         return [=] { fn(x.get(), kHeads, head_dim, head_dim, cos, sin); };
                       }});
    }
  }
  return cases;
}

}  // namespace ashlar
