#include "tools/ashlar/step_cost.h"

#include <cmath>

namespace ashlar::cli {
namespace {

// The share of a mixture's experts that `batch` tokens are sent to, drawn evenly; 1 of a block that
// has none.
double ExpertShare(const Block& block, std::int64_t batch) {
  if (block.kind->name != "moe") {
    return 1;
  }
  const auto count = [&](const char* name) {
    return static_cast<double>(block.attributes.Integer(name));
  };
  return 1 - std::pow(1 - count("experts_per_token") / count("experts"), batch);
}

}  // namespace

void VisitReads(const Network& network, std::int64_t batch,
                const std::function<void(const TensorManifest& tensor, double share)>& visit) {
  for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
    const Block& block = network.BlockOf(i);
    if (block.kind->name == "embed") {
      continue;
    }
    const double expert_share = ExpertShare(block, batch);
    for (const auto& [name, tensor] : block.tensors) {
      visit(tensor, name.starts_with("experts.") ? expert_share : 1);
    }
  }
}

double ResidentBytesOf(const TensorManifest& tensor, const Precision& precision) {
  double bytes = 0;
  for (const Level& part : ResidentParts(tensor, precision)) {
    bytes += static_cast<double>(part.length);
  }
  return bytes;
}

double WeightBytesPerStep(const Network& network, const Precision& precision, std::int64_t batch) {
  double bytes = 0;
  VisitReads(network, batch, [&](const TensorManifest& tensor, double share) {
    bytes += share * ResidentBytesOf(tensor, precision);
  });
  return bytes;
}

}  // namespace ashlar::cli
