#include "ashlar/plan/losses.h"

#include <algorithm>
#include <cmath>

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

// Calls `visit` with the statistics of the network, and with those of what it was derived from, the
// latest first.
template <class Visit>
Status VisitStatistics(const Catalog& catalog, std::string_view name, const Visit& visit) {
  ASHLAR_TRY(std::optional<Statistics> own, LoadStatistics(catalog, name));
  if (own) {
    visit(*std::move(own));
  }
  ASHLAR_TRY(const Provenance provenance, catalog.LoadProvenance(name));
  for (const std::string& source : SourcesOf(provenance)) {
    Result<std::optional<Statistics>> found = LoadStatistics(catalog, source);
    if (!found.ok() && found.error().code != ErrorCode::kNotFound) {
      return found.error();
    }
    if (found.ok() && found->has_value()) {  // else no tag names it any more, or nobody measured
      visit(**std::move(found));
    }
  }
  return {};
}

bool HasLevels(const Network& network) {
  return std::ranges::any_of(network.blocks, [](const auto& block) {
    return std::ranges::any_of(block.second->tensors, [](const auto& tensor) {
      return tensor.second.codec->residual != nullptr;
    });
  });
}

}  // namespace

Result<std::map<Level, TensorStatistics>> LoadTensorStatistics(const Catalog& catalog,
                                                               std::string_view name) {
  std::map<Level, TensorStatistics> all;
  ASHLAR_TRY(VisitStatistics(catalog, name, [&](Statistics statistics) {
    for (TensorStatistics& tensor : statistics.tensors) {
      const Level first = tensor.tensor.levels.front();
      all.emplace(first, std::move(tensor));
    }
  }));
  return all;
}

Result<TensorLosses> LoadTensorLosses(const BlobStore& store, const TensorStatistics& measured) {
  const TensorManifest& tensor = measured.tensor;
  const std::int64_t unit = tensor.codec->row_unit;
  const std::int64_t bands = (tensor.shape[0] + unit - 1) / unit;
  ASHLAR_TRY(const std::vector<float> errors,
             LoadVector(store, measured.bands, std::ssize(tensor.levels) * bands));
  return TensorLosses(tensor, measured.losses, errors);
}

Result<LevelLosses> LoadLosses(const Catalog& catalog, std::string_view name,
                               const Network& network) {
  LevelLosses losses;
  if (!HasLevels(network)) {
    return losses;
  }
  ASHLAR_TRY(const auto all, LoadTensorStatistics(catalog, name));
  for (const auto& [first, measured] : all) {
    ASHLAR_TRY(TensorLosses loaded, LoadTensorLosses(catalog.store(), measured));
    losses.emplace(first, std::move(loaded));
  }
  return losses;
}

Result<std::vector<JointLoss>> LoadJointLosses(const Catalog& catalog, std::string_view name,
                                               const Network& network) {
  std::vector<JointLoss> joint;
  if (!HasLevels(network)) {
    return joint;
  }
  ASHLAR_TRY(VisitStatistics(catalog, name, [&](Statistics statistics) {
    if (joint.empty()) {
      joint = std::move(statistics.joint);
    }
  }));
  return joint;
}

double JointLossOf(std::span<const JointLoss> measured, double sum) {
  if (measured.empty() || sum <= 0) {
    return std::max(sum, 0.0);
  }
  const auto above = std::ranges::lower_bound(measured, sum, {}, &JointLoss::sum);
  if (above == measured.begin() || above == measured.end()) {
    const JointLoss& nearest = above == measured.end() ? measured.back() : measured.front();
    return sum * nearest.measured / nearest.sum;
  }
  const JointLoss& below = *std::prev(above);
  const double part = std::log(sum / below.sum) / std::log(above->sum / below.sum);
  return below.measured * std::pow(above->measured / below.measured, part);
}

}  // namespace ashlar
