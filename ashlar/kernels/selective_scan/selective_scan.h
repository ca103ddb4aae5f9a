// One row of one head of a selective state space (Gu and Dao 2023, "Mamba", eq. 2), of whose
// channels each has n numbers of state:
//   h[i] <- exp(step decay[i]) h[i] + step x b[i]        y = sum_i c[i] h[i] + skip x
//
// The sum runs over vectors of the state in order, then over the lanes' tree: it depends on n only.
//
// Error, in units of 2^-24: of a number of state 4 |h| + 3 |step x b|, and of y
// (n / 8 + 12) (sum_i |c[i] h[i]| + |skip x|) for the state as it is after the row; decays below
// 2^-126 are 0.
#pragma once

#include <span>
#include <string_view>

#include "ashlar/kernels/isa.h"
#include "ashlar/kernels/selective_scan/selective_scan_args.h"

namespace ashlar {

// Any alignment; nothing overlaps.
using SelectiveScanFn = void (*)(const SelectiveScanArgs& args) noexcept;

struct SelectiveScanForm {
  Isa isa;
  std::string_view name;
  SelectiveScanFn fn;
};
std::span<const SelectiveScanForm> SelectiveScanForms();  // slowest first; [0] is the reference

}  // namespace ashlar
