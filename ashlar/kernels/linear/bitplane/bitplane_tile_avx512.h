// Unpacked planes as AVX-512 multiplies them. Included by *_avx512.cc and *_amx.cc only.
#pragma once

#include <cstddef>
#include <cstdint>

#include <immintrin.h>

#include "ashlar/kernels/linear/bitplane/bitplane_simd.h"
#include "ashlar/kernels/linear/q8/q8_tile_avx512.h"

namespace ashlar::avx512 {
namespace {

template <bool kHalf>
struct PlanesTile : Q8Tile {
  using Layout = internal::UnpackedLayout;
  static constexpr bool kFromMemory = false;

  static F32 Scales(const std::byte* tile, int output) {
    return F32::Load(reinterpret_cast<const float*>(tile) + output);
  }
  static F32 Finish(Integers sum, std::int32_t x_sum) {
    const F32 dot = Q8Tile::Finish(sum, x_sum);
    return kHalf ? dot + F32::Broadcast(0.5f * static_cast<float>(x_sum)) : dot;
  }
};

// Where a group's bytes and scales go in tiles that follow each other. (`half`: 16 of the outputs.)
struct UnpackedTiles {
  std::byte* first;

  std::byte* Quad(std::int64_t g, int half, int quad) const {
    using Layout = internal::UnpackedLayout;
    return first + g * Layout::kTileBytes + Layout::kScaleBytes + quad * Layout::kQuadBytes +
           64 * half;
  }
  float* Scales(std::int64_t g, int half) const {
    return reinterpret_cast<float*>(first + g * internal::UnpackedLayout::kTileBytes) + 16 * half;
  }
};

// The half step of codes of that many planes.
constexpr int HalfStep(int planes) {
  return planes == BitplaneLayout::kPlanes ? 0 : 128 >> planes;
}

template <class Out>
void UnpackScales(const std::byte* from, std::int64_t g, const Out out) {
  const __m512 table = _mm512_loadu_ps(BitplaneLayout::kScales);
  const __m512i index =
      _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
  // (vpermps looks at the low 4 bits only.)
  _mm512_store_ps(out.Scales(g, 0), _mm512_permutexvar_ps(index, table));
  _mm512_store_ps(out.Scales(g, 1), _mm512_permutexvar_ps(_mm512_srli_epi32(index, 4), table));
}

}  // namespace
}  // namespace ashlar::avx512
