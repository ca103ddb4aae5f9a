#include "ashlar/kernels/selective_scan/selective_scan_simd.h"
#include "ashlar/kernels/simd/f32x16.h"

namespace ashlar::avx512 {

void SelectiveScan(const SelectiveScanArgs& args) noexcept {
  simd::SelectiveScan<simd::F32x16>(args);
}

}  // namespace ashlar::avx512
