#include "ashlar/graph/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "ashlar/graph/internal/manifest_json.h"

namespace ashlar {
namespace {

constexpr std::string_view kVectorMediaType = "application/vnd.ashlar.vector.v1";
constexpr std::size_t kMaxStatisticsTensors = 1u << 20;
constexpr std::size_t kMaxJointLosses = 64;

Json TensorJson(const TensorStatistics& tensor) {
  Json::Array losses;
  for (const double loss : tensor.losses) {
    losses.push_back(internal::RealText(loss));
  }
  Json json = Json::Of({{"bands", tensor.bands.ToString()},
                        {"losses", std::move(losses)},
                        {"rows", tensor.rows},
                        {"source", tensor.source.ToString()},
                        {"tensor", ToJson(tensor.tensor)}});
  if (tensor.inputs) {
    json.Set("inputs", tensor.inputs->ToString());
  }
  if (tensor.lookups) {
    json.Set("lookups", tensor.lookups->ToString());
  }
  return json;
}

Result<std::optional<Digest>> FindDigest(const JsonCursor& json, std::string_view key) {
  ASHLAR_TRY(const std::optional<JsonCursor> at, json.Find(key));
  if (!at) {
    return std::optional<Digest>();
  }
  ASHLAR_TRY(const Digest digest, internal::ParseDigest(*at));
  return std::optional<Digest>(digest);
}

Result<std::vector<double>> ParseLosses(const JsonCursor& json, std::size_t levels) {
  ASHLAR_TRY(const std::vector<JsonCursor> items, json.AsArray(internal::kMaxLevels));
  if (items.size() != levels) {
    return json.Invalid("the tensor has {} levels, found {} losses", levels, items.size());
  }
  std::vector<double> losses;
  for (const JsonCursor& item : items) {
    ASHLAR_TRY(const double loss, internal::ParseRealText(item));
    if (loss < 0 || (!losses.empty() && loss > losses.back())) {
      return item.Invalid("losses are not negative and never rise, found {}", loss);
    }
    losses.push_back(loss);
  }
  return losses;
}

// None when the member is not there.
Result<std::vector<JointLoss>> ParseJointLosses(const JsonCursor& root) {
  std::vector<JointLoss> joint;
  ASHLAR_TRY(const std::optional<JsonCursor> at, root.Find("joint"));
  if (!at) {
    return joint;
  }
  ASHLAR_TRY(const std::vector<JsonCursor> items, at->AsArray(kMaxJointLosses));
  if (items.empty()) {
    return at->Invalid("without joint losses there is no such member");
  }
  for (const JsonCursor& item : items) {
    ASHLAR_TRY(const std::vector<JsonCursor> pair, item.AsArray(2));
    if (pair.size() != 2) {
      return item.Invalid("expected a sum and what was measured, found {} numbers", pair.size());
    }
    JointLoss loss;
    ASHLAR_TRY(loss.sum, internal::ParseRealText(pair[0]));
    ASHLAR_TRY(loss.measured, internal::ParseRealText(pair[1]));
    const JointLoss before = joint.empty() ? JointLoss{} : joint.back();
    if (!(loss.sum > before.sum && loss.measured > before.measured)) {
      return item.Invalid("joint losses are positive and ascend, found {} and {}", loss.sum,
                          loss.measured);
    }
    joint.push_back(loss);
  }
  return joint;
}

Result<TensorStatistics> ParseTensorStatistics(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"bands", "inputs", "lookups", "losses", "rows", "source", "tensor"}));
  TensorStatistics parsed;
  ASHLAR_TRY(const JsonCursor tensor, json.At("tensor"));
  ASHLAR_TRY(parsed.tensor, ParseTensorManifest(tensor));
  ASHLAR_TRY(const JsonCursor source, json.At("source"));
  ASHLAR_TRY(parsed.source, internal::ParseDigest(source));
  ASHLAR_TRY(parsed.rows, json.Integer("rows", 0, internal::kMaxInteger));
  ASHLAR_TRY(const JsonCursor losses, json.At("losses"));
  ASHLAR_TRY(parsed.losses, ParseLosses(losses, parsed.tensor.levels.size()));
  ASHLAR_TRY(const JsonCursor bands, json.At("bands"));
  ASHLAR_TRY(parsed.bands, internal::ParseDigest(bands));
  ASHLAR_TRY(parsed.inputs, FindDigest(json, "inputs"));
  ASHLAR_TRY(parsed.lookups, FindDigest(json, "lookups"));
  return parsed;
}

const Level& FirstLevel(const TensorStatistics& tensor) {
  return tensor.tensor.levels.front();
}

}  // namespace

