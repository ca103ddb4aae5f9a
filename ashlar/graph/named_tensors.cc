#include <set>

#include "ashlar/graph/describe.h"

namespace ashlar {

std::vector<NamedTensor> NamedTensors(const Network& network) {
  const std::vector<std::string> names = NodeNames(network);
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
    const Block& block = network.BlockOf(i);
    const auto specs = block.kind->tensors(block.attributes);
    CHECK(specs.ok());
    for (const TensorSpec& spec : *specs) {
      const auto tensor = block.tensors.find(spec.name);
      tensors.push_back({.name = fmt::format("{}.{}", names[i], spec.name),
                         .node = i,
                         .tensor = tensor->first,
                         .role = spec.role,
                         .manifest = &tensor->second});
    }
  }
  return tensors;
}

std::uint64_t WeightBytes(const Network& network) {
  std::set<Level> levels;
  std::uint64_t bytes = 0;
  for (const NamedTensor& tensor : NamedTensors(network)) {
    for (const Level& level : tensor.manifest->all_levels()) {
      bytes += levels.insert(level).second ? level.length : 0;
    }
  }
  return bytes;
}

}  // namespace ashlar
