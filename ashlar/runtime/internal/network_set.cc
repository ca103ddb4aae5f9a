#include "ashlar/runtime/internal/network_set.h"

#include <algorithm>
#include <utility>

namespace ashlar::internal {

NetworkSet::NetworkSet(const BlobStore& store, const EngineOptions& options)
    : kv_format_(options.kv_format),
      prefault_(options.prefault),
      blobs_(FetchFrom(store, options.verify_blobs)),
      binder_(
          [this](const Digest& blob, std::uint64_t needed) { return blobs_.Fetch(blob, needed); },
          {options.isa, options.max_positions, rope_tables_},
          {.prefault = options.prefault, .check = options.verify_blobs || options.check_numbers}) {}

std::vector<const LoadedNetwork*> NetworkSet::all() const {
  std::vector<const LoadedNetwork*> loaded;
  for (const Loaded& network : networks_) {
    if (network.network != nullptr) {
      loaded.push_back(network.network.get());
    }
  }
  return loaded;
}

void NetworkSet::Changed() {
  binder_.Forget();
  orders_.clear();
  const std::vector<const LoadedNetwork*> loaded = all();
  for (Loaded& network : networks_) {
    if (network.network != nullptr) {
      std::vector<const LoadedNetwork*> others = loaded;
      std::erase(others, network.network.get());
      network.boundary = BoundaryNodes(*network.network, others);
    }
  }
}

Result<PreparedNetwork> NetworkSet::Prepare(const Network& network, const Precision& precision,
                                            const LoadOptions& with) {
  const KvFormat kv_format = with.kv_format.value_or(kv_format_);
  ASHLAR_TRY(LoadedNetwork bound, LoadNetwork(network, binder_, meetings_, precision, kv_format));
  return PreparedNetwork{.graph = std::make_shared<const Network>(network),
                         .kv_format = kv_format,
                         .precision = precision,
                         .bound = std::make_shared<const LoadedNetwork>(std::move(bound))};
}

Result<NetworkId> NetworkSet::Load(PreparedNetwork prepared) {
  if (prepared.precision != precision_) {
    ASHLAR_TRY(prepared, Prepare(*prepared.graph, precision_, {.kv_format = prepared.kv_format}));
  }
  const NetworkId id{static_cast<std::uint32_t>(networks_.size())};
  networks_.push_back({.graph = std::move(prepared.graph),
                       .kv_format = prepared.kv_format,
                       .network = std::move(prepared.bound)});
  Changed();
  return id;
}

void NetworkSet::Unload(NetworkId network) {
  networks_.at(static_cast<std::size_t>(network)) = {};
  Changed();
}

Status NetworkSet::SetPrecision(Precision precision) {
  // Made resident when what it replaces has gone, so that memory does not rise where it is to fall.
  binder_.set_prefault(false);
  blobs_.Forget();  // else bands that go would stay resident
  std::vector<Loaded> rebound = networks_;
  std::vector<std::shared_ptr<const BoundWeights>> mapped;
  Status rebinding;
  for (Loaded& loaded : rebound) {
    if (loaded.network == nullptr || loaded.failure) {
      continue;
    }
    Result<LoadedNetwork> again =
        LoadNetwork(*loaded.graph, binder_, meetings_, precision, loaded.kv_format);
    if (again.ok()) {
      for (std::size_t i = 0; i < again->nodes.size(); ++i) {
        if (again->nodes[i].bound != loaded.network->nodes[i].bound) {
          mapped.push_back(again->nodes[i].bound);
        }
      }
      loaded.network = std::make_shared<const LoadedNetwork>(*std::move(again));
    } else if (again.error().code == ErrorCode::kInvalid) {
      rebinding = again.error();
      break;
    } else {
      loaded.failure = again.error();
    }
  }
  binder_.set_prefault(prefault_);
  ASHLAR_TRY(rebinding);
  precision_ = std::move(precision);
  networks_ = std::move(rebound);
  untouched_ = std::move(mapped);
  Changed();
  return {};
}

void NetworkSet::Touch() {
  for (const auto& bound : std::exchange(untouched_, {})) {
    if (prefault_) {
      bound->weights.Touch();
    }
  }
}

Result<std::shared_ptr<const LoadedNetwork>> NetworkSet::Find(NetworkId network) const {
  const auto index = static_cast<std::size_t>(network);
  if (index >= networks_.size() || networks_[index].network == nullptr) {
    return NotFound("no network {} is loaded", index);
  }
  return networks_[index].network;
}

void NetworkSet::FindDamage() {
  const std::uint64_t faults = GuardedFaults();
  if (faults == faults_seen_) {
    return;
  }
  faults_seen_ = faults;
  for (Loaded& loaded : networks_) {
    if (loaded.network == nullptr || loaded.failure) {
      continue;
    }
    for (const LoadedNode& node : loaded.network->nodes) {
      if (const Status intact = node.bound->weights.CheckIntact(); !intact.ok()) {
        loaded.failure = intact.error();
        break;
      }
    }
  }
}

const NetworkSet::MergedOrder& NetworkSet::OrderOf(std::span<const std::uint32_t> networks) {
  const auto known = std::ranges::find_if(orders_, [&](const MergedOrder& order) {
    return std::ranges::equal(order.networks, networks);
  });
  if (known != orders_.end()) {
    return *known;
  }
  constexpr std::size_t kMostOrders = 64;  // of n networks there are 2^n sets
  if (orders_.size() == kMostOrders) {
    orders_.erase(orders_.begin());
  }
  MergedOrder& order = orders_.emplace_back();
  order.networks.assign(networks.begin(), networks.end());
  std::vector<std::vector<MergeNode>> graphs;
  for (const std::uint32_t network : networks) {
    order.loaded.push_back(networks_[network].network.get());
    graphs.push_back(order.loaded.back()->merge);
  }
  order.groups = MergeGraphs(graphs);
  return order;
}

}  // namespace ashlar::internal
