// Writes a network as a GGUF file that llama.cpp loads, in the order and under the names that it
// expects (docs/formats/gguf.md).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/formats/gguf.h"
#include "ashlar/graph/network.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

struct GgufOptions {
  // What matrices are written in. Null: in the types that hold what is stored, to the bit.
  const GgufTensorType* type = nullptr;
  // The model_type that the network was imported as: its architecture goes before all others.
  std::string_view usual = {};
};

struct GgufReport {
  std::string architecture;  // "llama", "qwen2", ...
  std::uint64_t file_bytes = 0;
  int tensors = 0;
  std::vector<std::string> remarks;  // what llama.cpp will do otherwise, in a sentence each
};

// The type of that name, of those that numbers can be encoded in. kInvalid lists them.
Result<const GgufTensorType*> FindGgufExportType(std::string_view name);

// Writes `network` under the name `name`. Streams: a tensor's blob is mapped while it is written,
// and little more is held. The file is there whole, or not at all. kUnsupported says what stands
// between the network and the nearest architecture of GGUF. A block that several nodes use is
// written once for each; a slice is written without what it leaves out. Requires: validated.
Result<GgufReport> ExportGguf(
    const Network& network, std::string_view name, const BlobStore& store, const Path& path,
    const GgufOptions& options = {},
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = nullptr);

}  // namespace ashlar
