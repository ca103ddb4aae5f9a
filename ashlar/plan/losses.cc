#include "ashlar/plan/losses.h"

#include <algorithm>
#include <vector>

#include "ashlar/graph/statistics.h"

namespace ashlar {
namespace {

// Of the networks that the steps of `provenance` were made from, the latest first.
std::vector<std::string> SourcesOf(const Provenance& provenance) {
  std::vector<std::string> sources;
  for (const Json& step : *provenance.array()) {
    const Json* const from = step.Find("from");
    if (from == nullptr || from->array() == nullptr) {
      continue;
    }
    for (const Json& digest : *from->array()) {
      if (digest.string() != nullptr) {
        sources.push_back(*digest.string());
      }
    }
  }
  std::ranges::reverse(sources);
  return sources;
}

}  // namespace

Result<LevelLosses> LoadLosses(const Catalog& catalog, std::string_view name) {
  LevelLosses losses;
  const auto add = [&](const std::optional<Statistics>& statistics) -> Status {
    for (const TensorStatistics& measured :
         statistics ? statistics->tensors : std::vector<TensorStatistics>()) {
      const TensorManifest& tensor = measured.tensor;
      if (losses.contains(tensor.levels.front())) {
        continue;
      }
      const std::int64_t unit = tensor.codec->row_unit;
      const std::int64_t bands = (tensor.shape[0] + unit - 1) / unit;
      ASHLAR_TRY(const std::vector<float> errors,
                 LoadVector(catalog.store(), measured.bands, std::ssize(tensor.levels) * bands));
      losses.emplace(tensor.levels.front(), TensorLosses(tensor, measured.losses, errors));
    }
    return {};
  };
  ASHLAR_TRY(const std::optional<Statistics> own, LoadStatistics(catalog, name));
  ASHLAR_TRY(add(own));
  ASHLAR_TRY(const Provenance provenance, catalog.LoadProvenance(name));
  for (const std::string& source : SourcesOf(provenance)) {
    const Result<std::optional<Statistics>> found = LoadStatistics(catalog, source);
    if (found.ok()) {
      ASHLAR_TRY(add(*found));
    } else if (found.error().code != ErrorCode::kNotFound) {  // no tag names it any more
      return found.error();
    }
  }
  return losses;
}

}  // namespace ashlar
