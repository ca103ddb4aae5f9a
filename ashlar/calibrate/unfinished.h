// What a long run has finished so far, kept in the store so that another run goes on from there
// after a crash: a tagged artifact, so that gc keeps the blobs that it names. Its config is
// statistics of the tensors that are done, its layers their levels and the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/graph/statistics.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

inline constexpr std::string_view kUnfinishedArtifact = "application/vnd.ashlar.unfinished.v1+json";

// The tag under which the unfinished network `name` is kept: "unfinished/NAME".
std::string UnfinishedTag(std::string_view name);

struct Unfinished {
  Statistics done;
  Digest tokens;  // a blob, i32: the calibration's
};

// Keeps it in place of what was kept under that name. Requires: a writing lease; the blobs are in
// the store.
Status KeepUnfinished(BlobStore& store, std::string_view name, const Unfinished& unfinished);
// Nothing when there is none. kCorrupt when what is there cannot be read.
Result<std::optional<Unfinished>> FindUnfinished(const BlobStore& store, std::string_view name);
// Fine when there is none.
Status ForgetUnfinished(BlobStore& store, std::string_view name);

Result<Digest> PutTokens(BlobStore& store, std::span<const std::int32_t> tokens);
// kCorrupt unless the blob holds ids from 0 to below `limit`.
Result<std::vector<std::int32_t>> LoadTokens(const BlobStore& store, const Digest& blob,
                                             std::int64_t limit);

}  // namespace ashlar
