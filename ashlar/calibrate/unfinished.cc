#include "ashlar/calibrate/unfinished.h"

#include <algorithm>
#include <set>

#include "ashlar/base/byte_reader.h"
#include "ashlar/store/oci.h"

namespace ashlar {
namespace {

constexpr std::string_view kTokensMediaType = "application/vnd.ashlar.tokens.v1";

Result<Descriptor> Describe(const BlobStore& store, const Digest& blob,
                            std::string_view media_type) {
  ASHLAR_TRY(const std::optional<std::uint64_t> size, store.Stat(blob));
  if (!size) {
    return Corrupt("blob {} of unfinished work is missing", blob.ToString());
  }
  return Descriptor{.media_type = std::string(media_type), .digest = blob, .size = *size};
}

// A blob as text that parse reads; hashed.
template <class Parse>
auto ParseBlob(const BlobStore& store, const Digest& digest, const Parse& parse)
    -> decltype(parse(std::string_view())) {
  ASHLAR_TRY(const Blob blob, store.Get(digest));
  const BlobGuard guard(digest, blob);
  ASHLAR_TRY(Verify(digest, blob));
  auto parsed = parse(AsText(blob.bytes()));
  ASHLAR_TRY(guard.CheckIntact());
  return parsed;
}

}  // namespace

std::string UnfinishedTag(std::string_view name) {
  return "unfinished/" + std::string(name);
}

Status KeepUnfinished(BlobStore& store, std::string_view name, const Unfinished& unfinished) {
  OciManifest manifest{.artifact_type = std::string(kUnfinishedArtifact)};
  const std::string config = unfinished.done.CanonicalManifest();
  ASHLAR_TRY(const Digest config_digest, store.Put(AsBytes(config)));
  manifest.config = {.media_type = std::string(kUnfinishedArtifact),
                     .digest = config_digest,
                     .size = config.size()};
  ASHLAR_TRY(Descriptor tokens, Describe(store, unfinished.tokens, kTokensMediaType));
  manifest.layers.push_back(std::move(tokens));
  std::set<Digest> blobs;
  for (const TensorStatistics& tensor : unfinished.done.tensors) {
    for (const Level& level : tensor.tensor.all_levels()) {
      blobs.insert(level.blob);
    }
  }
  for (const Digest& blob : VectorBlobs(unfinished.done)) {
    blobs.insert(blob);
  }
  for (const Digest& blob : blobs) {
    ASHLAR_TRY(Descriptor layer, Describe(store, blob, kTensorMediaType));
    manifest.layers.push_back(std::move(layer));
  }
  const std::string text = WriteOciManifest(manifest);
  ASHLAR_TRY(const Digest digest, store.Put(AsBytes(text)));
  return store.UpdateTags([&](Tags& tags) -> Status {
    tags.insert_or_assign(UnfinishedTag(name),
                          Descriptor{.media_type = std::string(kOciManifest),
                                     .digest = digest,
                                     .size = text.size(),
                                     .artifact_type = std::string(kUnfinishedArtifact)});
    return {};
  });
}

Result<std::optional<Unfinished>> FindUnfinished(const BlobStore& store, std::string_view name) {
  ASHLAR_TRY(const Tags tags, store.ReadTags());
  const auto tag = tags.find(UnfinishedTag(name));
  if (tag == tags.end() || tag->second.artifact_type != kUnfinishedArtifact) {
    return std::optional<Unfinished>();
  }
  const auto find = [&]() -> Result<Unfinished> {
    ASHLAR_TRY(const OciManifest manifest, ParseBlob(store, tag->second.digest, ParseOciManifest));
    Unfinished unfinished;
    ASHLAR_TRY(unfinished.done, ParseBlob(store, manifest.config.digest, ParseStatistics));
    const auto tokens =
        std::ranges::find(manifest.layers, kTokensMediaType, &Descriptor::media_type);
    if (tokens == manifest.layers.end()) {
      return Corrupt("it has no text");
    }
    unfinished.tokens = tokens->digest;
    return unfinished;
  };
  Result<Unfinished> found = find();
  if (!found.ok()) {
    Error error = found.error().In(UnfinishedTag(name));
    error.code = ErrorCode::kCorrupt;
    return error;
  }
  return std::optional<Unfinished>(*std::move(found));
}

Status ForgetUnfinished(BlobStore& store, std::string_view name) {
  return store.UpdateTags([&](Tags& tags) -> Status {
    tags.erase(UnfinishedTag(name));
    return {};
  });
}

Result<Digest> PutTokens(BlobStore& store, std::span<const std::int32_t> tokens) {
  return store.Put(std::as_bytes(tokens));
}

Result<std::vector<std::int32_t>> LoadTokens(const BlobStore& store, const Digest& blob,
                                             std::int64_t limit) {
  ASHLAR_TRY(const Blob found, store.Get(blob));
  const BlobGuard guard(blob, found);
  ByteReader reader(found.bytes());
  std::vector<std::int32_t> tokens(found.bytes().size() / sizeof(std::int32_t));
  for (std::int32_t& token : tokens) {
    ASHLAR_TRY(token, reader.Read<std::int32_t>("a token"));
    if (token < 0 || token >= limit) {
      return Corrupt("blob {} has token {}; the network's are 0 to {}", blob.ToString(), token,
                     limit - 1);
    }
  }
  ASHLAR_TRY(guard.CheckIntact());
  return tokens;
}

}  // namespace ashlar