std::string Statistics::CanonicalManifest() const {
  Json::Array list;
  for (const TensorStatistics& tensor : tensors) {
    list.push_back(TensorJson(tensor));
  }
  Json json = Json::Of({{"job", job.ToString()},
                        {"schema", kManifestSchema},
                        {"tensors", std::move(list)},
                        {"tokens", tokens},
                        {"type", "statistics"}});
  if (!joint.empty()) {
    Json::Array pairs;
    for (const JointLoss& loss : joint) {
      pairs.push_back(Json::Array{internal::RealText(loss.sum), internal::RealText(loss.measured)});
    }
    json.Set("joint", std::move(pairs));
  }
  return CanonicalJson(json);
}

const TensorStatistics* Statistics::Find(const Level& level) const {
  const auto at = std::ranges::lower_bound(tensors, level, {}, FirstLevel);
  return at != tensors.end() && FirstLevel(*at) == level ? &*at : nullptr;
}

void Sort(Statistics& statistics) {
  std::ranges::sort(statistics.tensors, {}, FirstLevel);
}

Result<Statistics> ParseStatistics(std::string_view manifest) {
  ASHLAR_TRY(const Json json, internal::ParseManifest(manifest, "statistics"));
  const JsonCursor root(json);
  ASHLAR_TRY(root.AllowOnly({"job", "joint", "schema", "tensors", "tokens", "type"}));
  Statistics statistics;
  ASHLAR_TRY(const JsonCursor job, root.At("job"));
  ASHLAR_TRY(statistics.job, internal::ParseDigest(job));
  ASHLAR_TRY(statistics.tokens, root.Integer("tokens", 0, internal::kMaxInteger));
  ASHLAR_TRY(statistics.joint, ParseJointLosses(root));
  ASHLAR_TRY(const JsonCursor tensors, root.At("tensors"));
  ASHLAR_TRY(const std::vector<JsonCursor> list, tensors.AsArray(kMaxStatisticsTensors));
  for (const JsonCursor& item : list) {
    ASHLAR_TRY(TensorStatistics tensor, ParseTensorStatistics(item));
    if (!statistics.tensors.empty() &&
        !(FirstLevel(statistics.tensors.back()) < FirstLevel(tensor))) {
      return item.Invalid("tensors stand in ascending order of their first levels, each once");
    }
    statistics.tensors.push_back(std::move(tensor));
  }
  ASHLAR_TRY(internal::CheckCanonical(manifest, statistics.CanonicalManifest()));
  return statistics;
}

std::vector<Digest> VectorBlobs(const Statistics& statistics) {
  std::set<Digest> blobs;
  for (const TensorStatistics& tensor : statistics.tensors) {
    for (const auto& blob : {std::optional(tensor.bands), tensor.inputs, tensor.lookups}) {
      if (blob) {
        blobs.insert(*blob);
      }
    }
  }
  return {blobs.begin(), blobs.end()};
}

Status AttachStatistics(Catalog& catalog, std::string_view name, const Statistics& statistics) {
  std::vector<Descriptor> layers;
  for (const Digest& blob : VectorBlobs(statistics)) {
    ASHLAR_TRY(const std::optional<std::uint64_t> size, catalog.store().Stat(blob));
    if (!size) {
      return Invalid("blob {} of the statistics is not in the store", blob.ToString());
    }
    layers.push_back({.media_type = std::string(kVectorMediaType), .digest = blob, .size = *size});
  }
  return catalog.Attach(name, kStatisticsArtifact, statistics.CanonicalManifest(),
                        std::move(layers));
}

Result<std::optional<Statistics>> LoadStatistics(const Catalog& catalog, std::string_view name) {
  ASHLAR_TRY(const std::vector<std::string> found, catalog.Attached(name, kStatisticsArtifact));
  if (found.empty()) {
    return std::optional<Statistics>();
  }
  Result<Statistics> statistics = ParseStatistics(found.front());
  if (!statistics.ok()) {
    return statistics.error().In(fmt::format("statistics of \"{}\"", name));
  }
  return std::optional<Statistics>(*std::move(statistics));
}

Result<std::vector<float>> LoadVector(const BlobStore& store, const Digest& blob,
                                      std::int64_t count) {
  ASHLAR_TRY(const Blob found, store.Get(blob));
  const BlobGuard guard(blob, found);
  const std::uint64_t bytes = static_cast<std::uint64_t>(count) * sizeof(float);
  if (found.bytes().size() != bytes) {
    return Corrupt("blob {} has {} bytes; {} numbers take {}", blob.ToString(),
                   found.bytes().size(), count, bytes);
  }
  std::vector<float> values(static_cast<std::size_t>(count));
  std::memcpy(values.data(), found.bytes().data(), bytes);
  ASHLAR_TRY(guard.CheckIntact());
  const auto bad =
      std::ranges::find_if_not(values, [](float v) { return std::isfinite(v) && v >= 0; });
  if (bad != values.end()) {
    return Corrupt("blob {}: number {} is {}; expected finite numbers, none negative",
                   blob.ToString(), bad - values.begin(), *bad);
  }
  return values;
}

}  // namespace ashlar
