#include <immintrin.h>

#include "ashlar/kernels/linear/raw/raw_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {
namespace {

// 3 rows x 4 outputs: 12 sums + 3 activations + 1 weight = all 16 registers, and 12 fma (6 cycles
// on two ports) per 7 loads (3.5 cycles).
struct Block {
  using F32 = simd::F32x8;
  static constexpr int kMaxRows = 3;
  static constexpr int kOutputs = 4;
};

struct WeightsF32 : Block {
  using Element = float;
  static F32 Load(const float* p) { return F32::Load(p); }
  static F32 LoadFirst(const float* p, std::int64_t n) { return F32::LoadFirst(p, n, F32::Zero()); }
};

struct Halves : Block {
  using Element = std::uint16_t;
  static __m128i Bits(const Element* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  // AVX2 has no masked load of 16-bit elements: the tail is copied.
  static __m128i BitsFirst(const Element* p, std::int64_t n) {
    Element copy[F32::kLanes] = {};
    for (std::int64_t i = 0; i < n; ++i) {
      copy[i] = p[i];
    }
    return Bits(copy);
  }
};

struct WeightsF16 : Halves {
  static F32 Load(const Element* p) { return {_mm256_cvtph_ps(Bits(p))}; }
  static F32 LoadFirst(const Element* p, std::int64_t n) {
    return {_mm256_cvtph_ps(BitsFirst(p, n))};
  }
};

struct WeightsBF16 : Halves {
  static F32 Widen(__m128i bits) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
  }
  static F32 Load(const Element* p) { return Widen(Bits(p)); }
  static F32 LoadFirst(const Element* p, std::int64_t n) { return Widen(BitsFirst(p, n)); }
};

}  // namespace

void LinearF32(const LinearArgs& args) noexcept {
  internal::RawLinear<WeightsF32>(args);
}
void LinearF16(const LinearArgs& args) noexcept {
  internal::RawLinear<WeightsF16>(args);
}
void LinearBF16(const LinearArgs& args) noexcept {
  internal::RawLinear<WeightsBF16>(args);
}

}  // namespace ashlar::avx2
