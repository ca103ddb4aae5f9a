// How blocks declare the norms before and after them.
//
// All norms of a block have the same epsilon, offset and bias; the attributes of the table below
// are shared by `norm` (before the block), `post_norm` (after it) and norms inside it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/kinds/internal/attribute_specs.h"

namespace ashlar::internal {

enum class NormType : std::uint8_t { kNone, kRms, kLayer };

inline constexpr std::string_view kNormTypes[] = {"none", "rms", "layer"};

inline constexpr AttributeSpec kNormAttribute =
    OptionalChoice("norm", kNormTypes, "norm of the input: rms, layer, or none");
inline constexpr AttributeSpec kPostNormAttribute =
    OptionalChoice("post_norm", kNormTypes, "norm of the output, before the multiplier");
inline constexpr AttributeSpec kNormEpsAttribute =
    OptionalReal("norm_eps", 0, "epsilon of the block's norms; above 0 when there is one");
inline constexpr AttributeSpec kNormOffsetAttribute =
    OptionalReal("norm_offset", 0, "added to the weights of the block's norms (Gemma: 1)");
inline constexpr AttributeSpec kNormBiasAttribute =
    Flag("norm_bias", "1: the block's layer norms have a bias");

// One norm, as its block's attributes make it.
struct NormSettings {
  NormType type = NormType::kNone;
  double eps = 0;
  double offset = 0;
  bool bias = false;       // of a layer norm
  std::int64_t parts = 1;  // a row falls into so many equal parts, each normed by itself
};

NormType ParseNormType(std::string_view choice);

// The norm that attribute `which` ("norm", "post_norm") of a block with the attributes above
// chooses.
NormSettings SettingsOf(const Attributes& attributes, std::string_view which);

// Checks the shared attributes: needed when one of `norms` is there, and without meaning else.
Status CheckNorms(std::span<const AttributeSpec> specs, const Attributes& attributes,
                  std::initializer_list<NormType> norms);

// Adds NAME.weight and, with a bias, NAME.bias (without "NAME." when `name` is empty).
void AppendNormTensors(const NormSettings& norm, std::string_view name, std::int64_t width,
                       std::vector<TensorSpec>& tensors);

// "norm" and "weight" -> "norm.weight"; "" and "weight" -> "weight".
std::string TensorName(std::string_view name, std::string_view part);

}  // namespace ashlar::internal
