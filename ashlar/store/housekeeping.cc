#include "ashlar/store/housekeeping.h"

#include <algorithm>
#include <set>
#include <utility>

#include "ashlar/store/internal/reference_graph.h"
#include "ashlar/store/oci.h"

namespace ashlar {
namespace {

using internal::ReferenceGraph;

std::vector<Descriptor> DescriptorsOf(const std::vector<Root>& roots) {
  std::vector<Descriptor> descriptors;
  descriptors.reserve(roots.size());
  for (const Root& root : roots) {
    descriptors.push_back(root.descriptor);
  }
  return descriptors;
}

bool HasReferences(const Descriptor& descriptor) {
  return IsOciManifestType(descriptor.media_type) || IsOciIndexType(descriptor.media_type);
}

}  // namespace

Result<std::vector<Descriptor>> Referrers(const BlobStore& store, const Digest& subject) {
  ASHLAR_TRY(const ReferenceGraph graph, ReferenceGraph::Scan(store));
  return graph.ReferrersOf(subject);
}

Result<std::vector<Reach>> ReachFrom(const BlobStore& store, std::span<const Descriptor> roots) {
  ASHLAR_TRY(ReferenceGraph graph, ReferenceGraph::Scan(store));
  std::vector<Reach> reaches;
  for (const Descriptor& root : roots) {
    ASHLAR_TRY(ReferenceGraph::Walk walk, graph.WalkFrom({root}));
    Reach& reach = reaches.emplace_back(Reach{.blobs = std::move(walk.present)});
    for (auto& [digest, descriptor] : walk.missing) {
      reach.missing.push_back(std::move(descriptor));
    }
    for (auto& [digest, error] : walk.unreadable) {
      reach.unreadable.push_back(std::move(error));
    }
  }
  return reaches;
}

// ---- gc

Result<GcReport> CollectGarbage(BlobStore& store, Gc mode) {
  ASHLAR_TRY(const auto lease, store.BeginCollecting());
  ASHLAR_TRY(const std::vector<Root> roots, store.Roots());
  ASHLAR_TRY(ReferenceGraph graph, ReferenceGraph::Scan(store));
  ASHLAR_TRY(const ReferenceGraph::Walk walk, graph.WalkFrom(DescriptorsOf(roots)));
  constexpr std::string_view kAdvice =
      "so it is unknown what it keeps, and nothing was removed; `fsck` names the tags that need it";
  if (!walk.unreadable.empty()) {
    return Corrupt("{}, {}", walk.unreadable.begin()->second.message, kAdvice);
  }
  for (const auto& [digest, descriptor] : walk.missing) {
    if (HasReferences(descriptor)) {
      return Corrupt("the manifest {} is missing, {}", digest.ToString(), kAdvice);
    }
  }

  GcReport report;
  ASHLAR_TRY(const std::vector<BlobInfo> blobs, store.List());
  for (const BlobInfo& blob : blobs) {
    if (walk.present.contains(blob.digest)) {
      ++report.kept_blobs;
      report.kept_bytes += blob.size;
      continue;
    }
    if (mode == Gc::kRemove) {
      ASHLAR_TRY(store.Remove(blob.digest));
    }
    report.removed.push_back(blob);
    report.removed_bytes += blob.size;
  }
  ASHLAR_TRY(report.removed_temporary_files,
             store.SweepTemporaries(mode == Gc::kRemove ? BlobStore::Sweep::kRemove
                                                        : BlobStore::Sweep::kCount));
  return report;
}

// ---- fsck

namespace {

// Hashes one blob in pieces, so that progress shows within it too.
class HashingPass {
 public:
  HashingPass(const FsckOptions& options, std::uint64_t total_bytes)
      : options_(options), total_bytes_(total_bytes) {}

  Digest Hash(std::span<const std::byte> bytes) {
    constexpr std::size_t kPieceBytes = 16u << 20;
    Hasher hasher;
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(kPieceBytes, bytes.size()));
      hasher.Update(piece);
      bytes = bytes.subspan(piece.size());
      done_bytes_ += piece.size();
      if (options_.progress) {
        options_.progress(done_bytes_, total_bytes_);
      }
    }
    return hasher.Finish();
  }

