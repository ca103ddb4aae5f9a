// Gives a group of layers the blocks of one of them.
#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kShareArguments[] = {
    {.name = "layers", .value = "2-5", .required = true, .doc = "the group of layers"},
    {.name = "with", .value = "2", .doc = "the layer whose blocks they use; without it the first"},
};

Result<Network> ApplyShare(const Network& base, const Arguments& arguments,
                           const TransformContext&) {
  ASHLAR_TRY(const std::vector<int> layers, internal::RequiredLayers(base, arguments, "layers"));
  int leader = layers.front();
  if (internal::Argument(arguments, "with")) {
    ASHLAR_TRY(const std::vector<int> with, internal::RequiredLayers(base, arguments, "with"));
    if (with.size() != 1) {
      return Invalid("--with: expected one layer, found {}", with.size());
    }
    leader = with.front();
  }
  const std::vector<int> leaders = internal::NodesOfLayer(base, leader);
  Network result = base;
  for (const int layer : layers) {
    const std::vector<int> members = internal::NodesOfLayer(base, layer);
    if (members.size() != leaders.size()) {
      return Invalid("layer {} has {} nodes, and layer {} has {}: they cannot share blocks", layer,
                     members.size(), leader, leaders.size());
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (base.BlockOf(members[i]).kind != base.BlockOf(leaders[i]).kind) {
        return Invalid("{} and {} are of different kinds, {} and {}: they cannot share a block",
                       NodeName(base, members[i]), NodeName(base, leaders[i]),
                       base.BlockOf(members[i]).kind->name, base.BlockOf(leaders[i]).kind->name);
      }
      // All that makes the function: a slice or an overlay belongs to the block that it was made
      // for.
      result.nodes[members[i]].block = base.nodes[leaders[i]].block;
      result.nodes[members[i]].overlays = base.nodes[leaders[i]].overlays;
      result.nodes[members[i]].slice = base.nodes[leaders[i]].slice;
    }
  }
  return result;
}

}  // namespace

constinit const Transform kShare{
    .name = "share",
    .summary = "let a group of layers use the blocks of one of them, node by node",
    .arguments = kShareArguments,
    .example = "share --layers 2-5 --with 2",
    .apply = ApplyShare,
};

}  // namespace ashlar
