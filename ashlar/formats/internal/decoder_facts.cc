#include "ashlar/formats/internal/decoder_facts.h"

#include <algorithm>

#include "ashlar/graph/stored_tensor.h"

namespace ashlar::internal {
namespace {

constexpr std::string_view kNumbersOfConfigurations[] = {"rope_short_factors", "rope_long_factors"};

Status ReadNumbers(const Block& block, const BlobStore& store, DecoderNode& node) {
  for (const std::string_view name : kNumbersOfConfigurations) {
    const auto found = block.tensors.find(name);
    if (found != block.tensors.end()) {
      ASHLAR_TRY(const StoredTensor tensor, StoredTensor::Open(store, found->second));
      ASHLAR_TRY(node.numbers[std::string(name)], tensor.Vector());
    }
  }
  return {};
}

// What no file of weights can hold, whatever its family.
Status CheckPlain(const Network& network, int index) {
  const Node& node = network.nodes[static_cast<std::size_t>(index)];
  if (!node.overlays.empty()) {
    return Unsupported("its {} overlays are no part of its weights", node.overlays.size());
  }
  if (node.state_of) {
    return Unsupported("it reads the state of {}, and layers of a file have their own",
                       NodeName(network, *node.state_of));
  }
  return {};
}

// The distance to the node that is read. kUnsupported unless the node reads one alone, and adds to
// the one before it if it is of a layer.
Result<int> ReadsBack(const Network& network, int index) {
  const Node& node = network.nodes[static_cast<std::size_t>(index)];
  const auto x = node.inputs.find("x");
  const bool reads_one = node.inputs.size() == 1 && x != node.inputs.end() &&
                         x->second.size() == 1 && x->second.front().coefficient == 1;
  const Combination carry = node.layer ? Combination{{index - 1, 1.0}} : Combination();
  if (!reads_one || node.carry != carry) {
    return Unsupported("a file holds plain chains, where each part reads the one before it{}",
                       node.layer ? ", and adds to it" : "");
  }
  return index - x->second.front().node;
}

Status ReadLayer(const Network& network, int first, DecoderFacts& facts) {
  const auto label = [&](int node) { return network.nodes[static_cast<std::size_t>(node)].layer; };
  const int last = static_cast<int>(network.nodes.size()) - 2;
  if (label(first) != std::optional(static_cast<int>(facts.layers.size()))) {
    return Unsupported(
        "a file holds an embedding, layers, a norm and a head; this is no part of "
        "layer {}",
        facts.layers.size());
  }
  if (const std::string_view kind = network.BlockOf(first).kind->name;
      kind != "attention" && kind != "latent_attention") {
    return Unsupported("a layer of a file is an attention and an MLP; this is of kind {}", kind);
  }
  ASHLAR_TRY(const int back, ReadsBack(network, first));
  const bool has_second = first + 1 < last && label(first + 1) == label(first);
  if (back != 1 || !has_second || (first + 2 < last && label(first + 2) == label(first))) {
    return Unsupported(
        "a layer of a file is an attention, which reads the layer before it, and an MLP");
  }
  const auto is = [&](int node, std::initializer_list<std::string_view> kinds) {
    return std::ranges::count(kinds, facts.nodes[static_cast<std::size_t>(node)].kind->name) != 0;
  };
  if (!is(first, {"attention", "latent_attention"}) || !is(first + 1, {"mlp", "moe"})) {
    return Unsupported("a layer of a file is an attention and an MLP; this one is {} and {}",
                       facts.nodes[static_cast<std::size_t>(first)].kind->name,
                       facts.nodes[static_cast<std::size_t>(first + 1)].kind->name);
  }
  const Result<int> second_back = ReadsBack(network, first + 1);
  if (!second_back.ok() || *second_back > 2) {
    return Unsupported("the MLP of a layer reads its attention, or what that reads");
  }
  facts.layers.push_back(
      {.attention = first, .feed_forward = first + 1, .parallel = *second_back == 2});
  return {};
}

}  // namespace

Result<DecoderFacts> ReadDecoderFacts(const Network& network, const BlobStore& store) {
  DecoderFacts facts{.metadata = network.metadata};
  const int count = static_cast<int>(network.nodes.size());
  constexpr int kEnds = 3;  // embedding, norm, head
  if (count < kEnds + 2) {
    return Unsupported(
        "a file holds an embedding, layers, a norm and a head; the network's {} "
        "nodes are no such chain",
        count);
  }
  const auto at_node = [&](const Status& status, int node) {
    return status.error().In(NodeName(network, node));
  };
  for (int i = 0; i < count; ++i) {
    const Block& block = network.BlockOf(i);
    facts.nodes.push_back({.kind = block.kind, .attributes = EffectiveAttributes(network, i)});
    Status status = CheckPlain(network, i);
    if (status.ok()) {
      status = ReadNumbers(block, store, facts.nodes.back());
    }
    if (!status.ok()) {
      return at_node(status, i);
    }
  }
  const auto check_end = [&](int node, std::string_view kind, bool reads) -> Status {
    const std::string_view found = facts.nodes[static_cast<std::size_t>(node)].kind->name;
    if (found != kind || network.nodes[static_cast<std::size_t>(node)].layer) {
      return Unsupported(
          "a file holds an embedding, layers, a norm and a head; here it needs a "
          "node of kind {} outside the layers, found {}",
          kind, found);
    }
    if (reads) {
      ASHLAR_TRY(const int back, ReadsBack(network, node));
      if (back != 1) {
        return Unsupported("a file holds plain chains, where each part reads the one before it");
      }
    }
    return {};
  };
  for (const auto& [node, kind] :
       {std::pair(0, "embed"), std::pair(count - 2, "norm"), std::pair(count - 1, "head")}) {
    if (const Status status = check_end(node, kind, node != 0); !status.ok()) {
      return at_node(status, node);
    }
  }
  for (int node = 1; node < count - 2; node += 2) {
    if (const Status status = ReadLayer(network, node, facts); !status.ok()) {
      return at_node(status, node);
    }
  }
  facts.tied =
      network.BlockOf(count - 1).tensors.at("weight") == network.BlockOf(0).tensors.at("weight");
  return facts;
}

}  // namespace ashlar::internal
