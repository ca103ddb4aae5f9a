// Descriptions of a network that a person can read. All need a validated network, and read nothing
// but its manifests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
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

// One row of what people see: a node, or a run of consecutive layers whose nodes are alike in all
// but their weights.
struct NodeRow {
  int first_node = 0, last_node = 0;      // inclusive; the node in the first and the last layer
  int first_layer = -1, last_layer = -1;  // inclusive; -1 outside the layers
  std::string name;                       // "embed", "layers.3.attention", "layers.0-7.attention"
  std::string shape;                      // "256 -> 256"
  std::string attributes;  // those that are not defaults: "channels=768"; a slice as "576 of 768"
  std::string codecs;      // "f32", "q8.1, f32"
  std::string reads;       // "previous", "tokens", or the combination, written relative to the node
  std::string state;       // "128 floats", "of layers.2.attention", or empty
  int blocks = 0;          // distinct blocks in the row
  std::uint64_t bytes = 0;  // of their weights, each stored range counted once in the row
};
// Requires: validated. `fold` joins runs of alike layers.
std::vector<NodeRow> DescribeRows(const Network& network, bool fold);

// The rows as aligned text with a heading, for a terminal; ends with a newline.
std::string DescribeTable(const Network& network, bool fold);

// ---- Graphs: every node, never folded; carries are dashed, coefficients other than 1 are labels.

std::string DescribeDot(const Network& network);      // Graphviz
std::string DescribeMermaid(const Network& network);  // Mermaid flowchart
// {"digest":...,"parameters":N,"bytes":N,"nodes":[{"name":...,"kind":...,"block":...,
//  "inputs":{"x":[[node,coefficient]]},"carry":[...],"tensors":{...}},...]}
Json DescribeJson(const Network& network);

}  // namespace ashlar
