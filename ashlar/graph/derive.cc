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

Result<Catalog::Saved> Derive(Catalog& catalog, std::string_view name, std::string_view base,
                              std::span<const TransformStep> steps, const DeriveOptions& options) {
  ASHLAR_TRY(const auto lease, catalog.store().BeginWriting());
  ASHLAR_TRY(Network network, catalog.Load(base));
  ASHLAR_TRY(Provenance provenance, catalog.LoadProvenance(base));
  for (const TransformStep& step : steps) {
    std::vector<Digest> from = {network.digest()};
    const TransformContext context = {.catalog = catalog,
                                      .progress = options.progress,
                                      .remark = options.remark,
                                      .sources = &from};
    ASHLAR_TRY(network, Apply(*step.transform, network, step.arguments, context));
    provenance.Append(ProvenanceStep(step, from));
  }
  return catalog.Save(network, name, provenance);
}

}  // namespace ashlar
