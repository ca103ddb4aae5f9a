// Imports a Hugging Face model directory: config.json, single or sharded safetensors with their
// index, generation_config.json and the tokenizer's files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/graph/catalog.h"

namespace ashlar {

struct ImportProgress {
  std::string_view tensor;  // being read
  std::uint64_t done_bytes;
  std::uint64_t total_bytes;
};

struct ImportReport {
  Digest network;
  std::int64_t parameters = 0;
  std::uint64_t source_bytes = 0;  // of all tensors read
  std::uint64_t added_bytes = 0;   // that the store did not have, manifests included
  std::uint64_t found_bytes =
      0;  // tensors that the store had: shared, or left by an earlier import
};

// Imports the model in `directory` and tags it `name`. Streams tensor by tensor: peak memory is
// bounded by the largest tensor, not by the model. Interrupted, it can be run again and goes on
// where it was; nothing is visible under `name` before all of it is durable. Errors name the file
// and the field or tensor: kInvalid (missing or contradicting), kUnsupported (an architecture, or
// a field that would change the result and is not honoured), kCorrupt (bytes that lie).
Result<ImportReport> ImportHuggingFace(
    const Path& directory, std::string_view name, Catalog& catalog,
    const std::function<void(const ImportProgress&)>& progress = nullptr);

}  // namespace ashlar
