// How blocks declare the rotation of their queries and keys, and how they apply it.
#pragma once

#include <cstdint>
#include <memory>

#include "ashlar/kernels/rope/rope.h"
#include "ashlar/kinds/internal/attribute_specs.h"
#include "ashlar/kinds/internal/bound_tensors.h"
#include "ashlar/kinds/rope_tables.h"

namespace ashlar::internal {

// How wavelengths are stretched; in the order of RopeScaling.
inline constexpr std::string_view kRopeScalings[] = {"none",   "linear", "dynamic",
                                                     "llama3", "yarn",   "longrope"};
inline constexpr std::string_view kRopePairs[] = {"halves", "neighbours"};

inline constexpr AttributeSpec kRopeDimsAttribute =
    OptionalInteger("rope_dims", kMaxHeadDim, "first dims that are rotated; 0: none");
inline constexpr AttributeSpec kRopePairsAttribute = OptionalChoice(
    "rope_pairs", kRopePairs, "dims that turn together: i and i + rope_dims / 2, or 2i and 2i + 1");
inline constexpr AttributeSpec kRopeThetaAttribute =
    OptionalReal("rope_theta", 10000, "base of the rotation's wavelengths");
inline constexpr AttributeSpec kRopeScalingAttribute =
    OptionalChoice("rope_scaling", kRopeScalings, "how wavelengths are stretched");
inline constexpr AttributeSpec kRopeFactorAttribute =
    OptionalReal("rope_factor", 1, "how far wavelengths are stretched; scalings only");
inline constexpr AttributeSpec kRopeOriginalPositionsAttribute =
    OptionalInteger("rope_original_positions", kMaxPositions,
                    "context before the stretch; all scalings but linear");
inline constexpr AttributeSpec kRopeLowFrequencyFactorAttribute =
    OptionalReal("rope_low_frequency_factor", 1, "llama3: fewer turns are stretched in full");
inline constexpr AttributeSpec kRopeHighFrequencyFactorAttribute =
    OptionalReal("rope_high_frequency_factor", 4, "llama3: more turns are not stretched");
inline constexpr AttributeSpec kRopeBetaFastAttribute =
    OptionalReal("rope_beta_fast", 32, "yarn: more turns are not stretched");
inline constexpr AttributeSpec kRopeBetaSlowAttribute =
    OptionalReal("rope_beta_slow", 1, "yarn: fewer turns are stretched in full");
inline constexpr AttributeSpec kRopeFractionalRampAttribute =
    Flag("rope_fractional_ramp", "yarn: 1: the mix begins and ends between pairs (gpt-oss)");
inline constexpr AttributeSpec kRopeAttentionFactorAttribute = OptionalReal(
    "rope_attention_factor", 0,
    "of cosines and sines; 0: as the scaling defines it (yarn: 0.1 ln factor + 1); longrope has it "
    "above 0");

// kInvalid unless the attributes above go together. `specs` has them all; at most `max_dims` (what
// the block calls `whose`) may be rotated.
Status CheckRope(std::span<const AttributeSpec> specs, const Attributes& attributes,
                 std::int64_t max_dims, std::string_view whose);

// Adds the factors of longrope: rope_short_factors and rope_long_factors.
void AppendRopeTensors(const Attributes& attributes, std::vector<TensorSpec>& tensors);

// The rotation of a block with the attributes above.
class Rope {
 public:
  Rope(const Attributes& attributes, const BoundTensors& tensors, const BindContext& context);

  bool none() const { return table_ == nullptr; }
  // Before positions up to `end` are turned: RopeTable::Reach. The table is other blocks' too, so
  // this is for the thread that runs them, between two loops.
  void Reach(std::int64_t end) const;
  // Turns the first dims of each of `heads` heads, which are `stride` floats apart.
  void Turn(float* x, std::int64_t heads, std::int64_t stride, std::int64_t position) const;

 private:
  std::shared_ptr<RopeTable> table_;  // null: no rotation
  RopeFn turn_ = nullptr;
};

}  // namespace ashlar::internal
