#include "ashlar/calibrate/joint_losses.h"

#include <algorithm>

namespace ashlar {
namespace {

// Of the bytes between the floor and everything: denser where much is lost.
constexpr double kShares[] = {0, 0.125, 0.25, 0.5, 0.75};

}  // namespace

Result<std::vector<JointLoss>> MeasureJointLosses(const BlobStore& store, const Network& shrunk,
                                                  const LevelLosses& losses,
                                                  const Divergence& divergence,
                                                  const NodeWalk::Options& options) {
  const StackNetwork stacked{.network = &shrunk, .losses = &losses};
  const LevelLosses complete = CompleteLosses(stacked);
  const Stack stack({&stacked, 1});
  const auto range = static_cast<double>(stack.total_bytes() - stack.floor_bytes());
  std::vector<JointLoss> joint;
  for (const double share : kShares) {
    const auto more = static_cast<std::uint64_t>(share * range);
    ASHLAR_TRY(const StackCut cut, stack.Cut(stack.floor_bytes() + more));
    NodeWalk::Options at_cut = options;
    at_cut.precision = cut.precision;
    ASHLAR_TRY(const auto walk, NodeWalk::Open(store, shrunk, at_cut));
    ASHLAR_TRY(const double measured, divergence.OfNetwork(*walk));
    joint.push_back({ExpectedLoss(shrunk, complete, cut.precision), measured});
  }
  std::ranges::reverse(joint);
  JointLoss below;
  std::erase_if(joint, [&](const JointLoss& loss) {
    const bool ascends = loss.sum > below.sum && loss.measured > below.measured;
    below = ascends ? loss : below;
    return !ascends;
  });
  return joint;
}

}  // namespace ashlar
