#include "ashlar/runtime/internal/network_set.h"

#include <algorithm>
#include <utility>

namespace ashlar::internal {
namespace {

// `all` has the network itself too.
std::vector<int> BoundaryAmong(const LoadedNetwork& network,
                               std::vector<const LoadedNetwork*> all) {
  std::erase(all, &network);
  return BoundaryNodes(network, all);
}

}  // namespace

NetworkSet::NetworkSet(const BlobStore& store, const EngineOptions& options)
    : kv_format_(options.kv_format),
      prefault_(options.prefault),
      blobs_(FetchFrom(store, options.verify_blobs)),
      binder_(
          [this](const Digest& blob, std::uint64_t needed) { return blobs_.Fetch(blob, needed); },
          {options.isa, options.max_positions, rope_tables_},
          options.verify_blobs || options.check_numbers) {
  if (options.prefault_workspace) {
    ReachAllPositions();
  }
}

// Of each that is loaded, what `member` points to.
template <class T>
std::vector<const T*> NetworkSet::OfEach(std::shared_ptr<const T> Loaded::*member) const {
  std::vector<const T*> pointers;
  for (const Loaded& network : networks_) {
    if (network.network != nullptr) {
      pointers.push_back((network.*member).get());
    }
  }
  return pointers;
}

std::vector<const LoadedNetwork*> NetworkSet::all() const {
  return OfEach(&Loaded::network);
}

std::vector<const Network*> NetworkSet::graphs() const {
  return OfEach(&Loaded::graph);
}

void NetworkSet::Changed() {
  binder_.Forget();
  orders_.clear();
  const std::vector<const LoadedNetwork*> loaded = all();
  for (Loaded& network : networks_) {
    if (network.network != nullptr) {
      network.boundary = BoundaryAmong(*network.network, loaded);
    }
  }
}

Result<PreparedNetwork> NetworkSet::Prepare(const Network& network, const Precision& precision,
                                            const LoadOptions& with) {
  const KvFormat kv_format = with.kv_format.value_or(kv_format_);
  ASHLAR_TRY(LoadedNetwork bound, LoadNetwork(network, binder_, meetings_, precision, kv_format));
  if (prefault_) {
    bound.Touch();
  }
  return PreparedNetwork{.graph = std::make_shared<const Network>(network),
                         .kv_format = kv_format,
                         .precision = precision,
                         .bound = std::make_shared<const LoadedNetwork>(std::move(bound))};
}

Result<NetworkId> NetworkSet::Load(PreparedNetwork prepared) {
  if (prepared.precision != precision_) {
    ASHLAR_TRY(prepared, Prepare(*prepared.graph, precision_, {.kv_format = prepared.kv_format}));
  }
  // (FindDamage looks at what is loaded only: what was lost before is found here.)
  for (const LoadedNode& node : prepared.bound->nodes) {
    ASHLAR_TRY(node.bound->weights.CheckIntact());
  }
  const NetworkId id{static_cast<std::uint32_t>(networks_.size())};
  const std::lock_guard lock(mutex_);
  networks_.push_back({.graph = std::move(prepared.graph),
                       .kv_format = prepared.kv_format,
                       .network = std::move(prepared.bound)});
  Changed();
  return id;
}

void NetworkSet::Unload(NetworkId network) {
  const std::lock_guard lock(mutex_);
  networks_.at(static_cast<std::size_t>(network)) = {};
  Changed();
}

Result<PreparedPrecision> NetworkSet::PreparePrecision(const Precision& precision) {
  std::vector<Loaded> networks;
  {
    const std::lock_guard lock(mutex_);
    networks = networks_;
  }
  binder_.Forget();
  PreparedPrecision prepared{.precision = precision};
  std::vector<const LoadedNetwork*> all;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const Loaded& loaded = networks[i];
    if (loaded.network == nullptr) {
      continue;
    }
    prepared.networks.push_back({.before = loaded.network,
                                 .after = loaded.network,
                                 .boundary = {},
                                 .failure = loaded.failure});
    PreparedPrecision::Rebound& rebound = prepared.networks.back();
    if (!loaded.failure) {
      Result<LoadedNetwork> again =
          LoadNetwork(*loaded.graph, binder_, meetings_, precision, loaded.kv_format);
      if (again.ok()) {
        rebound.after = std::make_shared<const LoadedNetwork>(*std::move(again));
      } else if (again.error().code == ErrorCode::kInvalid) {
        return again.error();
      } else {
        rebound.failure = again.error();
      }
    }
    all.push_back(rebound.after.get());
  }
  for (PreparedPrecision::Rebound& rebound : prepared.networks) {
    rebound.boundary = BoundaryAmong(*rebound.after, all);
  }
  return prepared;
}

Status NetworkSet::SwitchTo(const PreparedPrecision& prepared) {
  std::vector<Loaded*> loaded;
  for (Loaded& network : networks_) {
    if (network.network != nullptr) {
      loaded.push_back(&network);
    }
  }
  if (!std::ranges::equal(loaded, prepared.networks, {}, &Loaded::network,
                          &PreparedPrecision::Rebound::before)) {
    return Conflict("networks came or went after this precision had been prepared");
  }
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    const PreparedPrecision::Rebound& rebound = prepared.networks[i];
    loaded[i]->network = rebound.after;
    loaded[i]->boundary = rebound.boundary;
    if (!loaded[i]->failure) {
      loaded[i]->failure = rebound.failure;
    }
  }
  precision_ = prepared.precision;
  for (MergedOrder& order : orders_) {  // which blocks meet does not depend on the precision
    for (std::size_t i = 0; i < order.networks.size(); ++i) {
      order.loaded[i] = networks_[order.networks[i]].network.get();
    }
  }
  return {};
}

void NetworkSet::DropResident(std::span<const Level> unused) {
  for (const Level& part : unused) {
    blobs_.DropResident(part);
  }
}

void NetworkSet::Touch(const PreparedPrecision& prepared) const {
  for (const PreparedPrecision::Rebound& rebound : prepared.networks) {
    if (prefault_) {
      rebound.after->Touch();
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
  const std::lock_guard lock(mutex_);
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
