#include <immintrin.h>

#include "ashlar/kernels/linear/raw/raw_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {
namespace {

// 6 rows x 4 outputs: 24 sums + 6 activations + 1 weight = 31 of 32 registers, and 24 fma (12
// cycles on two ports) per 10 loads (5 cycles). Widening takes instructions on the fma's ports too:
// bf16 4, for 6/7 of the fma peak, f16 8, for 3/4.
struct Block {
  using F32 = simd::F32x16;
  static constexpr int kMaxRows = 6;
  static constexpr int kOutputs = 4;
};

struct WeightsF32 : Block {
  using Element = float;
  static F32 Load(const float* p) { return F32::Load(p); }
  static F32 LoadFirst(const float* p, std::int64_t n) { return F32::LoadFirst(p, n, F32::Zero()); }
};

struct Halves : Block {
  using Element = std::uint16_t;
  static __m256i Bits(const Element* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m256i BitsFirst(const Element* p, std::int64_t n) {
    return _mm256_maskz_loadu_epi16(F32::Lanes(0, n).bits, p);
  }
};

struct WeightsF16 : Halves {
  static F32 Load(const Element* p) { return {_mm512_cvtph_ps(Bits(p))}; }
  static F32 LoadFirst(const Element* p, std::int64_t n) {
    return {_mm512_cvtph_ps(BitsFirst(p, n))};
  }
};

struct WeightsBF16 : Halves {
  // One instruction where widening and shifting are two: number i becomes the upper half of lane i,
  // and the lower halves are masked.
  static F32 Widen(__m256i bits) {
    alignas(64) static constexpr std::uint16_t kUpper[32] = {0, 0,  0, 1,  0, 2,  0, 3,  0, 4, 0,
                                                             5, 0,  6, 0,  7, 0,  8, 0,  9, 0, 10,
                                                             0, 11, 0, 12, 0, 13, 0, 14, 0, 15};
    return {_mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(
        0xaaaaaaaa, _mm512_load_si512(kUpper), _mm512_castsi256_si512(bits)))};
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

}  // namespace ashlar::avx512
