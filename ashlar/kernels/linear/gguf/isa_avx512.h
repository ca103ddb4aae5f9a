// AVX-512 with VNNI, as the walk of GGUF's tiles wants it. Included by *_avx512.cc and *_amx.cc
// only.
#pragma once

#include <immintrin.h>

#include "ashlar/kernels/linear/gguf/blocks_fns.h"
#include "ashlar/kernels/linear/gguf/tiles_simd.h"
#include "ashlar/kernels/linear/gguf/tiles_unpack.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {
namespace {

// vpdpbusd multiplies unsigned by signed bytes: codes stay biased, signed ones are biased here, and
// a sum starts where the bias will be taken out.
struct Isa {
  using F32 = simd::F32x16;
  using Ints = __m512i;
  static constexpr int kLanes = 16;
  static constexpr int kSignedBias = 128;
  // 6 rows x 2 vectors: 12 sums + 12 floats + 2 weights + 1 broadcast + scales of 32 registers; of
  // two spans, 4 rows: 16 sums + 8 floats.
  template <class Type>
  static constexpr int Rows() {
    return Type::kSpan == 16 ? 4 : 6;
  }
  static constexpr int Vectors(int) { return 2; }
  template <class Type>
  static constexpr int BiasOf() {
    return Type::kSigned ? kSignedBias : Type::kBias;
  }

  template <class Type>
  struct GroupDots {
    __m512i sums;
    void Start(std::int32_t x_sum) { sums = _mm512_set1_epi32(-BiasOf<Type>() * x_sum); }
    void Add(__m512i w, __m512i x4, int) { sums = _mm512_dpbusd_epi32(sums, w, x4); }
    F32 Finish(std::int32_t) const { return {_mm512_cvtepi32_ps(sums)}; }
  };

  // Sums of two spans that fit into 16 bits are multiplied by their scales in one step; of others,
  // products are exact in f32.
  template <class Type>
  static constexpr bool SpansAreWords() {
    return Type::kSpan == 16 && Type::kMaxCode <= 15;
  }

  // Byte `byte` of dwords of scales, as numbers.
  template <class Type>
  static F32 ScaleNumbers(const std::uint8_t* bytes, int byte) {
    const __m512i four = Load(bytes);
    return {_mm512_cvtepi32_ps(Type::kSignedScales
                                   ? _mm512_srai_epi32(PickBytes(four, 0x01010101 * byte), 24)
                                   : PickBytes(four, static_cast<int>(0x80808000U) + byte))};
  }

  // The byte of the g-th dword of spans (or those of two spans) that is group g's.
  template <class Type>
  struct ScaleOf {
    static constexpr int kSpans = kGroup / Type::kSpan;
    __m512i words;
    F32 numbers[kSpans];
    void Read(const std::uint8_t* bytes, int g) {
      if constexpr (SpansAreWords<Type>()) {
        const __m512i four = Load(bytes);
        const int first = 0x02020202 * (g % 2);
        words = Type::kSignedScales
                    ? _mm512_srai_epi16(PickBytes(four, 0x01010000 + first), 8)
                    : PickBytes(four, static_cast<int>(0x80018000U) + (first & 0x00020002));
      } else {
        ASHLAR_UNROLL
        for (int s = 0; s < kSpans; ++s) {
          numbers[s] = ScaleNumbers<Type>(bytes, g * kSpans % 4 + s);
        }
      }
    }
  };
  template <class Type>
  struct BlockDots {
    static constexpr int kBias = BiasOf<Type>();
    static constexpr int kSpans = kGroup / Type::kSpan;
    __m512i sums[kSpans];
    void Start(std::int32_t span_sums) {
      if constexpr (kSpans == 1) {
        sums[0] = _mm512_set1_epi32(-kBias * span_sums);
      } else {
        sums[0] = _mm512_set1_epi32(-kBias * static_cast<std::int16_t>(span_sums & 0xffff));
        sums[1] = _mm512_set1_epi32(-kBias * (span_sums >> 16));
      }
    }
    void Add(__m512i w, __m512i x4, int quad, const ScaleOf<Type>&) {
      __m512i& sum = sums[quad * kSpans / internal::kQuads];
      sum = _mm512_dpbusd_epi32(sum, w, x4);
    }
    F32 Finish(const ScaleOf<Type>& scale, std::int32_t) const {
      if constexpr (SpansAreWords<Type>()) {
        const __m512i both =
            _mm512_mask_blend_epi16(0xaaaaaaaa, sums[0], _mm512_slli_epi32(sums[1], 16));
        return {_mm512_cvtepi32_ps(_mm512_madd_epi16(both, scale.words))};
      } else {
        F32 sum = F32{_mm512_cvtepi32_ps(sums[0])} * scale.numbers[0];
        if constexpr (kSpans == 2) {
          sum = MulAdd(F32{_mm512_cvtepi32_ps(sums[1])}, scale.numbers[1], sum);
        }
        return sum;
      }
    }
  };

