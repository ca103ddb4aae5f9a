#include <immintrin.h>

#include "ashlar/kernels/peak/peak_loops.h"
#include "ashlar/kernels/peak/peak_read.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::avx512 {

// Latency 4 or 5 on two ports: 10 sums in flight are needed, 16 are used. The empty assembly keeps
// the compiler from seeing through the loop.

std::int64_t PeakF32Loop(std::int64_t rounds) noexcept {
  constexpr int kSums = 16;
  __m512 sums[kSums];
  __m512 x = _mm512_set1_ps(0.5f);
  ASHLAR_UNROLL
  for (int i = 0; i < kSums; ++i) {
    sums[i] = _mm512_setzero_ps();
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    ASHLAR_UNROLL
    for (int i = 0; i < kSums; ++i) {
      sums[i] = _mm512_fmadd_ps(x, x, sums[i]);
      asm volatile("" : "+v"(sums[i]));
    }
  }
  return rounds * kSums * 16 * 2;
}

std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept {
  constexpr int kSums = 16;
  __m512i sums[kSums];
  __m512i x = _mm512_set1_epi8(1);
  ASHLAR_UNROLL
  for (int i = 0; i < kSums; ++i) {
    sums[i] = _mm512_setzero_si512();
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    ASHLAR_UNROLL
    for (int i = 0; i < kSums; ++i) {
      sums[i] = _mm512_dpbusd_epi32(sums[i], x, x);
      asm volatile("" : "+v"(sums[i]));
    }
  }
  return rounds * kSums * 64 * 2;
}

std::uint64_t SumOfMemory(const std::byte* begin, std::int64_t bytes, std::int64_t ahead) {
  return internal::SumOfStreams(begin, bytes, ahead);
}

}  // namespace ashlar::avx512
