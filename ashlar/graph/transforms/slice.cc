// Lets nodes use the first part of their blocks: the same stored bytes, read with a stride.
#include <algorithm>

#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/internal/nearest_size.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kSliceArguments[] = {
    {.name = "layers", .value = "2-5", .doc = "layers to slice; without it all nodes"},
};

bool HasAxis(const BlockKind& kind, std::string_view axis) {
  return std::ranges::find(kind.slices, axis, &SliceAxis::attribute) != kind.slices.end();
}

// The node's slice with `axis` set to what `text` says. A percentage is one of what the node uses
// now, and goes down to the next size that packs; a number must pack, and may be up to all that is
// stored.
Result<Slice> SliceAlong(const Network& network, int node, std::string_view axis,
                         std::string_view text) {
  const Block& block = network.BlockOf(node);
  const std::int64_t stored = block.attributes.Integer(axis);
  const std::int64_t used = EffectiveAttributes(network, node).Integer(axis);
  ASHLAR_TRY(Amount amount, ParseAmount(text, text.ends_with('%') ? used : stored));
  Slice slice = network.nodes[node].slice;
  slice.insert_or_assign(std::string(axis), amount.value);
  if (amount.is_percentage) {
    if (const auto size = internal::NearestSize(block, slice, axis, -1)) {
      amount.value = *size;
      slice.insert_or_assign(std::string(axis), amount.value);
    }
  }
  if (amount.value == stored) {
    slice.erase(std::string(axis));
  }
  ASHLAR_TRY(CheckSlice(block, slice));
  return slice;
}

Result<Network> ApplySlice(const Network& base, const Arguments& arguments,
                           const TransformContext&) {
  ASHLAR_TRY(const auto layers, internal::LayersArgument(base, arguments, "layers"));
  std::vector<std::pair<std::string_view, std::string_view>> axes;
  for (const auto& [name, text] : arguments) {
    if (name != "layers") {
      axes.emplace_back(name, text);
    }
  }
  if (axes.empty()) {
    return Invalid("an axis is missing, such as --channels 75%");
  }
  Network result = base;
  for (const auto& [axis, text] : axes) {
    bool found = false;
    for (int i = 0; i < static_cast<int>(base.nodes.size()); ++i) {
      const std::optional<int> layer = base.nodes[i].layer;
      const bool chosen = !layers || (layer && std::ranges::find(*layers, *layer) != layers->end());
      if (!chosen || !HasAxis(*base.BlockOf(i).kind, axis)) {
        continue;
      }
      found = true;
      Result<Slice> slice = SliceAlong(result, i, axis, text);
      if (!slice.ok()) {
        return slice.error().In(fmt::format("{}: --{} {}", NodeName(base, i), axis, text));
      }
      result.nodes[i].slice = *std::move(slice);
    }
    if (!found) {
      return Invalid("--{}: no node {}has {} to slice", axis, layers ? "of these layers " : "",
                     axis);
    }
  }
  return result;
}

}  // namespace

constinit const Transform kSlice{
    .name = "slice",
    .summary = "use the first part of channels or heads, of the same stored weights",
    .arguments = kSliceArguments,
    .example = "slice --channels 75% --layers 2-5",
    .slice_arguments = true,
    .apply = ApplySlice,
};

}  // namespace ashlar
