// Changes what the nodes of residual layers read, and nothing else.
#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/internal/surgery.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kRewireArguments[] = {
    {.name = "form",
     .value = "parallel|ladder|sequential",
     .required = true,
     .doc = "parallel: all nodes of a layer read the layer's input; ladder: each reads the value "
            "before the last one; sequential: each reads the last value"},
    {.name = "layers", .value = "2-5", .doc = "layers to rewire; without it all"},
};

// The value that a node adds to, one update earlier: what those that it carries carry themselves.
// A value that was never updated (the embedding) stands for itself.
Combination BeforeTheLast(const Network& network, const Node& node) {
  return internal::Substitute(node.carry, [&](int carried) {
    const Combination& before = network.nodes[carried].carry;
    return before.empty() ? Combination{{carried, 1.0}} : before;
  });
}

Result<Network> ApplyRewire(const Network& base, const Arguments& arguments,
                            const TransformContext&) {
  const std::string_view form = *internal::Argument(arguments, "form");
  if (form != "parallel" && form != "ladder" && form != "sequential") {
    return Invalid("--form: expected parallel, ladder or sequential, found {}",
                   QuoteForError(form));
  }
  ASHLAR_TRY(const std::vector<int> layers, internal::LayersOrAll(base, arguments, "layers"));
  Network result = base;
  for (const int layer : layers) {
    const std::vector<int> nodes = internal::NodesOfLayer(base, layer);
    for (const int i : nodes) {
      const Node& node = base.nodes[i];
      if (node.carry.empty()) {
        return Invalid("{} carries nothing: only residual layers can be rewired",
                       NodeName(base, i));
      }
      if (form == "parallel") {
        result.nodes[i].inputs = base.nodes[nodes.front()].inputs;
      } else {
        result.nodes[i].inputs["x"] = form == "ladder" ? BeforeTheLast(base, node) : node.carry;
      }
    }
  }
  return result;
}

}  // namespace

constinit const Transform kRewire{
    .name = "rewire",
    .summary = "let attention and MLP run in parallel, or as a ladder, or one after the other",
    .arguments = kRewireArguments,
    .example = "rewire --form parallel --layers 2-5",
    .apply = ApplyRewire,
};

}  // namespace ashlar
