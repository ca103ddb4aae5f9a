// q4 weights as AVX-512 reads them. Included by *_avx512.cc and *_amx.cc only.
#pragma once

#include "ashlar/codec/q4/layout.h"
#include "ashlar/kernels/linear/quantized_avx512.h"

namespace ashlar::avx512 {
namespace {

struct Q4Tile : QuantizedTile<Q4Layout::kBias> {
  using Layout = Q4Layout;

  // Low nibbles are outputs 0 to 15, high ones 16 to 31. There is no shift of bytes, so words are
  // shifted and the bits that cross over are masked away.
  template <int kVectors>
  static void Load(const std::byte* quad, int, Weights (&w)[kVectors]) {
    const __m512i both = _mm512_load_si512(quad);
    const __m512i mask = _mm512_set1_epi8(15);
    w[0] = _mm512_and_si512(both, mask);
    w[1] = _mm512_and_si512(_mm512_srli_epi16(both, 4), mask);
  }
};

}  // namespace
}  // namespace ashlar::avx512
