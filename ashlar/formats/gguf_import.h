// Imports a network from a GGUF file: metadata, tokenizer and tensors of every type of gguf.h.
#pragma once

#include "ashlar/formats/gguf_read.h"
#include "ashlar/formats/import.h"

namespace ashlar {

// Imports the network in the file (or in it and the other shards) and tags it `name`. Tensors keep
// their numbers, to the bit: each is packed in the codec that holds its type, so an export gives
// the same bytes back. As ImportHuggingFace in all else: streamed, whole or absent, run again to go
// on.
Result<ImportReport> ImportGguf(
    const Path& path, std::string_view name, Catalog& catalog,
    const std::function<void(const ImportProgress&)>& progress = nullptr);

// Whether a file that was opened describes a network whose every tensor is there: all that can be
// told without a store.
Status CheckGgufImport(const GgufFile& file, const Kinds& kinds);

}  // namespace ashlar
