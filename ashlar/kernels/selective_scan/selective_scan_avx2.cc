#include "ashlar/kernels/selective_scan/selective_scan_simd.h"
#include "ashlar/kernels/simd/f32x8.h"

namespace ashlar::avx2 {

void SelectiveScan(const SelectiveScanArgs& args) noexcept {
  simd::SelectiveScan<simd::F32x8>(args);
}

}  // namespace ashlar::avx2
