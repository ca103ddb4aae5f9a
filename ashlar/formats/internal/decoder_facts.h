// What a file of weights says of a network, read off its graph: the attributes that its blocks have
// as the nodes use them, layer by layer. The way back from a Recipe begins here.
#pragma once

#include <map>
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

// An embedding, layers, a norm and a head, each reading the one before it. A layer is an attention
// and what follows it under the same label.
struct DecoderFacts {
  std::vector<DecoderNode> nodes;  // those of the network
  struct Layer {
    int attention = 0;      // nodes
    int feed_forward = 0;   // MLP or mixture
    bool parallel = false;  // both read the same value
  };
  std::vector<Layer> layers;
  bool tied = false;  // the head's weights are the embedding's
  Metadata metadata;

  const DecoderNode& embed() const { return nodes.front(); }
  const DecoderNode& norm() const { return nodes[nodes.size() - 2]; }
  const DecoderNode& head() const { return nodes.back(); }
  const DecoderNode& attention(const Layer& layer) const {
    return nodes[static_cast<std::size_t>(layer.attention)];
  }
  const DecoderNode& feed_forward(const Layer& layer) const {
    return nodes[static_cast<std::size_t>(layer.feed_forward)];
  }
};

// kUnsupported names the node that is no part of such a chain, and why. Requires: validated.
Result<DecoderFacts> ReadDecoderFacts(const Network& network, const BlobStore& store);

}  // namespace ashlar::internal
