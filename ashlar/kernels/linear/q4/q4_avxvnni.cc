#include "ashlar/codec/q4/layout.h"
#include "ashlar/kernels/linear/q4/q4_forms.h"
#include "ashlar/kernels/linear/quantized_avxvnni.h"
#include "ashlar/kernels/linear/quantized_kept.h"

namespace ashlar::avxvnni {
namespace {

struct Q4Tile : QuantizedTile<Q4Layout::kBias> {
  using Layout = Q4Layout;

  static constexpr int Output(int part, int v) { return avx2::NibblesTile::Output(part, v); }
  template <int kVectors>
  static void Load(const std::byte* quad, int part, Weights (&w)[kVectors]) {
    avx2::NibblesTile::Load(quad, part, w);
  }
};

}  // namespace

void LinearQ4(const LinearArgs& args) noexcept {
  internal::KeptLinear<Q4Tile>(args);
}

}  // namespace ashlar::avxvnni