 private:
  const FsckOptions& options_;
  const std::uint64_t total_bytes_;
  std::uint64_t done_bytes_ = 0;
};

using DamageByDigest = std::map<Digest, Damage>;

// Every blob whose bytes are not those that its digest names.
Status HashEveryBlob(const BlobStore& store, const FsckOptions& options, FsckReport& report,
                     DamageByDigest& damage) {
  ASHLAR_TRY(const std::vector<BlobInfo> blobs, store.List());
  std::uint64_t total_bytes = 0;
  for (const BlobInfo& blob : blobs) {
    total_bytes += blob.size;
  }
  HashingPass pass(options, total_bytes);
  for (const BlobInfo& info : blobs) {
    const Result<Blob> blob = store.Get(info.digest);
    if (!blob.ok()) {
      if (blob.error().code == ErrorCode::kNotFound) {
        continue;  // collected since
      }
      return blob.error();
    }
    const FaultGuard guard(blob->bytes());  // zeros do not hash to the digest
    ++report.blobs;
    report.bytes += blob->bytes().size();
    if (const Digest actual = pass.Hash(blob->bytes()); actual != info.digest) {
      damage[info.digest] = {
          .digest = info.digest,
          .what = fmt::format("its {} bytes hash to {}", blob->bytes().size(), actual.ToString())};
    }
  }
  return {};
}

// What is wrong with the references from one root, added to `damage` under its name.
void AddDamage(const ReferenceGraph::Walk& walk, const std::string& root, DamageByDigest& damage) {
  const auto add = [&](const Digest& digest, std::string what) {
    Damage& found = damage[digest];
    if (found.what.empty()) {
      found.digest = digest;
      found.what = std::move(what);
    }
    if (found.tags.empty() || found.tags.back() != root) {
      found.tags.push_back(root);
    }
  };
  for (const auto& [digest, descriptor] : walk.missing) {
    add(digest, "missing");
  }
  for (const auto& [digest, error] : walk.unreadable) {
    add(digest, error.message);
  }
  for (const auto& [digest, claimed] : walk.wrong_sizes) {
    add(digest,
        fmt::format("has {} bytes, but a reference says {}", walk.present.at(digest), claimed));
  }
  for (const auto& [digest, found] : damage) {
    if (walk.present.contains(digest)) {
      add(digest, found.what);
    }
  }
}

Result<DamageByDigest> CheckReferences(const BlobStore& store, const DamageByDigest& unhashed) {
  std::set<Digest> opaque;  // what a damaged manifest says is not to be believed
  for (const auto& [digest, damage] : unhashed) {
    opaque.insert(digest);
  }
  // gc may remove what a tag reached when we read it, once that tag is gone: then look again.
  for (;;) {
    ASHLAR_TRY(const std::vector<Root> roots, store.Roots());
    ASHLAR_TRY(ReferenceGraph graph, ReferenceGraph::Scan(store));
    DamageByDigest damage = unhashed;
    for (const Root& root : roots) {
      ASHLAR_TRY(const ReferenceGraph::Walk walk, graph.WalkFrom({root.descriptor}, opaque));
      AddDamage(walk, root.Label(), damage);
    }
    ASHLAR_TRY(const std::vector<Root> roots_now, store.Roots());
    if (roots_now == roots) {
      return damage;
    }
  }
}

// Takes the blobs that do not hash to their digests away, and forgets those that were stored anew
// since they were hashed.
Status QuarantineDamaged(BlobStore& store, const DamageByDigest& unhashed, DamageByDigest& damage) {
  ASHLAR_TRY(const auto lease, store.BeginCollecting());
  for (const auto& [digest, found] : unhashed) {
    const Result<Blob> blob = store.Get(digest);
    if (blob.ok() && Verify(digest, *blob).ok()) {
      damage.erase(digest);
      continue;
    }
    ASHLAR_TRY(store.Quarantine(digest));
    damage.at(digest).quarantined = true;
  }
  return {};
}

}  // namespace

