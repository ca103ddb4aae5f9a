#include <immintrin.h>

#include "ashlar/kernels/linear/raw/raw_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {
namespace {

// 6 rows x 4 outputs: 24 sums + 6 activations + 1 weight = 31 of 32 registers, and 24 fma (12
// cycles on two ports) per 10 loads (5 cycles). f16 and bf16 add 8 instructions of widening on the
// fma's ports: 3/4 of the fma peak.
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
  static F32 Widen(__m256i bits) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
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
