// GGUF's tiles on AVX2. Included by *_avx2.cc only.
#pragma once

#include <immintrin.h>

#include "ashlar/kernels/linear/gguf/blocks_fns.h"
#include "ashlar/kernels/linear/gguf/tiles_simd.h"
#include "ashlar/kernels/linear/gguf/tiles_unpack.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {
namespace {

// vpmaddubsw sums two products of an unsigned and a signed byte in 16 bits: at most 2 c 127 for
// codes up to c. As many of these sums as stay below 2^15 are added before they are widened, which
// multiplies them by the scale on the way. Of signed codes the sign moves to the activation.
struct Isa {
  using F32 = simd::F32x8;
  using Ints = __m256i;
  static constexpr int kLanes = 8;

  // Sums of 16 bits that fit into one, of the quads of a span.
  template <class Type>
  static constexpr int Steps(int span) {
    constexpr int kMax = Type::kSigned ? 127 : Type::kMaxCode;
    int steps = 1;
    while (2 * steps * 2 * kMax * 127 < 32768 && 2 * steps <= span / 4) {
      steps *= 2;
    }
    return steps;
  }
  // Sums of 4 rows x 2 vectors fill half of the 16 registers, or all where both widths are needed.
  template <class Type>
  static constexpr int Rows() {
    return Steps<Type>(kGroup) == internal::kQuads ? 4 : 2;
  }
  // One row is bound by memory and passes over the chunk once.
  static constexpr int Vectors(int rows) { return rows == 1 ? 4 : 2; }

