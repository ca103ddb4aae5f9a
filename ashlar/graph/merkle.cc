// Keys that name what a network computes, for caches: see MerkleKeys.
#include "ashlar/graph/internal/manifest_json.h"
#include "ashlar/graph/network.h"

namespace ashlar {
namespace {

// Terms stay in the order of their sum: another order may round otherwise.
Json KeyedCombination(const Combination& combination, const std::vector<Digest>& values) {
  Json::Array terms;
  for (const Term& term : combination) {
    terms.emplace_back(
        Json::Array{Json(values[term.node].Hex()), internal::RealText(term.coefficient)});
  }
  return terms;
}

// What f_i computes: the block as the node uses it, and what it reads.
Json KeyedFunction(const Node& node, const Block& block, const std::vector<Digest>& values,
                   const MerkleOptions& options) {
  Json::Array overlays;
  for (const Digest& overlay : node.overlays) {
    overlays.emplace_back(overlay.Hex());
  }
  Json slice{Json::Object{}};
  for (const auto& [axis, value] : node.slice) {
    slice.Set(axis, value);
  }
  Json inputs{Json::Object{}};
  for (const auto& [name, combination] : node.inputs) {
    inputs.Set(name, KeyedCombination(combination, values));
  }
  Json function = Json::Of({{"block", node.block.Hex()},
                            {"inputs", std::move(inputs)},
                            {"kernel_form", options.kernel_form},
                            {"kv_format", options.kv_format},
                            {"overlays", std::move(overlays)},
                            {"slice", std::move(slice)}});
  if (options.precision != nullptr) {
    if (std::string precision = PrecisionText(block, *options.precision); !precision.empty()) {
      function.Set("precision", std::move(precision));
    }
  }
  return function;
}

}  // namespace

MerkleKeys ComputeMerkleKeys(const Network& network, const MerkleOptions& options) {
  MerkleKeys keys;
  for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
    const Node& node = network.nodes[i];
    const Json function = KeyedFunction(node, network.BlockOf(i), keys.value, options);
    const bool stateful =
        network.BlockOf(i).kind->interface(EffectiveAttributes(network, i)).stateful();
    Digest state;
    if (node.state_of) {
      state = keys.state[*node.state_of];
    } else if (stateful) {
      state = Sha256(CanonicalJson(Json::Of({{"state", function}})));
    }
    keys.state.push_back(state);
    keys.value.push_back(
        Sha256(CanonicalJson(Json::Of({{"carry", KeyedCombination(node.carry, keys.value)},
                                       {"function", function},
                                       {"state", state.Hex()}}))));
  }
  return keys;
}

}  // namespace ashlar
