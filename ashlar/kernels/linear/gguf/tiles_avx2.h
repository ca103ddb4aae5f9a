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
// codes up to c. As many of these sums as stay below 2^15 are added before they are widened. Of
// signed codes the sign moves to the activation.
struct Isa {
  using F32 = simd::F32x8;
  using Ints = __m256i;
  static constexpr int kLanes = 8;

  // Sums of 16 bits that fit into one, of the quads of a span.
  template <class Type>
  static constexpr int Steps() {
    constexpr int kMax = Type::kSigned ? 127 : Type::kMaxCode;
    int steps = 1;
    while (2 * steps * 2 * kMax * 127 < 32768 && 2 * steps <= Type::kSpan / 4) {
      steps *= 2;
    }
    return steps;
  }
  // Sums of 4 rows x 2 vectors fill half of the 16 registers, or all where both widths are needed.
  template <class Type>
  static constexpr int Rows() {
    return Steps<Type>() == Type::kSpan / 4 ? 4 : 2;
  }
  // One row is bound by memory and passes over the chunk once.
  static constexpr int Vectors(int rows) { return rows == 1 ? 4 : 2; }

  template <class Type>
  struct Dots {
    static constexpr int kSteps = Steps<Type>();
    __m256i words, sums;
    void Start(std::int32_t) {
      words = _mm256_setzero_si256();
      sums = _mm256_setzero_si256();
    }
    void Add(__m256i w, __m256i x4, int step) {
      if constexpr (Type::kSigned) {
        words = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x4, w));
      } else {
        const __m256i pairs = _mm256_maddubs_epi16(w, x4);
        words = step % kSteps == 0 ? pairs : _mm256_add_epi16(words, pairs);
      }
      if (step % kSteps == kSteps - 1) {
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
      }
    }
    F32 Finish(std::int32_t x_sum) const {
      return {_mm256_cvtepi32_ps(_mm256_sub_epi32(sums, _mm256_set1_epi32(Type::kBias * x_sum)))};
    }
  };

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
  static Ints Sub32(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
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
  // Byte kByte of each dword, as a number.
  template <int kByte, bool kSigned>
  static Ints ByteOfDwords(Ints x) {
    if constexpr (kSigned) {
      return _mm256_srai_epi32(_mm256_slli_epi32(x, 24 - 8 * kByte), 24);
    } else {
      return _mm256_and_si256(_mm256_srli_epi32(x, 8 * kByte), _mm256_set1_epi32(255));
    }
  }
  static F32 ToF32(Ints x) { return {_mm256_cvtepi32_ps(x)}; }
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
