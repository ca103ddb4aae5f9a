// Takes layers or nodes from another network.
#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/internal/surgery.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kSwapArguments[] = {
    {.name = "with", .value = "NET", .required = true, .doc = "the network to take them from"},
    {.name = "layers", .value = "3", .doc = "layers to replace, with all their nodes"},
    {.name = "from-layers", .value = "3", .doc = "its layers; without it those of the same number"},
    {.name = "nodes",
     .value = "0",
     .doc = "single nodes to replace, by their index; each goes on reading what it reads"},
    {.name = "from-nodes", .value = "0", .doc = "its nodes; without it those of the same index"},
};

// The pairs (replaced, replacement) that two arguments name.
Result<std::vector<std::pair<int, int>>> Pairs(const std::vector<int>& replaced,
                                               const std::optional<std::vector<int>>& from,
                                               std::string_view what, int limit) {
  const std::vector<int>& sources = from ? *from : replaced;
  if (sources.size() != replaced.size()) {
    return Invalid("{} {} are to be replaced with {}", replaced.size(), what, sources.size());
  }
  std::vector<std::pair<int, int>> pairs;
  for (std::size_t i = 0; i < replaced.size(); ++i) {
    if (sources[i] >= limit) {
      return Invalid("the other network has {} {}, and none with the number {}", limit, what,
                     sources[i]);
    }
    pairs.emplace_back(replaced[i], sources[i]);
  }
  return pairs;
}

Result<Network> SwapLayers(const Network& base, const Network& other,
                           const std::vector<std::pair<int, int>>& pairs) {
  std::vector<internal::LayerOf> order;
  order.reserve(static_cast<std::size_t>(base.layers()));
  for (int layer = 0; layer < base.layers(); ++layer) {
    order.push_back({&base, layer});
  }
  for (const auto& [replaced, source] : pairs) {
    order[static_cast<std::size_t>(replaced)] = {&other, source};
  }
  return internal::Assemble(base, order);
}

void SwapNodes(Network& network, const Network& other,
               const std::vector<std::pair<int, int>>& pairs) {
  for (const auto& [replaced, source] : pairs) {
    const Node& from = other.nodes[source];
    Node& node = network.nodes[replaced];
    node.block = from.block;
    node.overlays = from.overlays;
    node.slice = from.slice;
  }
  network.blocks.insert(other.blocks.begin(), other.blocks.end());
  network.overlays.insert(other.overlays.begin(), other.overlays.end());
}

Result<Network> ApplySwap(const Network& base, const Arguments& arguments,
                          const TransformContext& context) {
  ASHLAR_TRY(const auto layers, internal::LayersArgument(base, arguments, "layers"));
  ASHLAR_TRY(const auto nodes, internal::NodesArgument(base, arguments, "nodes"));
  if (layers.has_value() == nodes.has_value()) {
    return Invalid("either --layers or --nodes says what to replace");
  }
  ASHLAR_TRY(const Network other,
             internal::LoadSource(context, *internal::Argument(arguments, "with")));
  ASHLAR_TRY(const auto from_layers, internal::LayersArgument(other, arguments, "from-layers"));
  ASHLAR_TRY(const auto from_nodes, internal::NodesArgument(other, arguments, "from-nodes"));
  if ((from_layers && !layers) || (from_nodes && !nodes)) {
    return Invalid("--from-layers goes with --layers, and --from-nodes with --nodes");
  }
  if (layers) {
    ASHLAR_TRY(const auto pairs, Pairs(*layers, from_layers, "layers", other.layers()));
    return SwapLayers(base, other, pairs);
  }
  ASHLAR_TRY(const auto pairs,
             Pairs(*nodes, from_nodes, "nodes", static_cast<int>(other.nodes.size())));
  Network result = base;
  SwapNodes(result, other, pairs);
  return result;
}

}  // namespace

constinit const Transform kSwap{
    .name = "swap",
    .summary = "take layers or single nodes from another network",
    .arguments = kSwapArguments,
    .example = "swap --layers 3 --with OTHER --from-layers 4",
    .apply = ApplySwap,
};

}  // namespace ashlar
