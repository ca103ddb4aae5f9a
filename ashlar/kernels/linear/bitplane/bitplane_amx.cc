#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitplane/bitplane_tile_avx512.h"
#include "ashlar/kernels/linear/quantized_amx.h"

namespace ashlar::amx {
namespace {

// A band's planes, as QuantizedLinear takes them.
template <int kPlanes>
class PlanesSource {
  using Planes = internal::PlanesOfBands<avx512::BitplaneForm, kPlanes, 1>;

 public:
  static constexpr bool kHalf = kPlanes == BitplaneLayout::kPlanes;

  PlanesSource(const LinearArgs& args, std::int64_t output)
      : args_(args), band_(output / internal::kBandOutputs), planes_(args, band_) {}

  void Unpack(int groups, Chunk& chunk) {
    // The half step's bit is 0 in a code, and the sign's is inverted: one xor for both.
    const __m512i bits = _mm512_set1_epi8(static_cast<char>(128 + internal::HalfStep(kPlanes)));
    for (int g = 0; g < groups; ++g) {
      ASHLAR_UNROLL
      for (int step = 0; step < kQuadsPerGroup; ++step) {
        avx512::PlaneLine codes[2];
        planes_.Keep(0, step, 0, codes);
        const int at = 64 * Planes::Quad(step);
        _mm512_store_si512(chunk.q[0][g] + at, _mm512_xor_si512(codes[0].v, bits));
        _mm512_store_si512(chunk.q[1][g] + at, _mm512_xor_si512(codes[1].v, bits));
      }
      planes_.Scales(0).Store(chunk.scale[0][g]);
      planes_.Scales(kTileOutputs).Store(chunk.scale[1][g]);
      planes_.Next();
    }
  }
  void Prefetch(int g) const { planes_.PrefetchGroup(g); }
  void Finish() const { internal::ScaleOutputs<simd::F32x16>(args_, band_); }

 private:
  const LinearArgs& args_;
  std::int64_t band_;
  Planes planes_;
};

struct ManyRows {
  template <int kPlanes>
  static void Run(const LinearArgs& args) {
    QuantizedLinear<PlanesSource<kPlanes>>(args);
  }
};

}  // namespace

// (From how many rows tiles are faster is q4's number here too. One thread, 1024 x 1024, Gop/s by
// vpdpbusd and by tiles, of 4 planes: 12 rows 464 and 473, 13 rows 457 and 530, 16 rows 446 and
// 563; of 8 planes: 379 and 320, 377 and 348, 373 and 395.)
void LinearBitplane(const LinearArgs& args) noexcept {
  if (args.rows < kLeastRows) {
    return avx512::LinearBitplane(args);
  }
  internal::ForPlanes<ManyRows>(args);
}

}  // namespace ashlar::amx
