#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

// In the order in which help lists them.
constexpr const Transform* kAll[] = {
    &kDrop, &kKeep, &kRepeat, &kShare, &kSwap, &kStack, &kSlice, &kRewire, &kEncode,
};

}  // namespace

std::span<const Transform* const> AllTransforms() {
  return kAll;
}

}  // namespace ashlar
