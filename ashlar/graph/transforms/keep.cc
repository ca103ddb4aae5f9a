// Leaves all layers out but some.
#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/internal/surgery.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kKeepArguments[] = {
    {.name = "layers",
     .value = "0-3",
     .required = true,
     .doc = "layers to keep, in the order that they have (stack gives them another)"},
};

Result<Network> ApplyKeep(const Network& base, const Arguments& arguments,
                          const TransformContext&) {
  ASHLAR_TRY(const std::vector<int> layers, internal::RequiredLayers(base, arguments, "layers"));
  const std::set<int> kept(layers.begin(), layers.end());
  std::set<int> removed;
  for (int i = 0; i < static_cast<int>(base.nodes.size()); ++i) {
    if (base.nodes[i].layer && !kept.contains(*base.nodes[i].layer)) {
      removed.insert(i);
    }
  }
  return internal::RemoveNodes(base, removed);
}

}  // namespace

constinit const Transform kKeep{
    .name = "keep",
    .summary = "leave all layers out but these",
    .arguments = kKeepArguments,
    .example = "keep --layers 0-3",
    .apply = ApplyKeep,
};

}  // namespace ashlar
