// What a file of weights says of a network, read off its graph: the attributes that its blocks have
// as the nodes use them, layer by layer. The way back from a Recipe begins here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/graph/network.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

struct DecoderNode {
  const BlockKind* kind = nullptr;
  Attributes attributes;  // after the node's slice
  // Tensors whose numbers a configuration has itself: the factors of each pair's rotation.
  std::map<std::string, std::vector<float>, std::less<>> numbers;
};

// An embedding (and perhaps its norm), layers, a norm and a head, each reading the one before it. A
// layer is what mixes positions, and an MLP or a mixture under the same label, if it has one.
struct DecoderFacts {
  std::vector<DecoderNode> nodes;  // those of the network
  struct Layer {
    int mixer = 0;  // node of an attention, or of a block with a carried state
    std::optional<int> feed_forward = {};  // MLP or mixture
    bool parallel = false;                 // both read the same value
  };
  std::vector<Layer> layers;
  bool embed_norm = false;
  bool tied = false;  // the head's weights are the embedding's
  Metadata metadata;

  const DecoderNode& embed() const { return nodes.front(); }
  const DecoderNode& norm() const { return nodes[nodes.size() - 2]; }
  const DecoderNode& head() const { return nodes.back(); }
  const DecoderNode& mixer(const Layer& layer) const {
    return nodes[static_cast<std::size_t>(layer.mixer)];
  }
  // Null when the layer has none.
  const DecoderNode* feed_forward(const Layer& layer) const {
    return layer.feed_forward ? &nodes[static_cast<std::size_t>(*layer.feed_forward)] : nullptr;
  }
  // The first layer's mixer that carries a state, or that does not; null when there is none.
  const DecoderNode* FirstMixer(bool recurrent) const;
};

// Whether it carries a state from position to position, instead of attending to all.
bool IsRecurrent(const DecoderNode& node);

// kUnsupported names the node that is no part of such a chain, and why. Requires: validated.
Result<DecoderFacts> ReadDecoderFacts(const Network& network, const BlobStore& store);

}  // namespace ashlar::internal
