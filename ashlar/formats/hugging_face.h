// Imports a Hugging Face model directory: config.json, single or sharded safetensors with their
// index, generation_config.json and the tokenizer's files.
#pragma once

#include "ashlar/formats/import.h"

namespace ashlar {

// Imports the model in `directory` and tags it `name`. Streams tensor by tensor: peak memory is
// bounded by the largest tensor, not by the model. Interrupted, it can be run again and goes on
// where it was; nothing is visible under `name` before all of it is durable. Errors name the file
// and the field or tensor: kInvalid (missing or contradicting), kUnsupported (an architecture, or
// a field that would change the result and is not honoured), kCorrupt (bytes that lie).
Result<ImportReport> ImportHuggingFace(
    const Path& directory, std::string_view name, Catalog& catalog,
    const std::function<void(const ImportProgress&)>& progress = nullptr);

}  // namespace ashlar
