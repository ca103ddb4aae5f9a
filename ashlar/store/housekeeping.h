// What keeps a store healthy: which blobs are reached, what is garbage, what is damaged, and why a
// blob is there. All follow OCI descriptors from the tags (and from the entries of index.json that
// are no tags: BlobStore::Roots), and from a blob to its referrers: manifests whose `subject` it
// is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ashlar/store/blob_store.h"

namespace ashlar {

// Every blob that is reached from a root, itself included, each once; size by digest. Damage is
// reported here, not as an error, so that what one root misses keeps nothing from the others.
// Referrers in reach count too: finding them looks at every small blob of the store, once for all
// roots.
struct Reach {
  std::map<Digest, std::uint64_t> blobs;
  std::vector<Descriptor> missing;
  std::vector<Error> unreadable;  // manifests that cannot be parsed: what they reach is unknown
};
// One for each root, in their order.
Result<std::vector<Reach>> ReachFrom(const BlobStore& store, std::span<const Descriptor> roots);

// The manifests and indexes in the store whose `subject` is this blob, by digest; their
// descriptors have the artifact type. Looks at every small blob.
Result<std::vector<Descriptor>> Referrers(const BlobStore& store, const Digest& subject);

// ---- gc
struct GcReport {
  std::uint64_t kept_blobs = 0, kept_bytes = 0;
  std::vector<BlobInfo> removed;  // or, in a dry run, what would be
  std::uint64_t removed_bytes = 0;
  std::uint64_t removed_temporary_files = 0;
};
// Removes what no tag reaches, or says what it would remove. Both wait until nobody writes;
// kConflict when the calling thread itself does. kCorrupt, and nothing removed, when a reached
// manifest is missing or cannot be read: what it would keep is unknown. After an error midway all
// that is reached is still there.
enum class Gc { kDryRun, kRemove };
Result<GcReport> CollectGarbage(BlobStore& store, Gc mode);

// ---- fsck
struct Damage {
  Digest digest;
  std::string what;               // "bytes hash to sha256:...", "missing", "size 3, not 4", ...
  std::vector<std::string> tags;  // the tags (networks) that it hurts
  bool quarantined = false;
};
struct FsckReport {
  std::uint64_t blobs = 0, bytes = 0;
  std::vector<Damage> damage;             // by digest
  std::optional<Error> quarantine_error;  // why damaged blobs stand where they stood
};
struct FsckOptions {
  bool quarantine = true;
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress;
};
// Hashes every blob, parses every reached manifest, and checks each reference and size. Blobs whose
// bytes do not hash to their digest are quarantined (where the store can be written; this waits
// until nobody writes), so that the next import or pull stores them anew.
Result<FsckReport> CheckStore(BlobStore& store, const FsckOptions& options);

// ---- why
// A chain of references from a tag down to the blob, tag first.
struct Chain {
  std::string tag;
  std::vector<Descriptor> path;  // the tag's root first, the blob last
};
// Every distinct way in which tags reach `digest`, at most `limit`; empty when nothing does.
Result<std::vector<Chain>> WhyStored(const BlobStore& store, const Digest& digest,
                                     std::size_t limit = 1000);

}  // namespace ashlar