Result<FsckReport> CheckStore(BlobStore& store, const FsckOptions& options) {
  FsckReport report;
  DamageByDigest unhashed;
  ASHLAR_TRY(HashEveryBlob(store, options, report, unhashed));
  ASHLAR_TRY(DamageByDigest damage, CheckReferences(store, unhashed));
  if (options.quarantine && !unhashed.empty()) {
    if (Status moved = QuarantineDamaged(store, unhashed, damage); !moved.ok()) {
      report.quarantine_error = moved.error();
    }
  }
  for (auto& [digest, found] : damage) {
    report.damage.push_back(std::move(found));
  }
  return report;
}

// ---- why

namespace {

// Every path from a root down to `target`, depth first, without recursion: how deep manifests nest
// is up to whoever wrote them.
class PathFinder {
 public:
  PathFinder(ReferenceGraph& graph, const ReferenceGraph::Walk& walk, const Digest& target)
      : graph_(graph), walk_(walk), target_(target) {
    std::vector<Digest> waiting = {target};
    while (!waiting.empty()) {
      const Digest digest = waiting.back();
      waiting.pop_back();
      if (!leads_there_.insert(digest).second) {
        continue;
      }
      if (const auto above = walk.referred_by.find(digest); above != walk.referred_by.end()) {
        waiting.insert(waiting.end(), above->second.begin(), above->second.end());
      }
    }
  }

  // Appends to `chains` until there are `limit`.
  Status AddChains(const Root& root, std::size_t limit, std::vector<Chain>& chains) {
    if (!leads_there_.contains(root.descriptor.digest)) {
      return {};
    }
    std::vector<Step> steps;
    std::set<Digest> on_path;
    const auto enter = [&](const Descriptor& descriptor) -> Status {
      if (!leads_there_.contains(descriptor.digest) || !on_path.insert(descriptor.digest).second) {
        return {};
      }
      ASHLAR_TRY(std::vector<Descriptor> next, NextFrom(descriptor));
      steps.push_back({.descriptor = descriptor, .next = std::move(next)});
      if (descriptor.digest == target_) {
        Chain& chain = chains.emplace_back(Chain{.tag = root.Label()});
        for (const Step& step : steps) {
          chain.path.push_back(step.descriptor);
        }
      }
      return {};
    };
    ASHLAR_TRY(enter(root.descriptor));
    while (!steps.empty() && chains.size() < limit) {
      Step& step = steps.back();
      if (step.next.empty()) {
        on_path.erase(step.descriptor.digest);
        steps.pop_back();
        continue;
      }
      const Descriptor next = std::move(step.next.back());
      step.next.pop_back();
      ASHLAR_TRY(enter(next));
    }
    return {};
  }

 private:
  struct Step {
    Descriptor descriptor;
    std::vector<Descriptor> next;  // where to go from here, the last one first
  };

  // The different blobs that `descriptor` refers to, in reverse; none from the target itself.
  Result<std::vector<Descriptor>> NextFrom(const Descriptor& descriptor) {
    std::vector<Descriptor> next;
    if (descriptor.digest == target_ || !walk_.present.contains(descriptor.digest)) {
      return next;
    }
    ASHLAR_TRY(const ReferenceGraph::Edges* const edges, graph_.From(descriptor));
    std::set<Digest> seen;
    for (const Descriptor& to : edges->to) {
      if (seen.insert(to.digest).second) {
        next.push_back(to);
      }
    }
    std::ranges::reverse(next);
    return next;
  }

  ReferenceGraph& graph_;
  const ReferenceGraph::Walk& walk_;
  const Digest target_;
  std::set<Digest> leads_there_;
};

}  // namespace

Result<std::vector<Chain>> WhyStored(const BlobStore& store, const Digest& digest,
                                     std::size_t limit) {
  ASHLAR_TRY(const std::vector<Root> roots, store.Roots());
  ASHLAR_TRY(ReferenceGraph graph, ReferenceGraph::Scan(store));
  ASHLAR_TRY(const ReferenceGraph::Walk walk, graph.WalkFrom(DescriptorsOf(roots)));
  PathFinder finder(graph, walk, digest);
  std::vector<Chain> chains;
  for (const Root& root : roots) {
    if (chains.size() < limit) {
      ASHLAR_TRY(finder.AddChains(root, limit, chains));
    }
  }
  return chains;
}

}  // namespace ashlar
