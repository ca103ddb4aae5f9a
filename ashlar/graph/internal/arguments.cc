#include "ashlar/graph/internal/arguments.h"

#include <numeric>

namespace ashlar::internal {
namespace {

Result<std::vector<int>> Indices(std::string_view name, std::string_view text, int limit) {
  Result<std::vector<int>> indices = ParseIndices(text, limit);
  if (!indices.ok()) {
    return indices.error().In(fmt::format("--{}", name));
  }
  return indices;
}

Result<std::optional<std::vector<int>>> IndicesArgument(const Arguments& arguments,
                                                        std::string_view name, int limit) {
  const std::optional<std::string_view> text = Argument(arguments, name);
  if (!text) {
    return std::optional<std::vector<int>>();
  }
  ASHLAR_TRY(std::vector<int> indices, Indices(name, *text, limit));
  return std::optional(std::move(indices));
}

}  // namespace

std::optional<std::string_view> Argument(const Arguments& arguments, std::string_view name) {
  const auto argument = arguments.find(name);
  return argument == arguments.end() ? std::nullopt
                                     : std::optional<std::string_view>(argument->second);
}

Result<std::optional<std::vector<int>>> LayersArgument(const Network& network,
                                                       const Arguments& arguments,
                                                       std::string_view name) {
  return IndicesArgument(arguments, name, network.layers());
}

Result<std::optional<std::vector<int>>> NodesArgument(const Network& network,
                                                      const Arguments& arguments,
                                                      std::string_view name) {
  return IndicesArgument(arguments, name, static_cast<int>(network.nodes.size()));
}

Result<std::vector<int>> RequiredLayers(const Network& network, const Arguments& arguments,
                                        std::string_view name) {
  return Indices(name, *Argument(arguments, name), network.layers());
}

Result<std::vector<int>> LayersOrAll(const Network& network, const Arguments& arguments,
                                     std::string_view name) {
  if (Argument(arguments, name)) {
    return RequiredLayers(network, arguments, name);
  }
  if (network.layers() == 0) {
    return Invalid("the network has no layers");
  }
  std::vector<int> all(static_cast<std::size_t>(network.layers()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<int> NodesOfLayer(const Network& network, int layer) {
  std::vector<int> nodes;
  for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
    if (network.nodes[i].layer == layer) {
      nodes.push_back(i);
    }
  }
  return nodes;
}

Result<Network> LoadSource(const TransformContext& context, std::string_view name) {
  ASHLAR_TRY(Network network, context.catalog.Load(name));
  if (context.sources != nullptr) {
    context.sources->push_back(network.digest());
  }
  return network;
}

}  // namespace ashlar::internal
