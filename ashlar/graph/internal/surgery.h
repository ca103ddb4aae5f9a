// Cutting and joining graphs: what drop, keep, repeat, swap and stack are made of.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "ashlar/graph/network.h"

namespace ashlar::internal {

// sum_j terms_j * replace(j): each term's node gives way to a combination.
template <class Replace>
Combination Substitute(const Combination& terms, const Replace& replace) {
  Combination result;
  for (const Term& term : terms) {
    for (const Term& inner : replace(term.node)) {
      result.push_back({inner.node, term.coefficient * inner.coefficient});
    }
  }
  return Canonical(std::move(result));
}

// The network without some nodes. Whoever read or carried a removed node reads what that carries:
// a residual node gives way to the value before it. kInvalid when a removed node carries nothing
// and a kept one refers to it, or when a kept node uses a removed node's state.
Result<Network> RemoveNodes(const Network& network, const std::set<int>& removed);

// Removes the nodes whose value and state reach neither the last node nor its state's owner.
// Returns the names that they had.
std::vector<std::string> RemoveUnusedNodes(Network& network);

// The nodes [begin, end) of a layer.
struct LayerSpan {
  int begin, end;
};
// Of all layers in order. kInvalid unless each layer's nodes are consecutive and the layers follow
// each other without other nodes between them.
Result<std::vector<LayerSpan>> LayerSpans(const Network& network);

// A layer of some network.
struct LayerOf {
  const Network* network;
  int layer;
};

// The base's nodes before its layers, then copies of `layers` in that order, then the base's nodes
// after its layers. References inside a layer stay inside its copy. Others keep their distance: a
// node that reads the value just before its layer reads what is just before the copy; one that
// reaches further back (a ladder) reaches as far, and not beyond the last node before the layers.
// Only nodes before the base's layers are referred to wherever a layer comes to stand. A state slot
// is that of the last copy of its owner. Each copy has state slots of its own.
Result<Network> Assemble(const Network& base, std::span<const LayerOf> layers);

}  // namespace ashlar::internal
