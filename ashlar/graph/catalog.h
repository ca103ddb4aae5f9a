// A Catalog keeps networks in a BlobStore: each block as an OCI manifest (config = the block's
// manifest, layers = its blobs), each network as an OCI index of those and of its own manifest
// (config = the network's manifest, layers = its files), and a tag as a name for that index.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/graph/network.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

inline constexpr std::string_view kBlockArtifact = "application/vnd.ashlar.block.v1+json";
inline constexpr std::string_view kOverlayArtifact = "application/vnd.ashlar.overlay.v1+json";
inline constexpr std::string_view kNetworkArtifact = "application/vnd.ashlar.network.v1+json";
inline constexpr std::string_view kTensorMediaType = "application/vnd.ashlar.tensor.v1";
inline constexpr std::string_view kFileMediaType = "application/vnd.ashlar.file.v1";
inline constexpr std::string_view kProvenanceAnnotation = "dev.ashlar.provenance";
inline constexpr std::string_view kParametersAnnotation = "dev.ashlar.parameters";
// For people who ask why a blob is stored: on a block's manifest, the first node that uses it; on a
// blob, the tensors that lie in it; on a file, its name (the annotation that OCI tools know).
inline constexpr std::string_view kNodeAnnotation = "dev.ashlar.node";
inline constexpr std::string_view kTensorsAnnotation = "dev.ashlar.tensors";
inline constexpr std::string_view kFileAnnotation = "org.opencontainers.image.title";

// How a network came to be; outside its identity. JSON array of steps, oldest first:
//   [{"transform":"import","arguments":{...}}, {"transform":"drop","arguments":{"layers":"3,4"},
//     "from":["sha256:..."]}]
using Provenance = Json;

struct NetworkInfo {
  std::string name;
  std::optional<Digest> digest;            // the network's
  std::optional<std::int64_t> parameters;  // as they were counted when it was saved
  std::uint64_t unique_bytes = 0;          // blobs in the store that only this tag reaches
  std::uint64_t shared_bytes = 0;          // blobs that it reaches and another tag reaches too
  // Why it cannot be used: a manifest or a blob that is missing or cannot be read. The fields above
  // then hold what could be found.
  std::optional<Error> damage;
};

// Whether a network that is saved may take its name from another one.
enum class Saving { kReplace, kNew };

// What a network may be called: a tag's name that cannot be taken for a digest. kInvalid otherwise.
Status CheckNetworkName(std::string_view name);

class Catalog {
 public:
  // Both must outlive the catalog.
  Catalog(BlobStore& store, const Kinds& kinds) : store_(store), kinds_(kinds) {}

  // By tag, or by "sha256:..." of a network that some tag names. The network is complete and
  // validated; only manifests were read, and each was hashed. kNotFound lists near names, and the
  // tags whose damage kept them from being compared with a digest.
  Result<Network> Load(std::string_view name) const;
  Result<Provenance> LoadProvenance(std::string_view name) const;

  // Validates the network, stores its manifests and tags it, replacing an older tag of that name
  // (which is no digest); kNew: kConflict when there is one, whoever made it meanwhile. The
  // weights' blobs and files must be in the store already (kInvalid names one that is not).
  // Requires: a writing lease is held.
  struct Saved {
    Digest digest;
    std::uint64_t added_bytes;  // manifests that the store did not have
  };
  Result<Saved> Save(const Network& network, std::string_view name, const Provenance& provenance,
                     Saving saving = Saving::kReplace);

  // ---- What is known of a network besides what it is: artifacts attached to it (OCI referrers of
  // its manifest), which gc keeps as long as the network.
  // Attaches `config` of that type over `layers`, which must be in the store. Requires: a writing
  // lease is held.
  Status Attach(std::string_view name, std::string_view artifact_type, std::string_view config,
                std::vector<Descriptor> layers);
  // The configs of those of that type, by digest of their manifests.
  Result<std::vector<std::string>> Attached(std::string_view name,
                                            std::string_view artifact_type) const;

  // Every tag that names a network, or what is damaged and may be one, in order.
  Result<std::vector<std::string>> Names() const;
  // The same with what they take. A network's damage is its own: the others are listed.
  Result<std::vector<NetworkInfo>> List() const;
  Status Tag(std::string_view existing, std::string_view name);
  // Removes the tags, all of them or, when one is not there, none (kNotFound names it); gc frees
  // what no other one reaches. Reads no manifest, so that a damaged network can be removed.
  Status Remove(const std::set<std::string>& names);

  BlobStore& store() const { return store_; }
  const Kinds& kinds() const { return kinds_; }

 private:
  // The descriptor of a network's index, by tag or digest.
  Result<Descriptor> Find(std::string_view name) const;
  // The descriptor of the network's own manifest, which its identity alone decides.
  Result<Descriptor> FindManifest(std::string_view name) const;

  BlobStore& store_;
  const Kinds& kinds_;
};

}  // namespace ashlar
