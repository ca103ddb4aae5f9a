#include "tools/ashlar/derivation.h"

#include <set>

#include "ashlar/graph/describe.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"

namespace ashlar::cli {
namespace {

// The bytes of the network's blobs of weights that were not among `before`.
Result<std::uint64_t> NewWeightBytes(const Network& network, const BlobStore& store,
                                     std::span<const BlobInfo> before) {
  std::set<Digest> blobs;
  for (const auto& [digest, block] : network.blocks) {
    for (const auto& [name, tensor] : block->tensors) {
      for (const Level& level : tensor.all_levels()) {
        blobs.insert(level.blob);
      }
    }
  }
  for (const BlobInfo& blob : before) {
    blobs.erase(blob.digest);
  }
  std::uint64_t bytes = 0;
  for (const Digest& blob : blobs) {
    ASHLAR_TRY(const auto size, store.Stat(blob));
    bytes += size.value_or(0);
  }
  return bytes;
}

}  // namespace

Status DeriveAndReport(Session& session, const std::string& name, const std::string& base,
                       std::span<const TransformStep> steps) {
  Terminal& terminal = session.terminal;
  ASHLAR_TRY(CheckNetworkName(name));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  ASHLAR_TRY(const std::vector<BlobInfo> before, store->List());
  Catalog catalog(*store, AllKinds());
  ASHLAR_TRY(
      const Derived derived,
      Derive(catalog, name, base, steps,
             {.progress = [&](std::uint64_t done,
                              std::uint64_t total) { terminal.Progress("encoding", done, total); },
              .remark = [&](std::string_view remark) { terminal.Note(remark); }}));
  terminal.EndProgress();
  ASHLAR_TRY(const std::uint64_t weights, NewWeightBytes(derived.network, *store, before));
  const std::uint64_t added = derived.added_bytes + weights;

  if (session.json) {
    terminal.PrintJson(Json::Of({{"name", name},
                                 {"digest", derived.digest.ToString()},
                                 {"parameters", derived.network.parameters()},
                                 {"weight_bytes", WeightBytes(derived.network)},
                                 {"added_bytes", added}}));
    return {};
  }
  terminal.PrintLine(fmt::format("{}: {:.2f} M parameters ({} had {:.2f} M); the store grew by {}",
                                 name, static_cast<double>(derived.network.parameters()) * 1e-6,
                                 base, static_cast<double>(derived.base.parameters()) * 1e-6,
                                 FormatBytes(added)));
  return {};
}

}  // namespace ashlar::cli
