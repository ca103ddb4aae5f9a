// A Network is a graph of references to blocks, with the manifests of those blocks beside it: all
// that can be known, checked and transformed without fetching a single weight.
//
// Node i computes   y_i = sum_j carry_ij y_j + f_i(sum_j read_ij y_j)   where f_i is its block.
// Nodes are in topological order: a node refers to earlier ones only. The last node's value is the
// network's output (logits). Values: copyable, compared by identity.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/graph/kind.h"
#include "ashlar/graph/precision.h"
#include "ashlar/graph/tensor_manifest.h"
#include "ashlar/store/digest.h"

namespace ashlar {

inline constexpr int kManifestSchema = 1;

// ---- Blocks

// Immutable; identity is the digest of its canonical manifest:
//   {"attributes":{...},"kind":"mlp","schema":1,"tensors":{"down":{...},...},"type":"block"}
struct Block {
  const BlockKind* kind = nullptr;
  Attributes attributes;
  std::map<std::string, TensorManifest, std::less<>> tensors;

  std::string CanonicalManifest() const;
  Digest digest() const;        // of CanonicalManifest(); computed each time
  std::uint64_t bytes() const;  // of all levels of all tensors, shared ranges counted once
  std::int64_t parameters() const;
};

// Checks the tensors against the kind: names, roles, ranks, shapes. The only way in from outside.
Result<Block> ParseBlock(std::string_view manifest, const Kinds& kinds);
Status CheckBlock(const Block& block);

// ---- Overlays

// A content-addressed modification of a block's tensors, applied when it runs. Here: its type and
// identity; what applies it comes with the runtime's support for its kind.
//   {"kind":"lora","parameters":{...},"schema":1,"targets":{"q":{"a":{tensor},"b":{tensor}}},
//    "type":"overlay"}
struct Overlay {
  std::string kind;  // "lora", "delta", "mask", ...
  std::map<std::string, AttributeValue, std::less<>> parameters;
  // target tensor of the block -> role ("a", "b", "magnitude", ...) -> tensor
  std::map<std::string, std::map<std::string, TensorManifest, std::less<>>, std::less<>> targets;

  std::string CanonicalManifest() const;
  Digest digest() const;
};
Result<Overlay> ParseOverlay(std::string_view manifest);

// ---- Nodes

struct Term {
  int node;            // an earlier node
  double coefficient;  // finite, not 0
  friend bool operator==(const Term&, const Term&) = default;
};
// A weighted sum of earlier nodes' values. Canonical: ascending nodes, each once, no zeros.
using Combination = std::vector<Term>;
Combination Canonical(Combination terms);

struct Node {
  Digest block;
  std::vector<Digest> overlays;                            // applied in this order
  std::map<std::string, Combination, std::less<>> inputs;  // "x"; none when it reads tokens
  Combination carry;
  Slice slice;
  // Uses the state slot of this earlier node and writes none (KV shared across layers).
  std::optional<int> state_of;
  // Which layer of the network the node belongs to; none for embedding, last norm, head. A label
  // for people and transforms, numbered 0, 1, ... in order of first appearance (see Renumber).
  std::optional<int> layer;
  friend bool operator==(const Node&, const Node&) = default;
};

// ---- Networks

struct FileReference {  // a file kept whole beside the network: tokenizer.json, chat template
  Digest blob;
  std::uint64_t length = 0;
  friend bool operator==(const FileReference&, const FileReference&) = default;
};

// Facts about the network that generation uses. All optional.
struct Metadata {
  std::optional<std::int64_t> context_length;  // positions it was trained for
  std::optional<std::int64_t> bos_token;
  std::vector<std::int64_t> eos_tokens;
  friend bool operator==(const Metadata&, const Metadata&) = default;
};

// Identity is the digest of the canonical manifest:
//   {"files":{"tokenizer.json":{"blob":"sha256:...","length":N}},"metadata":{...},
//    "nodes":[{"block":"sha256:...","carry":[[0,"1"]],"inputs":{"x":[[0,"1"]]},"layer":0},...],
//    "schema":1,"type":"network","vocabulary":4096}
// where it came from (provenance) is not part of it.
struct Network {
  // Not inline: what they instantiate is much, and networks are copied in many places.
  Network();
  Network(const Network&);
  Network(Network&&) noexcept;
  Network& operator=(const Network&);
  Network& operator=(Network&&) noexcept;
  ~Network();

  std::vector<Node> nodes;
  std::map<std::string, FileReference, std::less<>> files;
  Metadata metadata;
  std::int64_t vocabulary = 0;  // ids that the tokenizer gives are below this; 0: no tokenizer

  // The manifests of what the nodes name.
  std::map<Digest, std::shared_ptr<const Block>> blocks;
  std::map<Digest, std::shared_ptr<const Overlay>> overlays;

  std::string CanonicalManifest() const;
  Digest digest() const;

  // Adds a block and returns its digest.
  Digest AddBlock(Block block);
  // Requires: nodes[i]'s block is in `blocks` (Validate has seen to it).
  const Block& BlockOf(int node) const { return *blocks.at(nodes[node].block); }
  int layers() const;               // number of distinct layers
  std::int64_t parameters() const;  // of distinct tensors, after slices
  // Forgets blocks and overlays that no node names.
  void Prune();
};

// Parses the network's manifest; the blocks it names are added by whoever fetches them (Catalog).
Result<Network> ParseNetwork(std::string_view manifest);

// The attributes that node i's block has after the node's slice. Requires: validated.
Attributes EffectiveAttributes(const Network& network, int node);

// kInvalid unless a node may use this part of the block: known axes, each smaller than what is
// stored (all of it is left out), whole packing units. Names the nearest sizes that would do.
Status CheckSlice(const Block& block, const Slice& slice);

// "layers.3.attention", "embed", "node 17 (norm)": how errors and tables name a node. Names are
// distinct: the second mlp of a layer is "layers.3.mlp_2", and an unlayered node whose kind stands
// more than once outside the layers is named by its index.
std::string NodeName(const Network& network, int node);
std::vector<std::string> NodeNames(const Network& network);  // of all nodes, in linear time

// Numbers layers 0, 1, 2, ... in order of first appearance.
void RenumberLayers(Network& network);

// Checks all that manifests can tell, before any weight is fetched: order (no cycles), blocks
// present and well-formed, widths of every read and carry, input names, slices (packing units,
// naming the nearest valid sizes), state slots, overlays' targets, vocabulary, and that the last
// node gives logits and every other one is used. Each error names the node and the two things that
// disagree.
Status Validate(const Network& network);

// ---- Merkle keys

struct MerkleOptions {
  std::string kv_format;                 // "f32"
  std::string kernel_form;               // "avx512.1": instruction set and version of the kernels
  const Precision* precision = nullptr;  // of the residual tensors; null: all levels
};
struct MerkleKeys {
  // Everything upstream of node i's value: equal keys are equal values for equal tokens.
  std::vector<Digest> value;
  // Everything upstream of node i's state slot (its reads and its block, not its carry).
  // All zeros for stateless nodes; that of the owner for nodes with state_of.
  std::vector<Digest> state;
};
// Requires: validated.
MerkleKeys ComputeMerkleKeys(const Network& network, const MerkleOptions& options);

}  // namespace ashlar
