// Element-by-element loops: whole vectors, then the tail through a mask.
#pragma once

#include <cstdint>

namespace ashlar::simd {

// How the body of ForVectors reads and writes: all lanes, or the first `count`. `rest` is what the
// other lanes hold. Element: float or Half.
template <class F32>
struct WholeVector {
  template <class Element>
  F32 Load(const Element* p, F32 /*rest*/) const {
    return F32::Load(p);
  }
  template <class Element>
  void Store(F32 v, Element* p) const {
    v.Store(p);
  }
};
template <class F32>
struct PartOfVector {
  std::int64_t count;
  template <class Element>
  F32 Load(const Element* p, F32 rest) const {
    return F32::LoadFirst(p, count, rest);
  }
  template <class Element>
  void Store(F32 v, Element* p) const {
    v.StoreFirst(p, count);
  }
};

// body(k, vector) for k = 0, kLanes, 2 kLanes, ... below n. (A mask in every step would cost as
// much as the step: AVX2's masked store is slow on several processors.)
template <class F32, class Body>
void ForVectors(std::int64_t n, Body body) {
  std::int64_t k = 0;
  for (; k + F32::kLanes <= n; k += F32::kLanes) {
    body(k, WholeVector<F32>{});
  }
  if (k < n) {
    body(k, PartOfVector<F32>{n - k});
  }
}

}  // namespace ashlar::simd
