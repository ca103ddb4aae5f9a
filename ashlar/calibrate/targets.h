// The matrices of a network that are to have levels: each stored one once, for all its uses.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ashlar/calibrate/divergence.h"
#include "ashlar/graph/network.h"
#include "ashlar/graph/statistics.h"

namespace ashlar {

// A network that another is a fine-tune of, and what is known of its tensors, by their first
// levels.
struct FineTuneBase {
  Network network;
  std::map<Level, TensorStatistics> statistics;
};

struct Target {
  Digest source;  // of its manifest
  TensorManifest manifest;
  std::string name;                            // of the first use
  Divergence::Uses uses;                       // ascending
  std::shared_ptr<const TensorManifest> base;  // what it differs from; null: from nothing
  // It is the base, or what the base's levels were encoded from: nothing is to be stored.
  bool unchanged = false;
  std::optional<TensorManifest> encoded;

  // Whether `tensor` is one that it can be stored as: with the base that it differs from.
  bool Has(const TensorManifest& tensor) const;
  int first_use() const { return uses.front().first; }
  int last_use() const { return uses.back().first; }
};

struct Targets {
  std::vector<Target> matrices;
  std::vector<std::string> kept;  // names of those whose shape the codec cannot hold
};

// Of a network, in the order of their first uses. `base` may be null; a matrix of the same name and
// shape there is what is differed from, unless it is a difference itself.
Targets FindTargets(const Network& network, const Codec& codec, const FineTuneBase* base);

// The network with each target's matrix as it is encoded, which all of them must be.
Result<Network> WithEncoded(Network network, std::span<const Target> targets);

// The digest of a tensor's manifest.
Digest DigestOf(const TensorManifest& tensor);

}  // namespace ashlar
