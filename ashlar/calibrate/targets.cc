#include "ashlar/calibrate/targets.h"

#include "ashlar/base/check.h"
#include "ashlar/graph/describe.h"

namespace ashlar {
namespace {

// The base's matrices by name.
std::map<std::string, const TensorManifest*> MatricesOf(const Network& network) {
  std::map<std::string, const TensorManifest*> matrices;
  for (const NamedTensor& tensor : NamedTensors(network)) {
    if (tensor.role == TensorRole::kMatrix) {
      matrices.emplace(tensor.name, tensor.manifest);
    }
  }
  return matrices;
}

bool IsUnchanged(const Target& target, const FineTuneBase& base) {
  if (*target.base == target.manifest) {
    return true;
  }
  const auto known = base.statistics.find(target.base->levels.front());
  return known != base.statistics.end() && known->second.tensor == *target.base &&
         known->second.source == target.source;
}

}  // namespace

Digest DigestOf(const TensorManifest& tensor) {
  return Sha256(CanonicalJson(ToJson(tensor)));
}

bool Target::Has(const TensorManifest& tensor) const {
  if (unchanged) {
    return tensor == *base;
  }
  return (tensor.base == nullptr) == (base == nullptr) &&
         (base == nullptr || *tensor.base == *base);
}

Targets FindTargets(const Network& network, const Codec& codec, const FineTuneBase* base) {
  std::map<std::string, const TensorManifest*> bases;
  if (base != nullptr) {
    bases = MatricesOf(base->network);
  }
  Targets targets;
  std::map<Digest, std::size_t> known;
  for (const NamedTensor& tensor : NamedTensors(network)) {
    if (tensor.role != TensorRole::kMatrix) {
      continue;
    }
    if (!PackedBytes(codec, tensor.manifest->shape).ok()) {
      targets.kept.push_back(tensor.name);
      continue;
    }
    const Digest source = DigestOf(*tensor.manifest);
    const auto [at, is_new] = known.emplace(source, targets.matrices.size());
    if (is_new) {
      Target target{.source = source, .manifest = *tensor.manifest, .name = tensor.name};
      if (const auto found = bases.find(tensor.name);
          found != bases.end() && found->second->shape == tensor.manifest->shape &&
          found->second->base == nullptr) {
        target.base = std::make_shared<const TensorManifest>(*found->second);
        target.unchanged = IsUnchanged(target, *base);
      }
      targets.matrices.push_back(std::move(target));
    }
    targets.matrices[at->second].uses.emplace_back(tensor.node, tensor.tensor);
  }
  return targets;
}

Result<Network> WithEncoded(Network network, std::span<const Target> targets) {
  std::map<int, Block> changed;
  for (const Target& target : targets) {
    CHECK(target.encoded.has_value());
    for (const auto& [node, name] : target.uses) {
      const auto block = changed.try_emplace(node, network.BlockOf(node)).first;
      block->second.tensors.find(name)->second = *target.encoded;
    }
  }
  for (auto& [node, block] : changed) {
    network.nodes[node].block = network.AddBlock(std::move(block));
  }
  network.Prune();
  ASHLAR_TRY(Validate(network));
  return network;
}

}  // namespace ashlar
