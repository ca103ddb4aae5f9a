#include "ashlar/graph/derive.h"

namespace ashlar {
namespace {

Json ProvenanceStep(const TransformStep& step, std::span<const Digest> from) {
  Json arguments{Json::Object{}};
  for (const auto& [name, value] : step.arguments) {
    arguments.Set(name, value);
  }
  Json::Array digests;
  for (const Digest& digest : from) {
    digests.emplace_back(digest.ToString());
  }
  return Json::Of({{"transform", step.transform->name},
                   {"arguments", std::move(arguments)},
                   {"from", std::move(digests)}});
}

}  // namespace

Result<Derived> Derive(Catalog& catalog, std::string_view name, std::string_view base,
                       std::span<const TransformStep> steps, const DeriveOptions& options) {
  ASHLAR_TRY(const auto lease, catalog.store().BeginWriting());
  ASHLAR_TRY(Network origin, catalog.Load(base));
  ASHLAR_TRY(Provenance provenance, catalog.LoadProvenance(base));
  Network network = origin;
  for (const TransformStep& step : steps) {
    std::vector<Digest> from = {network.digest()};
    const TransformContext context = {.catalog = catalog,
                                      .progress = options.progress,
                                      .remark = options.remark,
                                      .sources = &from};
    ASHLAR_TRY(network, Apply(*step.transform, network, step.arguments, context));
    provenance.Append(ProvenanceStep(step, from));
  }
  ASHLAR_TRY(const Catalog::Saved saved, catalog.Save(network, name, provenance, options.saving));
  return Derived{.base = std::move(origin),
                 .network = std::move(network),
                 .digest = saved.digest,
                 .added_bytes = saved.added_bytes};
}

}  // namespace ashlar
