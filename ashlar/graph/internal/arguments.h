// What transforms read out of their arguments.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ashlar/graph/transform.h"

namespace ashlar::internal {

// The argument's text, or nothing when it was not given.
std::optional<std::string_view> Argument(const Arguments& arguments, std::string_view name);

// The layers (or nodes) of `network` that the argument names, in the order typed; nothing when it
// was not given. Errors begin with the argument's name.
Result<std::optional<std::vector<int>>> LayersArgument(const Network& network,
                                                       const Arguments& arguments,
                                                       std::string_view name);
Result<std::optional<std::vector<int>>> NodesArgument(const Network& network,
                                                      const Arguments& arguments,
                                                      std::string_view name);

// The layers that a required argument names.
Result<std::vector<int>> RequiredLayers(const Network& network, const Arguments& arguments,
                                        std::string_view name);

// Those layers, or all of them when the argument was not given. kInvalid when there are none.
Result<std::vector<int>> LayersOrAll(const Network& network, const Arguments& arguments,
                                     std::string_view name);

// The nodes of one layer, in order.
std::vector<int> NodesOfLayer(const Network& network, int layer);

// Another network of the catalog, noted as a source.
Result<Network> LoadSource(const TransformContext& context, std::string_view name);

}  // namespace ashlar::internal