  // Adds products of codes and activations to `words`, which hold the sums of `steps` quads, as
  // step `step`.
  template <class Type>
  static void AddWords(__m256i w, __m256i x4, bool first, __m256i& words) {
    if constexpr (Type::kSigned) {
      words = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x4, w));
    } else {
      const __m256i pairs = _mm256_maddubs_epi16(w, x4);
      words = first ? pairs : _mm256_add_epi16(words, pairs);
    }
  }

  template <class Type>
  struct GroupDots {
    static constexpr int kSteps = Steps<Type>(kGroup);
    __m256i words, sums;
    void Start(std::int32_t) { words = sums = _mm256_setzero_si256(); }
    void Add(__m256i w, __m256i x4, int quad) {
      AddWords<Type>(w, x4, quad % kSteps == 0, words);
      if (quad % kSteps == kSteps - 1) {
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
      }
    }
    F32 Finish(std::int32_t x_sum) const {
      return {_mm256_cvtepi32_ps(_mm256_sub_epi32(sums, _mm256_set1_epi32(Type::kBias * x_sum)))};
    }
  };

  // The scales of group g's spans, of those in dwords of bytes: each in both words of a dword.
  template <class Type>
  struct ScaleOf {
    static constexpr int kSpans = kGroup / Type::kSpan;
    __m256i words[kSpans];
    void Read(const std::uint8_t* bytes, int g) {
      const __m256i four = Load(bytes);
      ASHLAR_UNROLL
      for (int s = 0; s < kSpans; ++s) {
        const int byte = g * kSpans % 4 + s;
        words[s] = Type::kSignedScales
                       ? _mm256_srai_epi16(PickBytes(four, 0x01010101 * byte), 8)
                       : PickBytes(four, static_cast<int>(0x80008000U) + 0x00010001 * byte);
      }
    }
  };
  template <class Type>
  struct BlockDots {
    static constexpr int kBias = Type::kBias;
    static constexpr int kSpans = kGroup / Type::kSpan;
    static constexpr int kSteps = Steps<Type>(Type::kSpan);
    __m256i words, sums;
    void Start(std::int32_t) { words = sums = _mm256_setzero_si256(); }
    void Add(__m256i w, __m256i x4, int quad, const ScaleOf<Type>& scale) {
      AddWords<Type>(w, x4, quad % kSteps == 0, words);
      if (quad % kSteps == kSteps - 1) {
        sums = _mm256_add_epi32(
            sums, _mm256_madd_epi16(words, scale.words[quad * kSpans / internal::kQuads]));
      }
    }
    F32 Finish(const ScaleOf<Type>& scale, std::int32_t span_sums) const {
      if constexpr (kBias == 0) {
        return {_mm256_cvtepi32_ps(sums)};
      } else {
        static_assert(kSpans == 2);
        const __m256i both = _mm256_blend_epi16(scale.words[0], scale.words[1], 0xaa);
        const __m256i of_bias = _mm256_mullo_epi32(
            _mm256_madd_epi16(both, _mm256_set1_epi32(span_sums)), _mm256_set1_epi32(kBias));
        return {_mm256_cvtepi32_ps(_mm256_sub_epi32(sums, of_bias))};
      }
    }
  };

  // Minima of a group's spans, as words; and the sum of their products with words.
  template <class Type>
  static __m256i Minima(const std::uint8_t* bytes, int g) {
    return PickBytes(Load(bytes), Type::kSpan == 16
                                      ? static_cast<int>(0x80018000U) + 0x00020002 * (g % 2)
                                      : static_cast<int>(0x80808000U) + g % 4);
  }
  static F32 SumsOfWords(__m256i a, std::int32_t b) {
    return {_mm256_cvtepi32_ps(_mm256_madd_epi16(a, _mm256_set1_epi32(b)))};
  }
  // In each dword, those of its bytes that `which` names byte by byte; 0 for 0x80.
  static __m256i PickBytes(__m256i x, int which) {
    const __m256i dwords = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404,
                                             0x08080808, 0x0c0c0c0c);
    return _mm256_shuffle_epi8(x, _mm256_add_epi8(_mm256_set1_epi32(which), dwords));
  }

  static __m256i Broadcast4(const std::int8_t* x) {
    std::int32_t x4;
    __builtin_memcpy(&x4, x, sizeof x4);
    return _mm256_set1_epi32(x4);
  }
  static std::int32_t SumOf16(const std::int8_t* x) {
    const __m128i biased = _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)),
                                         _mm_set1_epi8(static_cast<char>(0x80)));
    const __m128i sums = _mm_sad_epu8(biased, _mm_setzero_si128());
    return _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_unpackhi_epi64(sums, sums))) - 16 * 128;
  }

  static Ints Load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void Store(void* p, Ints x) { _mm256_storeu_si256(static_cast<__m256i*>(p), x); }
  static Ints LoadBytes(const std::byte* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static Ints LoadWords(const std::byte* p) {
    return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static F32 LoadHalves(const std::byte* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static Ints Bytes(int x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static Ints Dwords(int x) { return _mm256_set1_epi32(x); }
  static Ints And(Ints a, Ints b) { return _mm256_and_si256(a, b); }
  static Ints Or(Ints a, Ints b) { return _mm256_or_si256(a, b); }
  static Ints Sub8(Ints a, Ints b) { return _mm256_sub_epi8(a, b); }
  static Ints Max32(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
  // Of words; to the left when kBits is negative. What crosses over is masked away.
  template <int kBits>
  static Ints ShiftRight16(Ints x) {
    if constexpr (kBits >= 0) {
      return kBits == 0 ? x : _mm256_srli_epi16(x, kBits);
    } else {
      return _mm256_slli_epi16(x, -kBits);
    }
  }
  template <int kBits>
  static Ints ShiftRight32(Ints x) {
    return _mm256_srli_epi32(x, kBits);
  }
  template <int kBits>
  static Ints ShiftLeft32(Ints x) {
    return _mm256_slli_epi32(x, kBits);
  }
  static F32 AsF32(Ints x) { return {_mm256_castsi256_ps(x)}; }
  // 16 values, plus `bias`.
  static Ints Table(const std::int8_t (&values)[16], int bias) {
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    return _mm256_broadcastsi128_si256(_mm_add_epi8(table, _mm_set1_epi8(static_cast<char>(bias))));
  }
  static Ints LookUp(Ints table, Ints codes) { return _mm256_shuffle_epi8(table, codes); }
  // 16 in byte i of each dword whose bit 4 * quad + i is set.
  static Ints SixteenWhereSet(Ints dwords, int quad) {
    const __m256i index = _mm256_add_epi8(_mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c,
                                                            0, 0x04040404, 0x08080808, 0x0c0c0c0c),
                                          _mm256_set1_epi8(static_cast<char>(quad / 2)));
    const __m256i bits =
        _mm256_set1_epi32(quad % 2 == 0 ? 0x08040201 : static_cast<int>(0x80402010));
    const __m256i set =
        _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(dwords, index), bits), bits);
    return _mm256_and_si256(set, _mm256_set1_epi8(16));
  }
};

}  // namespace

template <const BlockType& kType>
void LinearTiles(const LinearArgs& args) noexcept {
  internal::LinearOfTiles<Isa, internal::TilesOf<kType>>(args);
}

}  // namespace ashlar::avx2
