// What a call of a selective scan is given. (Apart from selective_scan.h, so that the files
// compiled for one instruction set see plain data only.)
#pragma once

#include <cstdint>

namespace ashlar {

struct SelectiveScanArgs {
  float* h;  // [channels, n]: the state before the row; after the call, the one after it
  float* x;  // [channels]; after the call, y
  std::int64_t channels;
  std::int64_t n;
  const float* b;      // [n]
  const float* c;      // [n]
  const float* decay;  // [n] or, of all, [1]; at most 0
  bool decay_of_all;
  float step;  // at least 0
  float skip;
};

}  // namespace ashlar
