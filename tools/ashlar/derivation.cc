#include "tools/ashlar/derivation.h"

#include "ashlar/graph/describe.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"

namespace ashlar::cli {
namespace {

// The base's provenance, and a step for each transform.
Result<Provenance> Extend(const Catalog& catalog, const std::string& base, const Digest& digest,
                          std::span<const TransformStep> steps) {
  ASHLAR_TRY(Provenance provenance, catalog.LoadProvenance(base));
  Json from = Json::Array{digest.ToString()};
  for (const TransformStep& step : steps) {
    Json arguments = Json::Object();
    for (const auto& [key, value] : step.arguments) {
      arguments.Set(key, value);
    }
    Json entry = Json::Of({{"transform", step.transform->name}, {"arguments", arguments}});
    if (!from.is_null()) {
      entry.Set("from",
                std::exchange(from, Json()));  // later steps begin where the one before ends
    }
    provenance.Append(std::move(entry));
  }
  return provenance;
}

}  // namespace

Status Derive(Session& session, const std::string& name, const std::string& base,
              std::span<const TransformStep> steps) {
  ASHLAR_TRY(CheckTagName(name));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  Catalog catalog(*store, AllKinds());
  ASHLAR_TRY(const auto lease, store->BeginWriting());
  ASHLAR_TRY(const Network origin, catalog.Load(base));
  const TransformContext context{.catalog = catalog,
                                 .progress = [&](std::uint64_t done, std::uint64_t total) {
                                   session.terminal.Progress("encoding", done, total);
                                 }};
  Network network = origin;
  for (const TransformStep& step : steps) {
    ASHLAR_TRY(network, Apply(*step.transform, network, step.arguments, context));
  }
  session.terminal.EndProgress();
  ASHLAR_TRY(const Provenance provenance, Extend(catalog, base, origin.digest(), steps));
  ASHLAR_TRY(const Catalog::Saved saved, catalog.Save(network, name, provenance));

  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"name", name},
                                         {"digest", saved.digest.ToString()},
                                         {"parameters", network.parameters()},
                                         {"weight_bytes", WeightBytes(network)},
                                         {"added_bytes", saved.added_bytes}}));
    return {};
  }
  session.terminal.PrintLine(
      fmt::format("{}: {:.2f} M parameters ({} had {:.2f} M), {} of manifests added", name,
                  static_cast<double>(network.parameters()) * 1e-6, base,
                  static_cast<double>(origin.parameters()) * 1e-6, FormatBytes(saved.added_bytes)));
  return {};
}

}  // namespace ashlar::cli
