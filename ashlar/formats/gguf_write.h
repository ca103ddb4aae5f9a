// Writes GGUF files (gguf.h), tensor by tensor, without holding more of them than is handed over
// at once.
#pragma once

#include <functional>

#include "ashlar/base/file.h"
#include "ashlar/formats/gguf.h"

namespace ashlar {

// Takes the next bytes of a tensor.
using GgufSink = std::function<Status(std::span<const std::byte>)>;

struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> shape;  // outermost first: [outputs, inputs], or [n]
  const GgufTensorType* type;
  // Hands over the tensor's bytes, front to back: bytes() of them.
  std::function<Status(const GgufSink&)> write;

  std::uint64_t bytes() const;
};

struct GgufContent {
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
};

// What stands before the tensors' bytes.
std::vector<std::byte> GgufHeader(const GgufContent& content);

// Writes the whole file, atomically (a temporary file beside it, then rename), and returns its
// size. `progress` is told the bytes of tensors that are written, and of all; may be null.
Result<std::uint64_t> WriteGguf(
    const Path& path, const GgufContent& content,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = nullptr);

}  // namespace ashlar
