// Descriptions of a network that a person can read. All need a validated network, and read nothing
// but its manifests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/graph/network.h"

namespace ashlar {

// ---- Tensors by name

// A tensor as a node uses it. A view of the network.
struct NamedTensor {
  std::string name;  // node's name and tensor's name: "layers.3.mlp.down"
  int node;
  std::string_view tensor;  // "down"
  TensorRole role;
  const TensorManifest* manifest;
};
// Of all nodes in order; a tensor that several nodes use stands once for each of them.
std::vector<NamedTensor> NamedTensors(const Network& network);

// Bytes of all tensors of all nodes, each stored range counted once.
std::uint64_t WeightBytes(const Network& network);

// ---- Tables

// One row of what people see: a node, or the nodes at one place in a run of consecutive layers that
// are alike in all but their weights.
struct NodeRow {
  int first_node = 0, last_node = 0;      // the node, or those of the first and the last layer
  int first_layer = -1, last_layer = -1;  // inclusive; -1 outside the layers
  std::string name;                       // "embed", "layers.3.attention", "layers.0-7.attention"
  std::string shape;        // per row: "4096 ids -> 256", "256 -> 256", "256 -> 4096 logits"
  std::string codecs;       // of the weights: "f32", "q8.1, f32"
  std::string reads;        // "tokens", or a sum of "previous", "3 back" and names outside layers
  std::string carries;      // the same, or empty
  std::string state;        // "128 floats" per position, "of layers.2.attention", or empty
  std::string block;        // "0123456789ab", "8 blocks"; with overlays "... + 2 overlays"
  std::string attributes;   // other than widths and defaults: "heads=8 channels=576 of 768"
  std::uint64_t bytes = 0;  // of the weights, each stored range counted once in the row
};
// Requires: validated. kFold joins runs of alike layers.
enum class Fold : std::uint8_t { kNo, kYes };
std::vector<NodeRow> DescribeRows(const Network& network, Fold fold);

// The rows as aligned text with a heading, for a terminal; ends with a newline.
std::string DescribeTable(const Network& network, Fold fold);

// ---- Graphs: every node, never folded; carries are dashed, coefficients other than 1 are labels.

std::string DescribeDot(const Network& network);      // Graphviz
std::string DescribeMermaid(const Network& network);  // Mermaid flowchart
// {"digest":...,"layers":N,"parameters":N,"bytes":N,"nodes":[{"name":...,"kind":...,"block":...,
//  "attributes":{...},"tensors":{...},"inputs":{"x":[[node,coefficient]]},"carry":[...],...},...]}
// with reals as JSON numbers and the attributes after the slice; what is empty is left out.
Json DescribeJson(const Network& network);

}  // namespace ashlar
