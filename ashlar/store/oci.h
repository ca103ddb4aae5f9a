// The OCI image specification's words that a store uses: media types, manifests, and the edges
// between blobs that they declare. The store knows nothing of networks: reachability, gc, fsck and
// why follow these edges only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/store/blob_store.h"

namespace ashlar {

inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciEmpty = "application/vnd.oci.empty.v1+json";

struct OciManifest {
  std::string artifact_type;
  Descriptor config;
  std::vector<Descriptor> layers;
  std::optional<Descriptor> subject;  // what it is attached to (referrers)
  std::map<std::string, std::string> annotations;
};

struct OciIndex {
  std::string artifact_type;
  std::vector<Descriptor> manifests;
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;
};

// Canonical JSON (RFC 8785), so equal content has equal bytes. A manifest with no layers gets the
// specification's empty layer, whose blob the caller stores: see kOciEmptyBlob.
std::string WriteOciManifest(const OciManifest& manifest);
std::string WriteOciIndex(const OciIndex& index);
inline constexpr std::string_view kOciEmptyBlob = "{}";
Descriptor OciEmptyDescriptor();

// kInvalid / kUnsupported with the JSON path of what is wrong. Docker's media types for the same
// shapes are read too; members that are not ours are passed over. An empty layer is not hidden.
Result<OciManifest> ParseOciManifest(std::string_view text);
Result<OciIndex> ParseOciIndex(std::string_view text);

// Whether a blob of this media type has the shape of a manifest, or of an index.
bool IsOciManifestType(std::string_view media_type);
bool IsOciIndexType(std::string_view media_type);

// The descriptors that the blob behind `descriptor` refers to, config first: empty unless it is a
// manifest or an index (by its media type). A `subject` is not among them: it says what a manifest
// is about, and need not be here. kCorrupt when its bytes are not those that its digest names: what
// it says is not to be believed.
Result<std::vector<Descriptor>> References(const BlobStore& store, const Descriptor& descriptor);

}  // namespace ashlar
