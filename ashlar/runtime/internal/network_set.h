// The networks that an engine has loaded, all at one precision, and what depends on which of them
// are there together: where their graphs part, and in which order their blocks run.
//
// Changing the precision binds anew what it changes; blocks that stay as they are stay bound, and
// blobs stay mapped where they are: so nothing that stays need become resident again.
// Confined, but for what says that it is thread-safe. A LoadedNetwork lives as long as somebody
// holds it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "ashlar/base/mapped_fault.h"
#include "ashlar/kinds/rope_tables.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/block_binder.h"
#include "ashlar/runtime/internal/loaded_network.h"
#include "ashlar/runtime/internal/map_once.h"
#include "ashlar/runtime/internal/step_merge.h"

namespace ashlar::internal {

class NetworkSet {
 public:
  // The blocks of some networks in the order in which they run (step_merge.h).
  struct MergedOrder {
    std::vector<std::uint32_t> networks;  // ascending ids
    std::vector<const LoadedNetwork*> loaded;
    std::vector<MergeGroup> groups;
  };

  // `store` must outlive it. Requires: options.Check().ok().
  NetworkSet(const BlobStore& store, const EngineOptions& options);

  // See Engine::Prepare. Thread-safe.
  Result<PreparedNetwork> Prepare(const Network& network, const Precision& precision,
                                  const LoadOptions& with);
  Result<NetworkId> Load(PreparedNetwork prepared);
  // Requires: it is loaded, and nobody uses it.
  void Unload(NetworkId network);
  // See Engine::PreparePrecision, SwitchTo, DropResident, Touch. All but SwitchTo are thread-safe.
  Result<PreparedPrecision> PreparePrecision(const Precision& precision);
  Status SwitchTo(const PreparedPrecision& prepared);
  void DropResident(std::span<const Level> unused);
  void Touch(const PreparedPrecision& prepared) const;
  const Precision& precision() const { return precision_; }

  Result<std::shared_ptr<const LoadedNetwork>> Find(NetworkId network) const;  // kNotFound
  std::vector<const LoadedNetwork*> all() const;
  std::vector<const Network*> graphs() const;
  // Requires of these: it was loaded once.
  const std::optional<Error>& FailureOf(NetworkId network) const { return At(network).failure; }
  std::span<const int> BoundaryOf(NetworkId network) const { return At(network).boundary; }

  // Finds the networks that have read zeros in the place of weights. To be called between running a
  // step and using what it computed.
  void FindDamage();

  // Of a network's context, those that nobody has come to yet too (RopeTables::ReachAll).
  void ReachAllPositions() { rope_tables_.ReachAll(); }

  // `networks`: ascending ids. Valid until a network comes, goes or changes, or many others were
  // asked for.
  const MergedOrder& OrderOf(std::span<const std::uint32_t> networks);

 private:
  // A loaded network, and what depends on the others that are loaded.
  struct Loaded {
    std::shared_ptr<const Network> graph;  // as it was asked for
    KvFormat kv_format = KvFormat::kF32;
    std::shared_ptr<const LoadedNetwork> network;  // null: unloaded
    std::vector<int> boundary;
    std::optional<Error> failure;  // its weights are not what they were
  };
  const Loaded& At(NetworkId network) const {
    return networks_.at(static_cast<std::size_t>(network));
  }
  template <class T>
  std::vector<const T*> OfEach(std::shared_ptr<const T> Loaded::*member) const;
  // After a network came or went.
  void Changed();

  const KvFormat kv_format_;
  const bool prefault_;
  RopeTables rope_tables_;
  MapOnce blobs_;
  BlockBinder binder_;
  MeetingNumbers meetings_;
  Precision precision_;
  std::mutex mutex_;              // held where networks_ changes, and where another thread reads it
  std::vector<Loaded> networks_;  // by NetworkId
  std::vector<MergedOrder> orders_;
  std::uint64_t faults_seen_ = GuardedFaults();
};

}  // namespace ashlar::internal
