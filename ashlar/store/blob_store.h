// A BlobStore maps a Digest to the bytes that it names, and tags to roots.
//
// Blobs are immutable: a digest names the same bytes in every store, for ever. Put is therefore
// idempotent, two writers of one blob cannot conflict, and there is no update. Tags are the only
// thing that changes: names (in index.json) for OCI descriptors. What no tag reaches is garbage.
// Thread-safe; several processes may use one store on disk.
//
// What survives what: once Put, BlobWriter::Commit or UpdateTags has returned, its effect survives
// a crash of the process, of the machine and loss of power. A crash before that leaves a store
// that opens, verifies, and has lost nothing that had been acknowledged.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/base/json.h"
#include "ashlar/base/mapped_fault.h"
#include "ashlar/store/digest.h"

namespace ashlar {

class JsonCursor;

// Bytes of a blob, pinned in memory while any copy of the handle lives (also when the blob is
// removed meanwhile). On disk they are mapped: shared with every process that reads the same store.
class Blob {
 public:
  Blob() = default;
  Blob(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}
  explicit Blob(std::shared_ptr<const MappedFile> file)
      : bytes_(file->bytes()), owner_(std::move(file)), mapped_(true) {}
  std::span<const std::byte> bytes() const { return bytes_; }

  // Takes the whole pages of memory in a part of it out of this process, if a file is mapped:
  // whoever touches them reads them again. On any thread, also while others read. Requires: the
  // part lies in it.
  void DropResident(std::uint64_t offset, std::uint64_t length) const;

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  bool mapped_ = false;
};

// A blob being written in pieces, so that it need not fit in memory. Without Commit it leaves
// nothing behind that a reader could see. Confined; holds a writing lease; must not outlive the
// store. After an error every further call gives that error again.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual Status Write(std::span<const std::byte> bytes) = 0;
  // The digest of what was written; it is durable now. Once.
  virtual Result<Digest> Commit() = 0;
};

// What a tag, a manifest or an index says of a blob (OCI image spec, "Content Descriptors").
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::string artifact_type;                       // may be empty
  std::map<std::string, std::string> annotations;  // may be empty

  Json ToJson() const;
  // kInvalid with the JSON path of what is wrong; kUnsupported for a digest that is not SHA-256.
  // Members that a Descriptor has no place for (urls, platform, data) are passed over.
  static Result<Descriptor> FromJson(const JsonCursor& json);
  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

struct BlobInfo {
  Digest digest;
  std::uint64_t size;
};

// Name -> descriptor. A name is 1 to 128 of [A-Za-z0-9._/:-], beginning with a letter or digit.
using Tags = std::map<std::string, Descriptor, std::less<>>;
Status CheckTagName(std::string_view name);

// An entry of the store's index: a tag, or what another tool wrote there. The latter is no tag of
// ours (it has no name, or one that CheckTagName refuses), but it is kept with all that it reaches.
struct Root {
  std::string name;  // may be empty
  Descriptor descriptor;

  // The name; for an entry without one, what an error can call it.
  std::string Label() const;
  friend bool operator==(const Root&, const Root&) = default;
};

class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // ---- Blobs
  // The size in bytes, or nothing when the store has no such blob.
  virtual Result<std::optional<std::uint64_t>> Stat(const Digest& digest) const = 0;
  // kNotFound when absent. Does not hash: see Verify.
  virtual Result<Blob> Get(const Digest& digest) const = 0;
  // Lets the system forget what it keeps in memory of a part of a blob, as far as nobody has it
  // mapped. Advice: see FileSystem::DropCached.
  virtual void DropCached(const Digest& /*digest*/, std::uint64_t /*offset*/,
                          std::uint64_t /*length*/) const {}
  // Stores `bytes` and returns their digest. Writes nothing when the store has them.
  virtual Result<Digest> Put(std::span<const std::byte> bytes) = 0;
  virtual Result<std::unique_ptr<BlobWriter>> NewBlob() = 0;
  virtual Result<std::vector<BlobInfo>> List() const = 0;

  // ---- Tags
  virtual Result<Tags> ReadTags() const = 0;
  // Reads, lets `change` edit, and replaces the tags as one atomic step against all other
  // processes; an error from `change` leaves them as they were. `change` may use the store, except
  // for this function. kNotFound when a new tag names a blob that the store lacks.
  virtual Status UpdateTags(const std::function<Status(Tags&)>& change) = 0;
  // All tags, and the entries that are none.
  virtual Result<std::vector<Root>> Roots() const = 0;

  // ---- Housekeeping
  // Whoever writes blobs that a tag will reach holds a shared lease from the first Stat or Put to
  // the tag, so that gc (exclusive) removes nothing under them. Waits for other threads and other
  // processes; kConflict where the calling thread would wait for itself. Released when it goes;
  // must not outlive the store. (Put, NewBlob and UpdateTags take a shared one for themselves.)
  class Lease {
   public:
    virtual ~Lease() = default;
  };
  virtual Result<std::unique_ptr<Lease>> BeginWriting() = 0;
  virtual Result<std::unique_ptr<Lease>> BeginCollecting() = 0;
  // Each of these requires that a collecting lease of this store is held.
  // Removes a blob; fine when it is gone already.
  virtual Status Remove(const Digest& digest) = 0;
  // Takes a damaged blob out of the reach of readers, and keeps its bytes aside for people.
  // kNotFound when absent.
  virtual Status Quarantine(const Digest& digest) = 0;
  // What writers that died have left half-written: how many files, and (kRemove) away with them.
  enum class Sweep { kCount, kRemove };
  virtual Result<std::uint64_t> SweepTemporaries(Sweep sweep) = 0;
};

// Watches over a blob whose bytes are read where they are mapped: what a file has lost that
// somebody cuts short reads as zeros (base/mapped_fault.h). Ask CheckIntact before what was made of
// the bytes is believed.
class BlobGuard {
 public:
  // A blob as Get gave it, which must outlive this.
  BlobGuard(const Digest& digest, const Blob& blob)
      : digest_(digest), size_(blob.bytes().size()), guard_(blob.bytes()) {}
  // kCorrupt when the blob has lost pages that were read since.
  Status CheckIntact() const;
  // Also when it has lost less than a page, which reads as zeros without a fault. For whoever is
  // about to keep what was made of the bytes: it asks the file system.
  Status CheckWhole(const BlobStore& store) const;

 private:
  Digest digest_;
  std::uint64_t size_;
  FaultGuard guard_;
};

// kCorrupt when the bytes do not hash to `digest`. (Guards them: zeros do not.)
Status Verify(const Digest& digest, const Blob& blob);

// A store in memory, for tests and for trying things.
std::unique_ptr<BlobStore> NewMemoryStore();

struct DiskStoreOptions {
  bool create = true;      // make the store when the directory is empty or missing
  bool read_only = false;  // never writes, not even a lock; then `create` means nothing
};
// A store in the OCI image layout at `root` (docs/formats/store.md). kNotFound when there is none
// and `create` is false; kInvalid when `root` is something else; kUnsupported when its layout is of
// another version; kCorrupt when it is damaged. `files` must outlive the store.
Result<std::unique_ptr<BlobStore>> OpenDiskStore(const Path& root,
                                                 const DiskStoreOptions& options = {},
                                                 FileSystem& files = RealFileSystem());

}  // namespace ashlar
