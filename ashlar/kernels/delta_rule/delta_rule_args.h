// What a call of the delta rule is given. (Apart from delta_rule.h, so that the files compiled for
// one instruction set see plain data only.)
#pragma once

#include <cstdint>

namespace ashlar {

struct DeltaRuleArgs {
  float* state;    // [key_dim, value_dim]: before the row; after the call, the one after it
  const float* q;  // [key_dim]
  const float* k;  // [key_dim]
  float* v;        // [value_dim]; after the call, y
  std::int64_t key_dim;
  std::int64_t value_dim;
  float keep;   // in [0, 1]: what is left of the state
  float write;  // in [0, 1]: how far the value replaces what the key finds
};

}  // namespace ashlar
