// A ReferenceGraph is what points to what in a store: from manifests and indexes to what they list,
// and from any blob to its referrers. It reads each manifest once. Confined.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

class ReferenceGraph {
 public:
  // Everything that is reached from somewhere, with all that is wrong about it.
  struct Walk {
    std::map<Digest, std::uint64_t> present;  // size by digest
    std::map<Digest, Descriptor> missing;
    std::map<Digest, Error> unreadable;           // manifests that do not parse
    std::map<Digest, std::uint64_t> wrong_sizes;  // present, but a reference gives this size
    std::map<Digest, std::set<Digest>> referred_by;
  };

  // Looks through the store for referrers. `store` must outlive the graph.
  static Result<ReferenceGraph> Scan(const BlobStore& store);

  // The manifests whose subject is the blob, by digest.
  std::vector<Descriptor> ReferrersOf(const Digest& blob) const;

  // Walks from `roots`. What lies below the blobs in `opaque` is left out.
  Result<Walk> WalkFrom(const std::vector<Descriptor>& roots, const std::set<Digest>& opaque = {});

  struct Edges {
    std::vector<Descriptor> to;
    std::optional<Error> unreadable;
  };
  // Requires: the store has the blob. Valid while the graph lives.
  Result<const Edges*> From(const Descriptor& descriptor);

 private:
  // The same bytes may be listed as a manifest in one place and as a plain file in another.
  enum class Shape { kPlain, kManifest, kIndex };
  using Node = std::pair<Digest, Shape>;

  explicit ReferenceGraph(const BlobStore& store) : store_(&store) {}
  static Node NodeOf(const Descriptor& descriptor);

  const BlobStore* store_;
  std::map<Digest, std::vector<Descriptor>> referrers_;
  std::map<Node, Edges> edges_;
};

}  // namespace ashlar::internal
