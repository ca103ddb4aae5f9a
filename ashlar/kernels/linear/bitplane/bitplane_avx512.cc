#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitplane/bitplane_tile_avx512.h"

namespace ashlar::avx512 {
namespace {

// A word of a plane is the mask of 64 bytes: a plane costs a load of the mask and one masked
// instruction for 64 codes.
struct BitplaneForm {
  using F32 = simd::F32x16;
  template <bool kHalf>
  using Tile = PlanesTile<kHalf>;

  template <int kPlanes>
  static void Unpack(internal::PlaneTiles& at, const internal::Ahead& ahead, std::int64_t groups,
                     std::byte* tiles) {
    constexpr int kQuads = internal::UnpackedLayout::kQuads;
    const UnpackedTiles out{tiles};
    const __m512i low = _mm512_set1_epi8(HalfStep(kPlanes));
    const __m512i high = _mm512_set1_epi8(static_cast<char>(HalfStep(kPlanes) + 128));
    for (std::int64_t g = 0; g < groups; ++g) {
      internal::PrefetchPlanes<F32, kPlanes>(at, ahead);
      UnpackScales(at.scales, g, out);
      ASHLAR_UNROLL
      for (int word = 0; word < 2 * kQuads; ++word) {
        __m512i bytes = low;
        ASHLAR_UNROLL
        for (int plane = 0; plane < kPlanes; ++plane) {
          __mmask64 bits;
          __builtin_memcpy(&bits, at.plane[plane] + 8 * word, sizeof bits);
          const __m512i own = _mm512_set1_epi8(static_cast<char>(128 >> plane));
          bytes = plane == 0 ? _mm512_mask_blend_epi8(bits, low, high)
                             : _mm512_mask_add_epi8(bytes, bits, bytes, own);
        }
        _mm512_store_si512(out.Quad(g, word / kQuads, word % kQuads), bytes);
      }
      at.ToNextGroup<kPlanes>();
    }
  }
};

}  // namespace

void LinearBitplane(const LinearArgs& args) noexcept {
  internal::BitplaneLinear<BitplaneForm>(args);
}

}  // namespace ashlar::avx512
