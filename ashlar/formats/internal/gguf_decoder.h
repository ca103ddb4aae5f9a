// A GgufDecoder is a network as llama.cpp sees one: an embedding, layers of attention and MLP that
// are alike in all but their weights, a last norm and a head, under the name of an architecture
// that llama.cpp knows.
#pragma once

#include <vector>

#include "ashlar/formats/gguf.h"
#include "ashlar/graph/network.h"

namespace ashlar::internal {

// How llama.cpp runs one family of networks.
struct GgufArchitecture {
  std::string_view name;
  // Its rotation turns neighbours (dims 2i and 2i + 1 of a head) where ours turns the halves
  // (i and i + d / 2): rows of q and k are stored in that order.
  bool turns_neighbours;
  bool takes_frequency_factors;  // the tensor rope_freqs.weight, for the llama3 scaling
};

struct GgufDecoder {
  const GgufArchitecture* architecture;
  int embed;                   // nodes
  std::vector<int> attention;  // of each layer
  std::vector<int> mlp;
  int norm;
  int head;
  bool tied;             // the head's weights are the embedding's
  Attributes layer;      // of every attention
  Attributes layer_mlp;  // of every MLP
  std::int64_t context;  // positions it was trained for
};

// kUnsupported names the node, and what of it GGUF has no words for. Requires: validated.
Result<GgufDecoder> ReadAsDecoder(const Network& network);

// The hyper-parameters, under the architecture's keys.
GgufMetadata DecoderMetadata(const Network& network, const GgufDecoder& decoder);

// What the llama3 scaling divides each pair's frequency by [key_dim / 2].
std::vector<float> FrequencyFactors(const Attributes& attention);

}  // namespace ashlar::internal
