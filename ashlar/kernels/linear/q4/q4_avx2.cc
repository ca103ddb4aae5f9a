#include "ashlar/codec/q4/layout.h"
#include "ashlar/kernels/linear/q4/q4_forms.h"
#include "ashlar/kernels/linear/quantized_avx2.h"
#include "ashlar/kernels/linear/quantized_kept.h"

namespace ashlar::avx2 {
namespace {

struct Q4Tile : NibblesTile {
  using Layout = Q4Layout;

  template <int kVectors>
  static void Finish(const Integers (&sums)[kVectors], std::int32_t x_sum, F32 (&dots)[kVectors]) {
    FinishIn(1, sums, Layout::kBias * x_sum, dots);
  }
};

}  // namespace

void LinearQ4(const LinearArgs& args) noexcept {
  internal::KeptLinear<Q4Tile>(args);
}

}  // namespace ashlar::avx2
