// Writes a network as a Hugging Face directory: config.json, safetensors (in shards with their
// index when they are many bytes), and the files that came with the network.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/graph/network.h"
#include "ashlar/store/blob_store.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {

struct HuggingFaceOptions {
  // Every number is written in this type. Without it each tensor keeps its own: f32, f16 or bf16,
  // and MXFP4 where a family has a stack of matrices; one in another codec is refused.
  std::optional<DType> dtype = {};
  // A shard has no more bytes of tensors than this, unless one tensor has.
  std::uint64_t shard_bytes = 5'000'000'000;
  // The model_type to write. Empty: `usual`, if the network is of that family, else the first one,
  // in the order of the list, that it is of.
  std::string_view family = {};
  std::string_view usual = {};
};

// The family that a network was imported as, by its provenance; empty when that does not say.
std::string ImportedFamily(const Provenance& provenance);

struct HuggingFaceReport {
  std::string model_type;
  std::uint64_t tensor_bytes = 0;
  int tensors = 0;
  int shards = 0;
  // Why an import would give another digest, and what other programs cannot read; a sentence each.
  std::vector<std::string> remarks;
};

// kInvalid when something stands at `directory` that is no empty directory: it would be replaced.
Status CheckExportDirectory(const Path& directory);

// Writes `network` into `directory`, which must not be there yet, or be empty: it is there whole,
// or not at all. An import of it gives the same network, to the digest, unless a remark says why
// not. Streams: memory is bounded by a few times the largest tensor. kUnsupported when no family
// has a network like this one, with what stands in the way of the nearest.
// Requires: validated.
Result<HuggingFaceReport> ExportHuggingFace(
    const Network& network, const BlobStore& store, const Path& directory,
    const HuggingFaceOptions& options = {},
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = nullptr);

}  // namespace ashlar
