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

// Returns the first node after the layer.
Result<int> ReadLayer(const Network& network, int first, DecoderFacts& facts) {
  const auto label = [&](int node) { return network.nodes[static_cast<std::size_t>(node)].layer; };
  const auto fact = [&](int node) -> const DecoderNode& {
    return facts.nodes[static_cast<std::size_t>(node)];
  };
  const int last = static_cast<int>(network.nodes.size()) - 2;
  if (label(first) != std::optional(static_cast<int>(facts.layers.size()))) {
    return Unsupported(
        "a file holds an embedding, layers, a norm and a head; this is no part of "
        "layer {}",
        facts.layers.size());
  }
  if (!fact(first).kind->interface(fact(first).attributes).stateful()) {
    return Unsupported("a layer of a file begins with what mixes positions; this is of kind {}",
                       fact(first).kind->name);
  }
  ASHLAR_TRY(const int back, ReadsBack(network, first));
  int end = first + 1;
  while (end < last && label(end) == label(first)) {
    ++end;
  }
  if (back != 1 || end > first + 2) {
    return Unsupported(
        "a layer of a file is an attention, which reads the layer before it, and an MLP");
  }
  DecoderFacts::Layer layer{.mixer = first};
  if (end == first + 2) {
    const int second = first + 1;
    if (const std::string_view kind = fact(second).kind->name; kind != "mlp" && kind != "moe") {
      return Unsupported("a layer of a file is an attention and an MLP; this one is {} and {}",
                         fact(first).kind->name, kind);
    }
    const Result<int> second_back = ReadsBack(network, second);
    if (!second_back.ok() || *second_back > 2) {
      return Unsupported("the MLP of a layer reads its attention, or what that reads");
    }
    layer.feed_forward = second;
    layer.parallel = *second_back == 2;
  }
  facts.layers.push_back(layer);
  return end;
}

}  // namespace

bool IsRecurrent(const DecoderNode& node) {
  return node.kind->interface(node.attributes).carried_floats > 0;
}

const DecoderNode* DecoderFacts::FirstMixer(bool recurrent) const {
  for (const Layer& layer : layers) {
    if (IsRecurrent(mixer(layer)) == recurrent) {
      return &mixer(layer);
    }
  }
  return nullptr;
}

Result<DecoderFacts> ReadDecoderFacts(const Network& network, const BlobStore& store) {
  DecoderFacts facts{.metadata = network.metadata};
  const int count = static_cast<int>(network.nodes.size());
  constexpr int kEnds = 3;  // embedding, norm, head
  if (count < kEnds + 1) {
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
  facts.embed_norm = count > kEnds + 1 && facts.nodes[1].kind->name == "norm";
  if (facts.embed_norm) {
    if (const Status status = check_end(1, "norm", /*reads=*/true); !status.ok()) {
      return at_node(status, 1);
    }
  }
  for (int node = facts.embed_norm ? 2 : 1; node < count - 2;) {
    const Result<int> next = ReadLayer(network, node, facts);
    if (!next.ok()) {
      return at_node(next.error(), node);
    }
    node = *next;
  }
  facts.tied =
      network.BlockOf(count - 1).tensors.at("weight") == network.BlockOf(0).tensors.at("weight");
  return facts;
}

}  // namespace ashlar::internal
