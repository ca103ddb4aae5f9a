#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <utility>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json_cursor.h"
#include "ashlar/store/blob_store.h"
#include "ashlar/store/internal/lease_book.h"
#include "ashlar/store/internal/tag_check.h"
#include "ashlar/store/internal/tag_index.h"

// The layout, and what each write survives, is docs/formats/store.md. Two orders carry it all:
//
//   a file    temporary, write, fsync, rename, fsync of the folder it went to
//   locks     lease before index lock; neither is held while waiting for anything else
namespace ashlar {
namespace {

using internal::LeaseBook;
using internal::TagIndex;

constexpr std::string_view kLayoutVersion = "1.0.0";

// The store's own folder, beside what the OCI image layout defines.
constexpr std::string_view kOwnFolder = "ashlar";

struct Paths {
  explicit Paths(Path root) : root(std::move(root)) {}

  Path root;
  Path layout = root / "oci-layout";
  Path index = root / "index.json";
  Path blobs = root / "blobs" / "sha256";
  Path own = root / kOwnFolder;
  Path temporaries = own / "tmp";
  Path quarantine = own / "quarantine";
  Path lease = own / "lease.lock";
  Path index_lock = own / "index.lock";

  Path Blob(const Digest& digest) const { return blobs / digest.Hex(); }
};

// A number that no other process picks, as far as chance can promise: process ids will not do,
// since containers that share a store may have the same ones.
std::string RandomName() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

// What was read from the store itself is damaged, not somebody's wrong input.
Error AsCorrupt(Error error) {
  if (error.code == ErrorCode::kInvalid) {
    error.code = ErrorCode::kCorrupt;
  }
  return error;
}

class DiskStore final : public BlobStore {
 public:
  DiskStore(Paths paths, bool read_only, FileSystem& files)
      : paths_(std::move(paths)), read_only_(read_only), files_(files) {}

  // Makes the store when there is none, as far as `options` allow, and checks that this is one.
  Status Open(const DiskStoreOptions& options);

  Result<std::optional<std::uint64_t>> Stat(const Digest& digest) const override;
  Result<Blob> Get(const Digest& digest) const override;
  void DropCached(const Digest& digest, std::uint64_t offset, std::uint64_t length) const override {
    files_.DropCached(paths_.Blob(digest), offset, length);
  }
  Result<Digest> Put(std::span<const std::byte> bytes) override;
  Result<std::unique_ptr<BlobWriter>> NewBlob() override;
  Result<std::vector<BlobInfo>> List() const override;
  Result<Tags> ReadTags() const override;
  Status UpdateTags(const std::function<Status(Tags&)>& change) override;
  Result<std::vector<Root>> Roots() const override;
  Result<std::unique_ptr<Lease>> BeginWriting() override { return Begin(LockMode::kShared); }
  Result<std::unique_ptr<Lease>> BeginCollecting() override { return Begin(LockMode::kExclusive); }
  Status Remove(const Digest& digest) override;
  Status Quarantine(const Digest& digest) override;
  Result<std::uint64_t> SweepTemporaries(Sweep sweep) override;

 private:
  struct DiskLease final : Lease {
    DiskLease(std::unique_ptr<FileLock> lock, std::unique_ptr<LeaseBook::Entry> entry)
        : lock(std::move(lock)), entry(std::move(entry)) {}
    const std::unique_ptr<FileLock> lock;
    const std::unique_ptr<LeaseBook::Entry> entry;
  };
  class TemporaryFile;
  class Writer;

  Status CreateIfMissing();
  Status CheckThatNothingElseIsHere() const;
  // Makes the folders that we write to, once: a layout that another tool made may lack them.
  Status MakeFolders();
  Status CheckLayout() const;
  Result<TagIndex> ReadIndex() const;
  Result<std::unique_ptr<Lease>> Begin(LockMode mode);
  // Replaces `path` by `text`, durably.
  Status WriteWhole(const Path& path, std::string_view text);
  // Whether the blob is here with its size. If so it is durable now: whoever wrote it may have
  // died, or may be about to, between its rename and its fsync of the folder.
  Result<bool> HasDurably(const Digest& digest, std::uint64_t size);
  // Moves a finished temporary file to where readers see it.
  Status Publish(TemporaryFile& file, const Path& to);
  // The error of a write, with what a person needs to mend it.
  Error Explain(const Error& error) const;

