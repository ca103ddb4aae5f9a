#include "ashlar/kernels/delta_rule/delta_rule.h"

namespace ashlar::reference {

void DeltaRule(const DeltaRuleArgs& args) noexcept {
  for (std::int64_t j = 0; j < args.value_dim; ++j) {
    double found = 0;
    for (std::int64_t i = 0; i < args.key_dim; ++i) {
      found += static_cast<double>(args.k[i]) * args.state[i * args.value_dim + j];
    }
    const double change = args.write * (args.v[j] - args.keep * found);
    double y = 0;
    for (std::int64_t i = 0; i < args.key_dim; ++i) {
      float& s = args.state[i * args.value_dim + j];
      s = static_cast<float>(static_cast<double>(args.keep) * s + args.k[i] * change);
      y += static_cast<double>(args.q[i]) * s;
    }
    args.v[j] = static_cast<float>(y);
  }
}

}  // namespace ashlar::reference
