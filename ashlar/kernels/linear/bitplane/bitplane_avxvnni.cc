#include <type_traits>

#include "ashlar/kernels/linear/bitplane/bitplane_forms.h"
#include "ashlar/kernels/linear/bitplane/bitplane_line_avx2.h"
#include "ashlar/kernels/linear/bitplane/bitplane_simd.h"
#include "ashlar/kernels/linear/quantized_avxvnni.h"

namespace ashlar::avxvnni {
namespace {

// A line's low outputs are 0 to 15, its high ones 16 to 31; half a line is two vectors.
template <int kBias>
struct PlanesTile : QuantizedTile<kBias> {
  static constexpr int Output(int part, int v) { return avx2::NibblesTile::Output(part, v); }
};

// Up to 4 planes of few rows, as on AVX-512 (bitplane_tile_avx512.h).
template <int kPlanes>
struct NibblesOfPlanes : PlanesTile<128 - internal::HalfStep(kPlanes)> {
  using F32 = simd::F32x8;
  static constexpr int kKept = 1;
  static constexpr int kBias = 128 - internal::HalfStep(kPlanes);
  static constexpr int kBiasOfLow = kBias / 16;
  static constexpr float kUnitOfLow = 16;

  static void Take(const avx2::PlaneLine (&kept)[1], __m256i* w) {
    w[0] = _mm256_and_si256(kept[0].v, _mm256_set1_epi8(15));
    w[1] = kept[0].v;
  }
  // (A high sum becomes a float when a low one was subtracted.)
  static __m256i Start(std::int32_t x_sum, int v) {
    const std::int32_t low = avx2::kExactZero - kBiasOfLow * x_sum;
    return v % 2 == 0 ? _mm256_set1_epi32(low)
                      : _mm256_add_epi32(_mm256_set1_epi32(low),
                                         _mm256_set1_epi32(avx2::kExactZero - kBias * x_sum));
  }
  template <int kVectors>
  static void Finish(const __m256i (&sums)[kVectors], std::int32_t x_sum, F32 (&dots)[kVectors]) {
    ASHLAR_UNROLL
    for (int v = 0; v < kVectors; v += 2) {
      dots[v] = avx2::ExactFloats(sums[v]);
      dots[v + 1] = avx2::ExactFloats(_mm256_sub_epi32(sums[v + 1], sums[v]));
      if constexpr (kBias % 16 != 0) {
        static_assert(kBias % 16 == 8);
        dots[v] = dots[v] - F32::Broadcast(0.5f * static_cast<float>(x_sum));
      }
    }
  }
};

// Bytes, biased by kBias; kHalf: less half a unit.
template <int kBias, bool kHalf>
struct BytesOfPlanes : PlanesTile<kBias> {
  using F32 = simd::F32x8;
  static constexpr int kKept = 2;
  static constexpr float kUnitOfLow = 1;

  static void Take(const avx2::PlaneLine (&kept)[2], __m256i* w) {
    w[0] = kept[0].v;
    w[1] = kept[1].v;
  }
  template <int kVectors>
  static void Finish(const __m256i (&sums)[kVectors], std::int32_t x_sum, F32 (&dots)[kVectors]) {
    QuantizedTile<kBias>::Finish(sums, x_sum, dots);
    if constexpr (kHalf) {
      ASHLAR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        dots[v] = dots[v] + F32::Broadcast(0.5f * static_cast<float>(x_sum));
      }
    }
  }
};

struct BitplaneForm : avx2::BitplaneBase {
  template <int kPlanes>
  static constexpr bool kHalf = kPlanes == BitplaneLayout::kPlanes;
  template <int kPlanes>
  using OneRow =
      std::conditional_t<(kPlanes <= 4), NibblesOfPlanes<kPlanes>,
                         BytesOfPlanes<128 - internal::HalfStep(kPlanes), kHalf<kPlanes>>>;
  template <int kPlanes>
  using ManyRows = BytesOfPlanes<128, kHalf<kPlanes>>;
};

}  // namespace

void LinearBitplane(const LinearArgs& args) noexcept {
  internal::ForPlanes<internal::PlanesRunner<BitplaneForm>>(args);
}

}  // namespace ashlar::avxvnni
