#include <immintrin.h>

#include "ashlar/kernels/peak/peak_loops.h"
#include "ashlar/kernels/peak/peak_read.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::avx2 {

// Latency 4 on two ports: 8 sums in flight are needed, 12 are used. The empty assembly keeps the
// compiler from seeing through the loop.

std::int64_t PeakF32Loop(std::int64_t rounds) noexcept {
  constexpr int kSums = 12;
  __m256 sums[kSums];
  __m256 x = _mm256_set1_ps(0.5f);
  ASHLAR_UNROLL
  for (int i = 0; i < kSums; ++i) {
    sums[i] = _mm256_setzero_ps();
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    ASHLAR_UNROLL
    for (int i = 0; i < kSums; ++i) {
      sums[i] = _mm256_fmadd_ps(x, x, sums[i]);
      asm volatile("" : "+x"(sums[i]));
    }
  }
  return rounds * kSums * 8 * 2;
}

// vpmaddubsw and an addition of 16 bits: the best that AVX2 has for 32 products of bytes.
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept {
  constexpr int kSums = 12;
  __m256i sums[kSums];
  __m256i x = _mm256_set1_epi8(1);
  ASHLAR_UNROLL
  for (int i = 0; i < kSums; ++i) {
    sums[i] = _mm256_setzero_si256();
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    ASHLAR_UNROLL
    for (int i = 0; i < kSums; ++i) {
      asm volatile("" : "+x"(x));
      sums[i] = _mm256_add_epi16(sums[i], _mm256_maddubs_epi16(x, x));
      asm volatile("" : "+x"(sums[i]));
    }
  }
  return rounds * kSums * 32 * 2;
}

std::uint64_t SumOfMemory(const std::byte* begin, std::int64_t bytes, std::int64_t ahead) {
  return internal::SumOfStreams(begin, bytes, ahead);
}

}  // namespace ashlar::avx2
