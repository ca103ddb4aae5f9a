#include "ashlar/store/internal/reference_graph.h"

#include <algorithm>

#include "ashlar/base/byte_reader.h"
#include "ashlar/store/oci.h"

namespace ashlar::internal {
namespace {

// Registries refuse larger manifests (OCI distribution specification, "Pushing Manifests").
constexpr std::uint64_t kMaxReferrerBytes = 4u << 20;

// The descriptor of `info`, and its subject, when its bytes are those of a manifest or an index
// that has one.
std::optional<std::pair<Descriptor, Digest>> AsReferrer(const BlobInfo& info,
                                                        std::string_view text) {
  if (!text.starts_with('{') || text.find("\"subject\"") == std::string_view::npos) {
    return std::nullopt;
  }
  Descriptor descriptor{.digest = info.digest, .size = info.size};
  if (Result<OciManifest> manifest = ParseOciManifest(text); manifest.ok() && manifest->subject) {
    descriptor.media_type = kOciManifest;
    descriptor.artifact_type = std::move(manifest->artifact_type);
    return std::pair(std::move(descriptor), manifest->subject->digest);
  }
  if (Result<OciIndex> index = ParseOciIndex(text); index.ok() && index->subject) {
    descriptor.media_type = kOciIndex;
    descriptor.artifact_type = std::move(index->artifact_type);
    return std::pair(std::move(descriptor), index->subject->digest);
  }
  return std::nullopt;
}

// Whether the error is about the bytes, not about the machine that reads them.
bool IsAboutContent(const Error& error) {
  return error.code == ErrorCode::kInvalid || error.code == ErrorCode::kUnsupported ||
         error.code == ErrorCode::kCorrupt;
}

}  // namespace

Result<ReferenceGraph> ReferenceGraph::Scan(const BlobStore& store) {
  ReferenceGraph graph(store);
  ASHLAR_TRY(const std::vector<BlobInfo> blobs, store.List());
  for (const BlobInfo& info : blobs) {
    if (info.size > kMaxReferrerBytes) {
      continue;
    }
    Result<Blob> blob = store.Get(info.digest);
    if (!blob.ok()) {
      if (blob.error().code == ErrorCode::kNotFound) {
        continue;  // collected since
      }
      return std::move(blob).error();
    }
    // Damage is the walk's to tell, if anything leads there: zeros are no referrer.
    const FaultGuard guard(blob->bytes());
    if (auto referrer = AsReferrer(info, AsText(blob->bytes()))) {
      graph.referrers_[referrer->second].push_back(std::move(referrer->first));
    }
  }
  return graph;
}

ReferenceGraph::Node ReferenceGraph::NodeOf(const Descriptor& descriptor) {
  const Shape shape = IsOciManifestType(descriptor.media_type) ? Shape::kManifest
                      : IsOciIndexType(descriptor.media_type)  ? Shape::kIndex
                                                               : Shape::kPlain;
  return {descriptor.digest, shape};
}

Result<const ReferenceGraph::Edges*> ReferenceGraph::From(const Descriptor& descriptor) {
  const Node node = NodeOf(descriptor);
  if (const auto known = edges_.find(node); known != edges_.end()) {
    return &known->second;
  }
  Edges edges;
  Result<std::vector<Descriptor>> references = References(*store_, descriptor);
  if (references.ok()) {
    edges.to = *std::move(references);
  } else if (IsAboutContent(references.error())) {
    edges.unreadable = references.error();
  } else {
    return std::move(references).error();
  }
  if (const auto referrers = referrers_.find(descriptor.digest); referrers != referrers_.end()) {
    edges.to.insert(edges.to.end(), referrers->second.begin(), referrers->second.end());
  }
  return &edges_.emplace(node, std::move(edges)).first->second;
}

std::vector<Descriptor> ReferenceGraph::ReferrersOf(const Digest& blob) const {
  const auto found = referrers_.find(blob);
  std::vector<Descriptor> referrers =
      found == referrers_.end() ? std::vector<Descriptor>() : found->second;
  std::ranges::sort(referrers, {}, &Descriptor::digest);
  return referrers;
}

Result<ReferenceGraph::Walk> ReferenceGraph::WalkFrom(const std::vector<Descriptor>& roots,
                                                      const std::set<Digest>& opaque) {
  Walk walk;
  std::set<Node> seen;
  std::vector<Descriptor> waiting = roots;
  while (!waiting.empty()) {
    const Descriptor descriptor = std::move(waiting.back());
    waiting.pop_back();
    ASHLAR_TRY(const std::optional<std::uint64_t> size, store_->Stat(descriptor.digest));
    if (!size) {
      walk.missing.emplace(descriptor.digest, descriptor);
      continue;
    }
    walk.present.emplace(descriptor.digest, *size);
    if (*size != descriptor.size) {
      walk.wrong_sizes.emplace(descriptor.digest, descriptor.size);
    }
    if (opaque.contains(descriptor.digest) || !seen.insert(NodeOf(descriptor)).second) {
      continue;
    }
    ASHLAR_TRY(const Edges* const edges, From(descriptor));
    if (edges->unreadable) {
      walk.unreadable.emplace(descriptor.digest, *edges->unreadable);
    }
    for (const Descriptor& to : edges->to) {
      walk.referred_by[to.digest].insert(descriptor.digest);
      waiting.push_back(to);
    }
  }
  return walk;
}

}  // namespace ashlar::internal
