// Leaves nodes out: what read them reads what they carry.
#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/internal/surgery.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kDropArguments[] = {
    {.name = "layers", .value = "3,4", .doc = "layers to leave out"},
    {.name = "nodes", .value = "7", .doc = "single nodes to leave out, by their index"},
};

Result<Network> ApplyDrop(const Network& base, const Arguments& arguments,
                          const TransformContext&) {
  ASHLAR_TRY(const auto layers, internal::LayersArgument(base, arguments, "layers"));
  ASHLAR_TRY(const auto nodes, internal::NodesArgument(base, arguments, "nodes"));
  if (!layers && !nodes) {
    return Invalid("--layers or --nodes is missing: what to leave out");
  }
  std::set<int> removed;
  if (layers) {
    for (const int layer : *layers) {
      const std::vector<int> of_layer = internal::NodesOfLayer(base, layer);
      removed.insert(of_layer.begin(), of_layer.end());
    }
  }
  if (nodes) {
    removed.insert(nodes->begin(), nodes->end());
  }
  return internal::RemoveNodes(base, removed);
}

}  // namespace

constinit const Transform kDrop{
    .name = "drop",
    .summary = "leave layers or single nodes out; their readers read what they carry",
    .arguments = kDropArguments,
    .example = "drop --layers 3,4",
    .apply = ApplyDrop,
};

}  // namespace ashlar