  // Minima of a group's spans, as words; and the sum of their products with words.
  template <class Type>
  static __m512i Minima(const std::uint8_t* bytes, int g) {
    return PickBytes(Load(bytes), Type::kSpan == 16
                                      ? static_cast<int>(0x80018000U) + 0x00020002 * (g % 2)
                                      : static_cast<int>(0x80808000U) + g % 4);
  }
  static F32 SumsOfWords(__m512i a, std::int32_t b) {
    return {_mm512_cvtepi32_ps(_mm512_madd_epi16(a, _mm512_set1_epi32(b)))};
  }
  // In each dword, those of its bytes that `which` names byte by byte; 0 for 0x80.
  static __m512i PickBytes(__m512i x, int which) {
    const __m512i dwords = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    return _mm512_shuffle_epi8(x, _mm512_add_epi8(_mm512_set1_epi32(which), dwords));
  }

  static __m512i Broadcast4(const std::int8_t* x) {
    std::int32_t x4;
    __builtin_memcpy(&x4, x, sizeof x4);
    return _mm512_set1_epi32(x4);
  }
  static std::int32_t SumOf16(const std::int8_t* x) {
    const __m128i biased = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)),
                                         _mm_set1_epi8(static_cast<char>(0x80)));
    const __m128i sums = _mm_sad_epu8(biased, _mm_setzero_si128());
    return _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_unpackhi_epi64(sums, sums))) - 16 * 128;
  }

  static Ints Load(const void* p) { return _mm512_loadu_si512(p); }
  static void Store(void* p, Ints x) { _mm512_storeu_si512(p, x); }
  static Ints LoadBytes(const std::byte* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Ints LoadWords(const std::byte* p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static F32 LoadHalves(const std::byte* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Ints Bytes(int x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  static Ints Dwords(int x) { return _mm512_set1_epi32(x); }
  static Ints And(Ints a, Ints b) { return _mm512_and_si512(a, b); }
  static Ints Or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
  static Ints Sub8(Ints a, Ints b) { return _mm512_sub_epi8(a, b); }
  static Ints Max32(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
  // Of words; to the left when kBits is negative. What crosses over is masked away.
  template <int kBits>
  static Ints ShiftRight16(Ints x) {
    if constexpr (kBits >= 0) {
      return kBits == 0 ? x : _mm512_srli_epi16(x, kBits);
    } else {
      return _mm512_slli_epi16(x, -kBits);
    }
  }
  template <int kBits>
  static Ints ShiftRight32(Ints x) {
    return _mm512_srli_epi32(x, kBits);
  }
  template <int kBits>
  static Ints ShiftLeft32(Ints x) {
    return _mm512_slli_epi32(x, kBits);
  }
  static F32 AsF32(Ints x) { return {_mm512_castsi512_ps(x)}; }
  // 16 values, plus `bias` (and that of signed codes).
  static Ints Table(const std::int8_t (&values)[16], int bias) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    return _mm512_broadcast_i32x4(
        _mm_add_epi8(table, _mm_set1_epi8(static_cast<char>(bias == 0 ? kSignedBias : bias))));
  }
  static Ints LookUp(Ints table, Ints codes) { return _mm512_shuffle_epi8(table, codes); }
  // 16 in byte i of each dword whose bit 4 * quad + i is set.
  static Ints SixteenWhereSet(Ints dwords, int quad) {
    const __m512i index = _mm512_add_epi8(_mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0),
                                          _mm512_set1_epi8(static_cast<char>(quad / 2)));
    const __m512i bits =
        _mm512_set1_epi32(quad % 2 == 0 ? 0x08040201 : static_cast<int>(0x80402010));
    return _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(_mm512_shuffle_epi8(dwords, index), bits),
                                 _mm512_set1_epi8(16));
  }
};

}  // namespace
}  // namespace ashlar::avx512
