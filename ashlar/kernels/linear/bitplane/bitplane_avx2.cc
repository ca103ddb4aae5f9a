#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitplane/bitplane_simd.h"
#include "ashlar/kernels/linear/q8/q8_tile_avx2.h"

namespace ashlar::avx2 {
namespace {

// 32 bits of a plane (8 outputs, 4 inputs) become 32 bytes: each byte of bits is copied to where
// its 8 bits go, its own bit tested, and what is found pushed into the codes from below. That is 4
// instructions for each plane of 32 codes.
struct BitplaneForm {
  using F32 = simd::F32x8;

  template <bool kHalf>
  struct Tile : Q8Tile {
    using Layout = internal::UnpackedLayout;
    static constexpr bool kFromMemory = false;

    static F32 Scales(const std::byte* tile, int output) {
      return F32::Load(reinterpret_cast<const float*>(tile) + output);
    }
    static F32 Finish(Integers sum, std::int32_t x_sum) {
      const F32 dot = Q8Tile::Finish(sum, x_sum);
      return kHalf ? dot + F32::Broadcast(0.5f * static_cast<float>(x_sum)) : dot;
    }
  };

  template <int kPlanes>
  static void Unpack(internal::PlaneTiles& at, const internal::Ahead& ahead, std::int64_t groups,
                     std::byte* tiles) {
    using Layout = internal::UnpackedLayout;
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                            2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x(static_cast<std::int64_t>(0x8040201008040201u));
    // Codes stand at the top of their bytes; the bit below them is their half step.
    const __m256i half_step = _mm256_set1_epi8(kPlanes == 8 ? 0 : 1 << (7 - kPlanes) % 8);
    for (std::int64_t g = 0; g < groups; ++g, tiles += Layout::kTileBytes) {
      UnpackScales(at.scales, reinterpret_cast<float*>(tiles));
      for (int part = 0; part < 4 * Layout::kQuads; ++part) {  // 8 outputs of a quad
        __m256i bytes = _mm256_setzero_si256();
        ASHLAR_UNROLL
        for (int plane = 0; plane < kPlanes; ++plane) {
          std::int32_t bits;
          __builtin_memcpy(&bits, at.plane[plane] + 4 * part, sizeof bits);
          const __m256i own =
              _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(bits), spread), bit);
          bytes = _mm256_sub_epi8(_mm256_add_epi8(bytes, bytes), _mm256_cmpeq_epi8(own, bit));
        }
        bytes = _mm256_or_si256(Up<8 - kPlanes>(bytes), half_step);
        const int half = part / (2 * Layout::kQuads);
        const int quad = part / 2 % Layout::kQuads;
        _mm256_store_si256(
            reinterpret_cast<__m256i*>(tiles + Layout::kScaleBytes + quad * Layout::kQuadBytes +
                                       64 * half + 32 * (part % 2)),
            bytes);
      }
      internal::PrefetchPlanes<F32, kPlanes>(at, ahead);
      at.ToNextGroup<kPlanes>();
    }
  }

 private:
  // (No bit crosses into the byte above: the codes have as few bits as they are moved up.)
  template <int kBits>
  static __m256i Up(__m256i codes) {
    return _mm256_slli_epi16(codes, kBits);
  }

  static void UnpackScales(const std::byte* from, float* scales) {
    for (int at = 0; at < 16; at += 8) {
      const __m256i index =
          _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + at)));
      Look(_mm256_and_si256(index, _mm256_set1_epi32(15))).Store(scales + at);
      Look(_mm256_srli_epi32(index, 4)).Store(scales + 16 + at);
    }
  }
  static F32 Look(__m256i index) {
    return {_mm256_i32gather_ps(BitplaneLayout::kScales, index, 4)};
  }
};

}  // namespace

void LinearBitplane(const LinearArgs& args) noexcept {
  internal::BitplaneLinear<BitplaneForm>(args);
}

}  // namespace ashlar::avx2
