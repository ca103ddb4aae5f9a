// q8 weights as AVX-512 reads them. Included by *_avx512.cc and *_amx.cc only.
#pragma once

#include "ashlar/codec/q8/layout.h"
#include "ashlar/kernels/linear/quantized_avx512.h"

namespace ashlar::avx512 {
namespace {

struct Q8Tile : QuantizedTile<Q8Layout::kBias> {
  using Layout = Q8Layout;

  template <int kVectors>
  static void Load(const std::byte* quad, int, Weights (&w)[kVectors]) {
    w[0] = _mm512_load_si512(quad);
    w[1] = _mm512_load_si512(quad + 64);
  }
};

}  // namespace
}  // namespace ashlar::avx512
