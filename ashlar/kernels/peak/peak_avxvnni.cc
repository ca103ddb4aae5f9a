#include <immintrin.h>

#include "ashlar/kernels/peak/peak_loops.h"
#include "ashlar/kernels/simd/unroll.h"

namespace ashlar::avxvnni {

// Latency 5 on two ports: 10 sums in flight are needed, 12 are used.
std::int64_t PeakInt8Loop(std::int64_t rounds) noexcept {
  constexpr int kSums = 12;
  __m256i sums[kSums];
  const __m256i x = _mm256_set1_epi8(1);
  ASHLAR_UNROLL
  for (int i = 0; i < kSums; ++i) {
    sums[i] = _mm256_setzero_si256();
  }
  for (std::int64_t round = 0; round < rounds; ++round) {
    ASHLAR_UNROLL
    for (int i = 0; i < kSums; ++i) {
      sums[i] = _mm256_dpbusd_avx_epi32(sums[i], x, x);
      asm volatile("" : "+x"(sums[i]));
    }
  }
  return rounds * kSums * 32 * 2;
}

}  // namespace ashlar::avxvnni