  const Paths paths_;
  const bool read_only_;
  FileSystem& files_;
  LeaseBook leases_;
  const std::string temporary_prefix_ = RandomName();
  std::atomic<std::uint64_t> next_temporary_ = 0;
  std::atomic<bool> folders_are_durable_ = false;
};

// A file that nobody sees. It is removed when it goes, unless it was published.
class DiskStore::TemporaryFile {
 public:
  static Result<TemporaryFile> Create(DiskStore& store) {
    const Path path = store.paths_.temporaries /
                      fmt::format("{}-{}", store.temporary_prefix_, store.next_temporary_++);
    ASHLAR_TRY(std::unique_ptr<WritableFile> file, store.files_.Create(path));
    return TemporaryFile(store.files_, path, std::move(file));
  }
  TemporaryFile(TemporaryFile&& other) noexcept = default;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (file_ != nullptr) {
      file_.reset();
      // What cannot be removed now is swept by the next gc.
      static_cast<void>(files_.Remove(path_));
    }
  }

  Status Write(std::span<const std::byte> bytes) { return file_->Write(bytes); }
  Status Sync() { return file_->Sync(); }
  const Path& path() const { return path_; }
  void Forget() { file_.reset(); }  // it has another name now

 private:
  TemporaryFile(FileSystem& files, Path path, std::unique_ptr<WritableFile> file)
      : files_(files), path_(std::move(path)), file_(std::move(file)) {}

  FileSystem& files_;
  Path path_;
  std::unique_ptr<WritableFile> file_;  // null once it is published
};

class DiskStore::Writer final : public BlobWriter {
 public:
  Writer(DiskStore& store, std::unique_ptr<Lease> lease, TemporaryFile file)
      : store_(store), lease_(std::move(lease)), file_(std::move(file)) {}

  Status Write(std::span<const std::byte> bytes) override {
    ASHLAR_TRY(CheckOpen());
    hasher_.Update(bytes);
    if (Status written = file_->Write(bytes); !written.ok()) {
      return Fail(written.error());
    }
    size_ += bytes.size();
    return {};
  }

  Result<Digest> Commit() override {
    ASHLAR_TRY(CheckOpen());
    const Digest digest = hasher_.Finish();
    Result<bool> present = store_.HasDurably(digest, size_);
    if (!present.ok()) {
      return Fail(present.error());
    }
    if (!*present) {
      if (Status published = store_.Publish(*file_, store_.paths_.Blob(digest)); !published.ok()) {
        return Fail(published.error());
      }
    }
    file_.reset();
    return digest;
  }

 private:
  Status CheckOpen() const {
    if (failure_) {
      return *failure_;
    }
    CHECK(file_.has_value());  // Commit is called once
    return {};
  }
  // Gives the space back at once: on a full disk it is needed.
  Error Fail(const Error& error) {
    failure_ = store_.Explain(error).In(fmt::format("after {} bytes of a new blob", size_));
    file_.reset();
    return *failure_;
  }

