#include "ashlar/codec/q8/layout.h"
#include "ashlar/kernels/linear/q8/q8_forms.h"
#include "ashlar/kernels/linear/quantized_avxvnni.h"
#include "ashlar/kernels/linear/quantized_kept.h"

namespace ashlar::avxvnni {
namespace {

struct Q8Tile : QuantizedTile<Q8Layout::kBias> {
  using Layout = Q8Layout;

  static constexpr int Output(int part, int v) { return 16 * part + v * F32::kLanes; }
  template <int kVectors>
  static void Load(const std::byte* quad, int part, Weights (&w)[kVectors]) {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const std::byte* from = quad + 4 * Output(part, v);
      w[v] = _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
    }
  }
};

}  // namespace

void LinearQ8(const LinearArgs& args) noexcept {
  internal::KeptLinear<Q8Tile>(args);
}

}  // namespace ashlar::avxvnni
