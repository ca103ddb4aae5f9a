// Writes a network as a GGUF file that llama.cpp loads: the same numbers, to the bit, in the order
// and under the names that it expects (docs/formats/gguf.md).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/graph/network.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

struct GgufReport {
  std::string architecture;  // "llama", "qwen2", "qwen3"
  std::uint64_t file_bytes = 0;
  int tensors = 0;
  std::vector<std::string> remarks;  // what llama.cpp will do otherwise, in a sentence each
};

// Writes `network` under the name `name`. Streams: a tensor's blob is mapped while it is written,
// and little more is held. The file is there whole, or not at all. kUnsupported names the node and
// what of it GGUF cannot express: it holds plain chains of alike layers. A block that several nodes
// use is written once for each; a slice is written without what it leaves out.
// Requires: validated.
Result<GgufReport> ExportGguf(
    const Network& network, std::string_view name, const BlobStore& store, const Path& path,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = nullptr);

}  // namespace ashlar
