#include "ashlar/calibrate/quantize/bitplane_search.h"

#include <algorithm>

namespace ashlar {
namespace {

// The codes of 5 planes are the nodes of a tree; what lies below a node is one nearest number.
constexpr int kTreePlanes = 5;
constexpr int kNodes = 1 << kTreePlanes;

// The value of a code of `planes` bits, as BitplaneValue.
constexpr float NodeValue(int code, int planes) {
  return (static_cast<float>(code) + 0.5f - static_cast<float>(1 << (planes - 1))) * 2.0f /
         static_cast<float>(1 << planes);
}

// costs[node] of `planes` bits = of its parent + of its own.
template <int kPlanes>
[[gnu::always_inline]] inline void AddPrefix(const Lanes& target, const Lanes& weight,
                                             const Lanes* parents, Lanes* costs) {
  for (int node = 0; node < 1 << kPlanes; ++node) {
    const float value = NodeValue(node, kPlanes);
    const Lanes& parent = parents[node >> 1];
    Lanes& cost = costs[node];
    ASHLAR_LANES
    for (int lane = 0; lane < kLanes; ++lane) {
      const float error = target[lane] - value;
      cost[lane] = parent[lane] + weight[lane] * error * error;
    }
  }
}

}  // namespace

ASHLAR_LANE_CODE
void ChooseCodes(const CodeTargets& wanted, std::uint8_t* codes) {
  static constexpr Lanes kNone{};
  const Lanes roots[2] = {kNone, kNone};
  Lanes of2[4];
  Lanes of3[8];
  Lanes of4[16];
  Lanes of5[kNodes];
  AddPrefix<2>(wanted.targets[0], wanted.weights[0], roots, of2);
  AddPrefix<3>(wanted.targets[1], wanted.weights[1], of2, of3);
  AddPrefix<4>(wanted.targets[2], wanted.weights[2], of3, of4);
  AddPrefix<5>(wanted.targets[3], wanted.weights[3], of4, of5);

  // Of the last prefix, in steps of its own codes counted from 0.
  const int planes = std::max(wanted.planes, kTreePlanes);
  const float steps = static_cast<float>(1 << (planes - 1));
  const float children = static_cast<float>(1 << (planes - kTreePlanes));
  Lanes at;
  Lanes weight;
  ASHLAR_LANES
  for (int lane = 0; lane < kLanes; ++lane) {
    at[lane] = wanted.targets[4][lane] * steps + steps - 0.5f;
    weight[lane] = wanted.weights[4][lane] / (steps * steps);
  }
  Lanes least;
  Lanes best{};  // a code of the last prefix; whole numbers that f32 holds
  least.fill(3.4e38f);
  for (int node = 0; node < kNodes; ++node) {
    const float first = static_cast<float>(node) * children;
    const float last = first + (children - 1);
    const Lanes& cost = of5[node];
    ASHLAR_LANES
    for (int lane = 0; lane < kLanes; ++lane) {
      // Within the node the nearest child; adding and taking 2^23 rounds to a whole number.
      float child = at[lane] < first ? first : at[lane];
      child = child > last ? last : child;
      child = (child + 8388608.0f) - 8388608.0f;
      const float error = at[lane] - child;
      const float sum = cost[lane] + weight[lane] * error * error;
      best[lane] = sum < least[lane] ? child : best[lane];
      least[lane] = sum < least[lane] ? sum : least[lane];
    }
  }
  ASHLAR_LANES
  for (int lane = 0; lane < kLanes; ++lane) {
    codes[lane] = static_cast<std::uint8_t>(static_cast<int>(best[lane]) << (8 - planes));
  }
}

}  // namespace ashlar