  DiskStore& store_;
  const std::unique_ptr<Lease> lease_;
  std::optional<TemporaryFile> file_;  // nothing once committed or failed
  std::optional<Error> failure_;
  Hasher hasher_;
  std::uint64_t size_ = 0;
};

// ---- Opening

Status DiskStore::Open(const DiskStoreOptions& options) {
  ASHLAR_TRY(const auto root, files_.Stat(paths_.root));
  if (root && !root->is_directory) {
    return Invalid("{} is a file; a store is a directory", paths_.root.string());
  }
  ASHLAR_TRY(const auto layout, files_.Stat(paths_.layout));
  if (!layout) {
    if (root) {
      ASHLAR_TRY(CheckThatNothingElseIsHere());
    }
    if (read_only_ || !options.create) {
      return NotFound("there is no store at {}", paths_.root.string());
    }
    if (Status created = CreateIfMissing(); !created.ok()) {
      return Explain(created.error()).In("cannot make a store");
    }
  }
  ASHLAR_TRY(CheckLayout());
  ASHLAR_TRY(ReadIndex());
  return {};
}

// What a store that is being made, or whose making was interrupted, can look like.
Status DiskStore::CheckThatNothingElseIsHere() const {
  ASHLAR_TRY(const std::vector<DirectoryEntry> entries, files_.List(paths_.root));
  const auto made_by_us = [](const DirectoryEntry& entry) {
    // (oci-layout: another process has made it meanwhile.)
    return entry.name == kOwnFolder || entry.name == "blobs" || entry.name == "index.json" ||
           entry.name == "oci-layout";
  };
  const bool begun =
      std::ranges::any_of(entries, [](const auto& entry) { return entry.name == kOwnFolder; });
  const auto foreign = begun ? std::ranges::find_if_not(entries, made_by_us) : entries.begin();
  if (foreign != entries.end()) {
    return Invalid(
        "{} is no store: it has no oci-layout, and holds other things, such as {}; name a store, "
        "or a directory that is empty or does not exist yet",
        paths_.root.string(), QuoteForError(foreign->name));
  }
  return {};
}

// oci-layout comes last: a directory without it is no store yet, and one with it is whole.
Status DiskStore::CreateIfMissing() {
  // The folders on the way down must survive too, each in the one above it. One that is there
  // already may have been made by somebody who died before syncing it; but what lies above it need
  // not be ours to open.
  struct Parent {
    Path path;
    bool gains;
  };
  std::vector<Parent> parents;
  for (Path path = std::filesystem::absolute(paths_.root).lexically_normal();
       path.has_relative_path(); path = path.parent_path()) {
    ASHLAR_TRY(const auto found, files_.Stat(path));
    parents.push_back({.path = path.parent_path(), .gains = !found.has_value()});
  }
  ASHLAR_TRY(MakeFolders());
  // Two processes may be making it at once: the second finds it made.
  ASHLAR_TRY(const auto lease, files_.Lock(paths_.lease, LockMode::kShared, /*wait=*/true));
  ASHLAR_TRY(const auto lock, files_.Lock(paths_.index_lock, LockMode::kExclusive, /*wait=*/true));
  ASHLAR_TRY(const auto layout, files_.Stat(paths_.layout));
  if (layout) {
    return {};
  }
  ASHLAR_TRY(const auto index, files_.Stat(paths_.index));
  if (!index) {
    ASHLAR_TRY(WriteWhole(paths_.index, TagIndex::Empty().ToText()));
  }
  for (const Parent& parent : parents) {
    Status synced = files_.SyncDirectory(parent.path);
    if (!synced.ok() && parent.gains) {
      return synced;
    }
  }
  return WriteWhole(paths_.layout,
                    CanonicalJson(Json::Of({{"imageLayoutVersion", kLayoutVersion}})));
}

Status DiskStore::MakeFolders() {
  if (folders_are_durable_) {
    return {};
  }
  for (const Path& folder : {paths_.temporaries, paths_.blobs}) {
    ASHLAR_TRY(files_.CreateDirectories(folder));
  }
  // Also when they were there: whoever made them may have died before this.
  for (const Path& folder : {paths_.own, paths_.blobs.parent_path(), paths_.root}) {
    ASHLAR_TRY(files_.SyncDirectory(folder));
  }
  folders_are_durable_ = true;
  return {};
}

Status DiskStore::CheckLayout() const {
  const auto check = [&]() -> Status {
    ASHLAR_TRY(const MappedFile file, files_.Map(paths_.layout));
    const FaultGuard guard(file.bytes());  // zeros are no JSON
    ASHLAR_TRY(const Json json, ParseJson(AsText(file.bytes())));
    ASHLAR_TRY(const std::string version, JsonCursor(json).String("imageLayoutVersion"));
    if (version != kLayoutVersion) {
      return Unsupported(
          "its imageLayoutVersion is {}, and this version of ashlar reads {} only; a newer one may "
          "read it",
          QuoteForError(version), kLayoutVersion);
    }
    return {};
  };
  if (Status checked = check(); !checked.ok()) {
    return AsCorrupt(checked.error()).In(paths_.layout.string());
  }
  return {};
}

// ---- Blobs

Result<std::optional<std::uint64_t>> DiskStore::Stat(const Digest& digest) const {
  ASHLAR_TRY(const auto entry, files_.Stat(paths_.Blob(digest)));
  if (!entry || entry->is_directory) {
    return std::optional<std::uint64_t>();
  }
  return std::optional<std::uint64_t>(entry->size);
}

Result<Blob> DiskStore::Get(const Digest& digest) const {
  Result<MappedFile> mapped = files_.Map(paths_.Blob(digest));
  if (!mapped.ok()) {
    if (mapped.error().code == ErrorCode::kNotFound) {
      return NotFound("the store at {} has no blob {}", paths_.root.string(), digest.ToString());
    }
    return std::move(mapped).error();
  }
  return Blob(std::make_shared<const MappedFile>(*std::move(mapped)));
}

Result<Digest> DiskStore::Put(std::span<const std::byte> bytes) {
  ASHLAR_TRY(const auto lease, BeginWriting());
  const Digest digest = Sha256(bytes);
  const auto write = [&]() -> Status {
    ASHLAR_TRY(const bool present, HasDurably(digest, bytes.size()));
    if (present) {
      return {};
    }
    ASHLAR_TRY(TemporaryFile file, TemporaryFile::Create(*this));
    ASHLAR_TRY(file.Write(bytes));
    return Publish(file, paths_.Blob(digest));
  };
  if (Status written = write(); !written.ok()) {
    return Explain(written.error()).In(fmt::format("writing a blob of {} bytes", bytes.size()));
  }
  return digest;
}

Result<std::unique_ptr<BlobWriter>> DiskStore::NewBlob() {
  ASHLAR_TRY(std::unique_ptr<Lease> lease, BeginWriting());
  Result<TemporaryFile> file = TemporaryFile::Create(*this);
  if (!file.ok()) {
    return Explain(file.error());
  }
  return std::make_unique<Writer>(*this, std::move(lease), *std::move(file));
}

Result<bool> DiskStore::HasDurably(const Digest& digest, std::uint64_t size) {
  ASHLAR_TRY(const std::optional<std::uint64_t> found, Stat(digest));
  if (found != size) {
    return false;  // absent, or cut short by something other than us: to be written again
  }
  ASHLAR_TRY(files_.SyncDirectory(paths_.blobs));
  return true;
}

Status DiskStore::Publish(TemporaryFile& file, const Path& to) {
  ASHLAR_TRY(file.Sync());
  ASHLAR_TRY(files_.Rename(file.path(), to));
  file.Forget();
  return files_.SyncDirectory(to.parent_path());
}

Status DiskStore::WriteWhole(const Path& path, std::string_view text) {
  ASHLAR_TRY(TemporaryFile file, TemporaryFile::Create(*this));
  ASHLAR_TRY(file.Write(AsBytes(text)));
  return Publish(file, path);
}

Result<std::vector<BlobInfo>> DiskStore::List() const {
  std::vector<BlobInfo> blobs;
  const Result<std::vector<DirectoryEntry>> entries = files_.List(paths_.blobs);
  if (!entries.ok()) {
    if (entries.error().code == ErrorCode::kNotFound) {
      return blobs;  // a layout that another tool made, and put nothing in
    }
    return entries.error();
  }
  for (const DirectoryEntry& entry : *entries) {
    // What is not named like a blob is none, and no business of ours.
    if (const Result<Digest> digest = Digest::ParseHex(entry.name);
        digest.ok() && !entry.is_directory) {
      blobs.push_back({.digest = *digest, .size = entry.size});
    }
  }
  return blobs;
}

// ---- Tags

Result<TagIndex> DiskStore::ReadIndex() const {
  const auto read = [&]() -> Result<TagIndex> {
    ASHLAR_TRY(const MappedFile file, files_.Map(paths_.index));
    const FaultGuard guard(file.bytes());  // zeros are no JSON
    return TagIndex::Parse(AsText(file.bytes()));
  };
  Result<TagIndex> index = read();
  if (index.ok()) {
    return index;
  }
  Error error = AsCorrupt(index.error());
  if (error.code == ErrorCode::kNotFound) {
    error.code = ErrorCode::kCorrupt;  // there is a store here, but its tags are gone
  }
  return error.In(paths_.index.string());
}

Result<Tags> DiskStore::ReadTags() const {
  ASHLAR_TRY(const TagIndex index, ReadIndex());
  return index.tags();
}

Result<std::vector<Root>> DiskStore::Roots() const {
  ASHLAR_TRY(const TagIndex index, ReadIndex());
  return index.roots();
}

Status DiskStore::UpdateTags(const std::function<Status(Tags&)>& change) {
  ASHLAR_TRY(const auto lease, BeginWriting());
  Result<std::unique_ptr<FileLock>> lock =
      files_.Lock(paths_.index_lock, LockMode::kExclusive, /*wait=*/true);
  if (!lock.ok()) {
    return Explain(lock.error());
  }
  ASHLAR_TRY(TagIndex index, ReadIndex());
  const Tags before = index.tags();
  Tags after = before;
  ASHLAR_TRY(change(after));
  ASHLAR_TRY(internal::CheckNewTags(*this, before, after));
  ASHLAR_TRY(index.Replace(after));
  const auto write = [&]() -> Status {
    // A tag must not outlive a blob that its writer found here, as in HasDurably.
    ASHLAR_TRY(files_.SyncDirectory(paths_.blobs));
    return before == after ? files_.SyncDirectory(paths_.root)
                           : WriteWhole(paths_.index, index.ToText());
  };
  if (Status written = write(); !written.ok()) {
    return Explain(written.error()).In("writing the tags");
  }
  return {};
}

// ---- Housekeeping

Result<std::unique_ptr<BlobStore::Lease>> DiskStore::Begin(LockMode mode) {
  if (read_only_) {
    return Invalid("the store at {} was opened read-only: open it for writing to change it",
                   paths_.root.string());
  }
  ASHLAR_TRY(leases_.CheckWait(mode));
  // Locks belong to the open file, so that threads wait for each other as processes do.
  const auto lock = [&]() -> Result<std::unique_ptr<FileLock>> {
    ASHLAR_TRY(MakeFolders());
    return files_.Lock(paths_.lease, mode, /*wait=*/true);
  };
  Result<std::unique_ptr<FileLock>> held = lock();
  if (!held.ok()) {
    return Explain(held.error());
  }
  return std::make_unique<DiskLease>(*std::move(held), leases_.Enter(mode));
}

Status DiskStore::Remove(const Digest& digest) {
  CHECK(leases_.collecting());
  // Not synced: garbage that comes back after a loss of power is whole, and still garbage.
  Status removed = files_.Remove(paths_.Blob(digest));
  if (!removed.ok() && removed.error().code != ErrorCode::kNotFound) {
    return Explain(removed.error());
  }
  return {};
}

Status DiskStore::Quarantine(const Digest& digest) {
  CHECK(leases_.collecting());
  const auto move = [&]() -> Status {
    ASHLAR_TRY(files_.CreateDirectories(paths_.quarantine));
    ASHLAR_TRY(files_.SyncDirectory(paths_.own));
    ASHLAR_TRY(files_.Rename(paths_.Blob(digest), paths_.quarantine / digest.Hex()));
    // The new name first: a loss of power between the two must not leave the blob nowhere.
    ASHLAR_TRY(files_.SyncDirectory(paths_.quarantine));
    return files_.SyncDirectory(paths_.blobs);
  };
  if (Status moved = move(); !moved.ok()) {
    return Explain(moved.error()).In("quarantining " + digest.ToString());
  }
  return {};
}

Result<std::uint64_t> DiskStore::SweepTemporaries(Sweep sweep) {
  // Whoever writes holds a shared lease, so under the exclusive one every file here is an orphan.
  CHECK(leases_.collecting());
  ASHLAR_TRY(const std::vector<DirectoryEntry> entries, files_.List(paths_.temporaries));
  if (sweep == Sweep::kRemove) {
    for (const DirectoryEntry& entry : entries) {
      if (Status removed = files_.Remove(paths_.temporaries / entry.name); !removed.ok()) {
        return Explain(removed.error());
      }
    }
  }
  return std::uint64_t{entries.size()};
}

Error DiskStore::Explain(const Error& error) const {
  if (error.code == ErrorCode::kExhausted) {
    std::error_code unknown;
    const std::filesystem::space_info space = std::filesystem::space(paths_.root, unknown);
    if (!unknown) {
      return Exhausted(
          "{}; {} of {} bytes are free on the disk of {}: free some, or collect garbage",
          error.message, space.available, space.capacity, paths_.root.string());
    }
  }
  if (error.code == ErrorCode::kIo) {
    return IoError(
        "{}; the store at {} must be writable for this: mend its permissions or its disk, "
        "or use it read-only",
        error.message, paths_.root.string());
  }
  return error;
}

}  // namespace

Result<std::unique_ptr<BlobStore>> OpenDiskStore(const Path& root, const DiskStoreOptions& options,
                                                 FileSystem& files) {
  auto store = std::make_unique<DiskStore>(Paths(root), options.read_only, files);
  ASHLAR_TRY(store->Open(options));
  return std::unique_ptr<BlobStore>(std::move(store));
}

}  // namespace ashlar
