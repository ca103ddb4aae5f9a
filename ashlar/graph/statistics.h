// Statistics are what calibration found out about a network whose tensors have levels: how much
// loss each level of each tensor takes away, and what its matrices are multiplied with. The planner
// spends a budget by them.
//
// They are an artifact of their own, attached to the network: outside its identity, kept as long as
// it is kept, found by its digest. Canonical JSON, docs/formats/statistics.md:
//   {"job":"sha256:...","joint":[["0.1","0.15"],...],"schema":1,"tensors":[{"bands":"sha256:...",
//    "losses":["0.5","0.1"],"rows":8192,"source":"sha256:...","tensor":{...}},...],"tokens":8192,
//    "type":"statistics"}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/graph/catalog.h"
#include "ashlar/graph/tensor_manifest.h"

namespace ashlar {

inline constexpr std::string_view kStatisticsArtifact = "application/vnd.ashlar.statistics.v1+json";

struct TensorStatistics {
  Digest source;  // of the manifest of the tensor that was encoded
  TensorManifest tensor;
  std::int64_t rows = 0;  // of the calibration that it was multiplied with, or looked up for
  // losses[l - 1]: how much higher the loss is expected to be, in nats per token, when this tensor
  // has its first l levels and every other tensor is whole. As many as the tensor has levels; not
  // negative, never rising. Those of several tensors add up, more or less: Statistics::joint.
  std::vector<double> losses;
  // A blob, f32 [levels, bands of the codec's row_unit rows]: the squared error of each band's rows
  // with the first levels, each row by its weight. It tells how a loss is shared among rows.
  Digest bands;
  std::optional<Digest> inputs;   // a blob, f32 [columns]: the mean square of each input
  std::optional<Digest> lookups;  // a blob, f32 [rows of the tensor]: the share of each in lookups
  friend bool operator==(const TensorStatistics&, const TensorStatistics&) = default;
};

// What all tensors lose together at some precision of the network, in nats per token.
struct JointLoss {
  double sum = 0;       // of what each of them loses alone
  double measured = 0;  // of all of them, on text that no level was fitted to
  friend bool operator==(const JointLoss&, const JointLoss&) = default;
};

struct Statistics {
  Digest job;  // of all that they depend on: network, text, options
  std::int64_t tokens = 0;
  std::vector<JointLoss> joint;           // both numbers positive and ascending; may be empty
  std::vector<TensorStatistics> tensors;  // by first level: one entry for each

  std::string CanonicalManifest() const;
  // Those of the tensor that begins with `level`; null when there are none.
  const TensorStatistics* Find(const Level& level) const;
  friend bool operator==(const Statistics&, const Statistics&) = default;
};

// Puts the tensors in order. Requires: no two begin with the same level.
void Sort(Statistics& statistics);

Result<Statistics> ParseStatistics(std::string_view manifest);

// The blobs that statistics name, other than levels: for whoever stores them.
std::vector<Digest> VectorBlobs(const Statistics& statistics);

// Attaches statistics to the network that a tag or digest names. Their blobs must be in the store.
Status AttachStatistics(Catalog& catalog, std::string_view name, const Statistics& statistics);
// Those attached to it; of several, the one with the smallest digest. Nothing when there are none.
Result<std::optional<Statistics>> LoadStatistics(const Catalog& catalog, std::string_view name);

// The numbers of a blob that statistics name. kCorrupt unless it is `count` finite f32, none
// negative.
Result<std::vector<float>> LoadVector(const BlobStore& store, const Digest& blob,
                                      std::int64_t count);

}  // namespace ashlar
