// The OCI image specification's words that a store uses: media types, manifests, and the edges
// between blobs that they declare. The store knows nothing of networks: reachability, gc, fsck and
// why follow these edges only.
#pragma once

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
  std::optional<Descriptor> subject;               // what it is attached to (referrers)
  std::map<std::string, std::string> annotations;
};

struct OciIndex {
  std::string artifact_type;
  std::vector<Descriptor> manifests;
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;
};

// Canonical JSON (RFC 8785), so equal content has equal bytes. A manifest with no layers gets the
// specification's empty layer, whose blob ("{}") the caller stores: see kOciEmptyBlob.
std::string WriteOciManifest(const OciManifest& manifest);
std::string WriteOciIndex(const OciIndex& index);
inline constexpr std::string_view kOciEmptyBlob = "{}";

// kInvalid / kUnsupported with the JSON path of what is wrong.
Result<OciManifest> ParseOciManifest(std::string_view text);
Result<OciIndex> ParseOciIndex(std::string_view text);

// The descriptors that the blob behind `descriptor` refers to: empty unless it is a manifest or an
// index (by its media type).
Result<std::vector<Descriptor>> References(const BlobStore& store, const Descriptor& descriptor);

}  // namespace ashlar
