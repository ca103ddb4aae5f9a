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

Result<std::map<Level, TensorStatistics>> LoadTensorStatistics(const Catalog& catalog,
                                                               std::string_view name) {
  std::map<Level, TensorStatistics> all;
  const auto add = [&](std::optional<Statistics> found) {
    for (TensorStatistics& tensor : found ? found->tensors : std::vector<TensorStatistics>()) {
      const Level first = tensor.tensor.levels.front();
      all.emplace(first, std::move(tensor));
    }
  };
  ASHLAR_TRY(std::optional<Statistics> own, LoadStatistics(catalog, name));
  add(std::move(own));
  ASHLAR_TRY(const Provenance provenance, catalog.LoadProvenance(name));
  for (const std::string& source : SourcesOf(provenance)) {
    Result<std::optional<Statistics>> found = LoadStatistics(catalog, source);
    if (found.ok()) {
      add(*std::move(found));
    } else if (found.error().code != ErrorCode::kNotFound) {  // no tag names it any more
      return found.error();
    }
  }
  return all;
}

Result<LevelLosses> LoadLosses(const Catalog& catalog, std::string_view name) {
  ASHLAR_TRY(const auto all, LoadTensorStatistics(catalog, name));
  LevelLosses losses;
  for (const auto& [first, measured] : all) {
    const TensorManifest& tensor = measured.tensor;
    const std::int64_t unit = tensor.codec->row_unit;
    const std::int64_t bands = (tensor.shape[0] + unit - 1) / unit;
    ASHLAR_TRY(const std::vector<float> errors,
               LoadVector(catalog.store(), measured.bands, std::ssize(tensor.levels) * bands));
    losses.emplace(first, TensorLosses(tensor, measured.losses, errors));
  }
  return losses;
}

}  // namespace ashlar
