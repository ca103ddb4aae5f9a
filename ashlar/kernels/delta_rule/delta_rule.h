// One row of one head of linear attention by the gated delta rule (Yang et al. 2024, "Gated Delta
// Networks", eq. 10), whose state S leads from keys to values:
//   S <- keep S        S <- S + k (write (v - k^T S))^T        y = q^T S
//
// Each value is computed by itself. Sums over keys go to four accumulators, key i to i % 4, added
// as (0 + 1) + (2 + 3): they depend on key_dim only.
//
// Error, in units of 2^-24 and with f = |v| + keep sum_i |k[i] S[i]| for the state before the row:
// of S[i] 4 keep |S[i]| + (key_dim / 4 + 12) |k[i]| write f, and of y (key_dim / 2 + 24)
// sum_i |q[i]| (keep |S[i]| + |k[i]| write f).
#pragma once

#include <span>
#include <string_view>

#include "ashlar/kernels/delta_rule/delta_rule_args.h"
#include "ashlar/kernels/isa.h"

namespace ashlar {

// Any alignment; nothing overlaps, but q may be k.
using DeltaRuleFn = void (*)(const DeltaRuleArgs& args) noexcept;

struct DeltaRuleForm {
  Isa isa;
  std::string_view name;
  DeltaRuleFn fn;
};
std::span<const DeltaRuleForm> DeltaRuleForms();  // slowest first; [0] is the reference

}  // namespace ashlar
