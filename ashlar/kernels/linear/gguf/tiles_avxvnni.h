// GGUF's tiles on AVX2 with AVX-VNNI. Included by *_avxvnni.cc only.
#pragma once

#include <immintrin.h>

#include "ashlar/kernels/linear/gguf/tiles_avx2.h"
#include "ashlar/kernels/linear/quantized_avx2.h"

namespace ashlar::avxvnni {
namespace {

// As on AVX-512: vpdpbusd multiplies unsigned by signed bytes, so codes stay biased, signed ones
// are biased here, and a sum starts where the bias will be taken out. Measured on a busy Sapphire
// Rapids, 128 rows, one thread, GOP/s on AVX2 and here: Q4_K 148 and 185, Q6_K 132 and 163, IQ4_XS
// 109 and 243, Q4_1 155 and 248, where q4 has 208 and 320.
struct Isa : avx2::Isa {
  static constexpr int kSignedBias = 128;
  // 6 rows x 2 vectors: 12 sums + 2 weights + 1 broadcast of 16 registers; of two spans, 3 rows.
  // The floats and the scales live in the first-level cache, touched once per group.
  template <class Type>
  static constexpr int Rows() {
    return Type::kSpan == 16 ? 3 : 6;
  }
  template <class Type>
  static constexpr int BiasOf() {
    return Type::kSigned ? kSignedBias : Type::kBias;
  }

  template <class Type>
  struct GroupDots {
    __m256i sums;  // as ExactFloats has them
    void Start(std::int32_t x_sum) {
      sums = _mm256_set1_epi32(avx2::kExactZero - BiasOf<Type>() * x_sum);
    }
    void Add(__m256i w, __m256i x4, int) { sums = _mm256_dpbusd_avx_epi32(sums, w, x4); }
    F32 Finish(std::int32_t) const { return avx2::ExactFloats(sums); }
  };

  // Sums of two spans that fit into 16 bits are multiplied by their scales in one step; of others,
  // products are exact in f32.
  template <class Type>
  static constexpr bool SpansAreWords() {
    return Type::kSpan == 16 && Type::kMaxCode <= 15;
  }

  // The byte of the g-th dword of spans (or those of two spans) that is group g's.
  template <class Type>
  struct ScaleOf {
    static constexpr int kSpans = kGroup / Type::kSpan;
    __m256i words;
    F32 numbers[kSpans];
    void Read(const std::uint8_t* bytes, int g) {
      const __m256i four = Load(bytes);
      if constexpr (SpansAreWords<Type>()) {
        const int first = 0x02020202 * (g % 2);
        words = Type::kSignedScales
                    ? _mm256_srai_epi16(PickBytes(four, 0x01010000 + first), 8)
                    : PickBytes(four, static_cast<int>(0x80018000U) + (first & 0x00020002));
      } else {
        ASHLAR_UNROLL
        for (int s = 0; s < kSpans; ++s) {
          const int byte = g * kSpans % 4 + s;
          numbers[s] = {_mm256_cvtepi32_ps(
              Type::kSignedScales ? _mm256_srai_epi32(PickBytes(four, 0x01010101 * byte), 24)
                                  : PickBytes(four, static_cast<int>(0x80808000U) + byte))};
        }
      }
    }
  };
  template <class Type>
  struct BlockDots {
    static constexpr int kBias = BiasOf<Type>();
    static constexpr int kSpans = kGroup / Type::kSpan;
    static constexpr std::int32_t kZero = SpansAreWords<Type>() ? 0 : avx2::kExactZero;
    __m256i sums[kSpans];
    void Start(std::int32_t span_sums) {
      if constexpr (kSpans == 1) {
        sums[0] = _mm256_set1_epi32(kZero - kBias * span_sums);
      } else {
        sums[0] = _mm256_set1_epi32(kZero - kBias * static_cast<std::int16_t>(span_sums & 0xffff));
        sums[1] = _mm256_set1_epi32(kZero - kBias * (span_sums >> 16));
      }
    }
    void Add(__m256i w, __m256i x4, int quad, const ScaleOf<Type>&) {
      __m256i& sum = sums[quad * kSpans / internal::kQuads];
      sum = _mm256_dpbusd_avx_epi32(sum, w, x4);
    }
    F32 Finish(const ScaleOf<Type>& scale, std::int32_t) const {
      if constexpr (SpansAreWords<Type>()) {
        const __m256i both = _mm256_blend_epi16(sums[0], _mm256_slli_epi32(sums[1], 16), 0xaa);
        return {_mm256_cvtepi32_ps(_mm256_madd_epi16(both, scale.words))};
      } else {
        F32 sum = avx2::ExactFloats(sums[0]) * scale.numbers[0];
        if constexpr (kSpans == 2) {
          sum = MulAdd(avx2::ExactFloats(sums[1]), scale.numbers[1], sum);
        }
        return sum;
      }
    }
  };

  // 16 values, plus `bias` (and that of signed codes).
  static Ints Table(const std::int8_t (&values)[16], int bias) {
    return avx2::Isa::Table(values, bias == 0 ? kSignedBias : bias);
  }
};

}  // namespace

template <const BlockType& kType>
void LinearTiles(const LinearArgs& args) noexcept {
  internal::LinearOfTiles<Isa, internal::TilesOf<kType>>(args);
}

}  // namespace ashlar::avxvnni
