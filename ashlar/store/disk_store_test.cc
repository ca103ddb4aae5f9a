// What is particular to a store on disk: its layout, what it opens and what it refuses, read-only
// stores, and layouts that other tools made.
#include <set>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/store/internal/child_process.h"
#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

class DiskStore : public testing::Test {
 protected:
  std::unique_ptr<BlobStore> Open(const DiskStoreOptions& options = {}) {
    return Must(OpenDiskStore(root_, options));
  }
  Result<std::unique_ptr<BlobStore>> TryOpen(const DiskStoreOptions& options = {}) {
    return OpenDiskStore(root_, options);
  }
  Path BlobPath(const Digest& digest) const { return root_ / "blobs" / "sha256" / digest.Hex(); }
  // Every file of the store, with its content.
  std::map<std::string, std::string> Snapshot() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (entry.is_regular_file()) {
        files[entry.path().lexically_relative(root_).string()] = ReadAll(entry.path());
      }
    }
    return files;
  }

  TemporaryDirectory directory_;
  const Path root_ = directory_.path() / "store";
};

// ---- The layout

TEST_F(DiskStore, IsAnOciImageLayout) {
  const auto store = Open();
  const Descriptor root = PutManifest(*store, {"layer"});
  Must(SetTag(*store, "lab", root));
  EXPECT_EQ(ReadAll(root_ / "oci-layout"), R"({"imageLayoutVersion":"1.0.0"})");
  EXPECT_EQ(ReadAll(BlobPath(Sha256("layer"))), "layer");
  EXPECT_EQ(ReadAll(root_ / "index.json"),
            R"({
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": ")" +
                root.digest.ToString() +
                R"(",
      "size": )" +
                std::to_string(root.size) +
                R"(,
      "annotations": {
        "org.opencontainers.image.ref.name": "lab"
      }
    }
  ]
}
)");
}

TEST_F(DiskStore, KeepsBlobsAndTagsForWhoeverOpensItNext) {
  Descriptor root;
  {
    const auto store = Open();
    root = PutManifest(*store, {"layer"});
    Must(SetTag(*store, "lab", root));
  }
  const auto store = Open({.create = false});
  EXPECT_EQ(Must(store->ReadTags()), (Tags{{"lab", root}}));
  EXPECT_EQ(TextOf(*store, Sha256("layer")), "layer");
}

TEST_F(DiskStore, PutOfAnExistingBlobWritesNothing) {
  const auto store = Open();
  const Digest digest = Must(store->Put(AsBytes("stone")));
  struct stat before;
  ASSERT_EQ(stat(BlobPath(digest).c_str(), &before), 0);
  Must(store->Put(AsBytes("stone")));
  const auto writer = Must(store->NewBlob());
  Must(writer->Write(AsBytes("stone")));
  Must(writer->Commit());
  struct stat after;
  ASSERT_EQ(stat(BlobPath(digest).c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
}

TEST_F(DiskStore, PutMendsABlobThatWasCutShort) {
  const auto store = Open();
  const Digest digest = Must(store->Put(AsBytes("stone")));
  WriteAll(BlobPath(digest), "st");
  EXPECT_EQ(CodeOf(Verify(digest, Must(store->Get(digest)))), ErrorCode::kCorrupt);
  Must(store->Put(AsBytes("stone")));
  EXPECT_EQ(TextOf(*store, digest), "stone");
}

TEST_F(DiskStore, AnUpdateThatChangesNoTagDoesNotWriteTheIndex) {
  const auto store = Open();
  WriteAll(root_ / "index.json", R"({"manifests":[],"schemaVersion":2})");
  Must(store->UpdateTags([](Tags&) { return Status(); }));
  EXPECT_EQ(ReadAll(root_ / "index.json"), R"({"manifests":[],"schemaVersion":2})");
}

TEST_F(DiskStore, TwoObjectsOnOneDirectorySeeEachOthersWork) {
  const auto one = Open();
  const auto two = Open();
  const Descriptor root = PutText(*one, "stone");
  Must(SetTag(*one, "x", root));
  EXPECT_EQ(Must(two->ReadTags()), (Tags{{"x", root}}));
  EXPECT_EQ(TextOf(*two, root.digest), "stone");
}

TEST_F(DiskStore, QuarantineKeepsTheBytesForPeople) {
  const auto store = Open();
  const Digest digest = Must(store->Put(AsBytes("stone")));
  FlipBit(BlobPath(digest), 0);
  const auto lease = Must(store->BeginCollecting());
  Must(store->Quarantine(digest));
  EXPECT_EQ(ReadAll(root_ / "ashlar" / "quarantine" / digest.Hex()), "rtone");
}

TEST_F(DiskStore, FilesThatAreNotNamedLikeBlobsAreNone) {
  const auto store = Open();
  WriteAll(root_ / "blobs" / "sha256" / "README", "hello");
  std::filesystem::create_directory(BlobPath(Sha256("directory")));
  EXPECT_TRUE(Must(store->List()).empty());
  EXPECT_EQ(Must(store->Stat(Sha256("directory"))), std::nullopt);
  Must(CollectGarbage(*store, Gc::kRemove));
  EXPECT_EQ(ReadAll(root_ / "blobs" / "sha256" / "README"), "hello");
}

// ---- Opening

TEST_F(DiskStore, IsMadeInADirectoryThatIsEmptyOrMissing) {
  std::filesystem::create_directory(root_);
  Open();
  EXPECT_TRUE(Must(OpenDiskStore(root_ / "a" / "b"))->List().ok());
}

TEST_F(DiskStore, IsNotMadeWithoutLeave) {
  EXPECT_EQ(CodeOf(TryOpen({.create = false})), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(TryOpen({.read_only = true})), ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(root_));
}

TEST_F(DiskStore, IsNotMadeAmongOtherThings) {
  WriteAll(root_ / "thesis.tex", "years of work");
  const auto store = TryOpen();
  EXPECT_EQ(CodeOf(store), ErrorCode::kInvalid);
  EXPECT_NE(Failure(store).find("thesis.tex"), std::string::npos);
  EXPECT_EQ(Snapshot().size(), 1u);
}

TEST_F(DiskStore, IsNotMadeOverALayoutThatLostItsOciLayoutFile) {
  WriteAll(root_ / "index.json", R"({"schemaVersion":2,"manifests":[]})");
  EXPECT_EQ(CodeOf(TryOpen()), ErrorCode::kInvalid);
}

TEST_F(DiskStore, IsADirectory) {
  WriteAll(root_, "a file");
  EXPECT_EQ(CodeOf(TryOpen()), ErrorCode::kInvalid);
}

struct BadStore {
  const char* name;
  const char* file;
  const char* content;  // null: the file is missing
  ErrorCode code;
  const char* message;  // a part of it
};
void PrintTo(const BadStore& bad, std::ostream* out) {
  *out << bad.name;
}

class BadDiskStore : public DiskStore, public testing::WithParamInterface<BadStore> {};

TEST_P(BadDiskStore, IsRefusedWithTheFileNamed) {
  Must(Open()->Put(AsBytes("stone")));
  const Path file = root_ / GetParam().file;
  if (GetParam().content != nullptr) {
    WriteAll(file, GetParam().content);
  } else {
    std::filesystem::remove(file);
  }
  const auto before = Snapshot();
  for (const bool read_only : {false, true}) {
    const auto store = TryOpen({.read_only = read_only});
    EXPECT_EQ(CodeOf(store), GetParam().code);
    EXPECT_NE(Failure(store).find(GetParam().file), std::string::npos) << Failure(store);
    EXPECT_NE(Failure(store).find(GetParam().message), std::string::npos) << Failure(store);
  }
  EXPECT_EQ(Snapshot(), before) << "what is damaged must stay for whoever mends it";
}

INSTANTIATE_TEST_SUITE_P(
    , BadDiskStore,
    testing::Values(
        BadStore{"layout_empty", "oci-layout", "", ErrorCode::kCorrupt, "JSON"},
        BadStore{"layout_is_no_json", "oci-layout", "1.0.0", ErrorCode::kCorrupt, ""},
        BadStore{"layout_without_version", "oci-layout", "{}", ErrorCode::kCorrupt,
                 "imageLayoutVersion"},
        BadStore{"layout_version_is_a_number", "oci-layout", R"({"imageLayoutVersion":1})",
                 ErrorCode::kCorrupt, "expected a string"},
        BadStore{"layout_is_newer", "oci-layout", R"({"imageLayoutVersion":"2.0.0"})",
                 ErrorCode::kUnsupported, "2.0.0"},
        BadStore{"index_missing", "index.json", nullptr, ErrorCode::kCorrupt, ""},
        BadStore{"index_empty", "index.json", "", ErrorCode::kCorrupt, "JSON"},
        BadStore{"index_cut_short", "index.json", R"({"schemaVersion":2,"manif)",
                 ErrorCode::kCorrupt, ""},
        BadStore{"index_is_newer", "index.json", R"({"schemaVersion":3,"manifests":[]})",
                 ErrorCode::kUnsupported, "not 3"},
        BadStore{"index_digest_climbs_out", "index.json",
                 R"({"schemaVersion":2,"manifests":[{"mediaType":"a/b","digest":"sha256:../../x",)"
                 R"("size":1}]})",
                 ErrorCode::kCorrupt, "$.manifests[0].digest"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(DiskStore, AnIndexDamagedWhileTheStoreIsOpenIsAnErrorAndNotAnEmptyStore) {
  const auto store = Open();
  Must(SetTag(*store, "x", PutText(*store, "stone")));
  WriteAll(root_ / "index.json", "{");
  EXPECT_EQ(CodeOf(store->ReadTags()), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(store->UpdateTags([](Tags&) { return Status(); })), ErrorCode::kCorrupt);
  EXPECT_EQ(CodeOf(CollectGarbage(*store, Gc::kRemove)), ErrorCode::kCorrupt);
  EXPECT_EQ(TextOf(*store, Sha256("stone")), "stone");
}

// ---- Read-only

TEST_F(DiskStore, OpenedReadOnlyReadsEverythingAndWritesNothing) {
  const Descriptor root = [&] {
    const auto store = Open();
    const Descriptor made = PutManifest(*store, {"layer"});
    Must(SetTag(*store, "lab", made));
    return made;
  }();
  const auto before = Snapshot();
  const auto store = Open({.read_only = true});
  EXPECT_EQ(TextOf(*store, Sha256("layer")), "layer");
  EXPECT_EQ(Must(store->ReadTags()), (Tags{{"lab", root}}));
  EXPECT_TRUE(Must(CheckStore(*store, {})).damage.empty());
  EXPECT_EQ(Must(WhyStored(*store, Sha256("layer"))).size(), 1u);
  const std::string refusals[] = {
      Failure(store->Put(AsBytes("stone"))),        Failure(store->NewBlob()),
      Failure(SetTag(*store, "x", root)),           Failure(store->BeginWriting()),
      Failure(CollectGarbage(*store, Gc::kRemove)),
  };
  for (const std::string& refusal : refusals) {
    EXPECT_NE(refusal.find("was opened read-only"), std::string::npos) << refusal;
    EXPECT_NE(refusal.find("open it for writing"), std::string::npos) << refusal;
  }
  EXPECT_EQ(Snapshot(), before);
}

TEST_F(DiskStore, FsckOfADamagedReadOnlyStoreSaysWhatItCouldNotDo) {
  {
    const auto store = Open();
    FlipBit(BlobPath(Must(store->Put(AsBytes("stone")))), 3);
  }
  const auto store = Open({.read_only = true});
  const FsckReport report = Must(CheckStore(*store, {}));
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_FALSE(report.damage[0].quarantined);
  ASSERT_TRUE(report.quarantine_error.has_value());
  EXPECT_NE(report.quarantine_error->message.find("read-only"), std::string::npos);
}

// A directory that this user may not write to. Root may write everywhere, so a child steps down.
TEST_F(DiskStore, ADirectoryWithoutWritePermissionCanBeReadAndSaysSoWhenWritten) {
  Must(Open()->Put(AsBytes("stone")));
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
    std::filesystem::permissions(entry.path(),
                                 std::filesystem::perms(entry.is_directory() ? 0555 : 0444));
  }
  ChildProcess child([&](ChildProcess::Report& report) {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && setuid(kNobody) != 0) {
      report.Line("cannot step down");
      return;
    }
    const auto store = TryOpen();
    if (!store.ok() || TextOf(**store, Sha256("stone")) != "stone") {
      report.Line("cannot read: " + Failure(store));
      return;
    }
    for (const std::string& refusal :
         {Failure((*store)->Put(AsBytes("brick"))), Failure(CollectGarbage(**store, Gc::kRemove)),
          Failure((*store)->UpdateTags([](Tags&) { return Status(); }))}) {
      if (refusal.find("must be writable") == std::string::npos) {
        report.Line("unclear: " + refusal);
      }
    }
  });
  EXPECT_EQ(child.Wait(), std::vector<std::string>());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
    if (entry.is_directory()) {
      std::filesystem::permissions(entry.path(), std::filesystem::perms(0755));
    }
  }
}

// ---- Layouts that other tools made

TEST_F(DiskStore, ALayoutWithoutAnyFolderOfOursIsAStore) {
  WriteAll(root_ / "oci-layout", R"({ "imageLayoutVersion": "1.0.0" })");
  WriteAll(root_ / "index.json", R"({"schemaVersion":2,"manifests":[]})");
  EXPECT_TRUE(Must(Open({.read_only = true})->List()).empty());
  const auto store = Open({.create = false});
  EXPECT_TRUE(Must(store->List()).empty());
  Must(SetTag(*store, "x", PutText(*store, "stone")));
  EXPECT_EQ(TextOf(*store, Sha256("stone")), "stone");
}

TEST_F(DiskStore, GcKeepsWhatEntriesWithoutANameReach) {
  const auto store = Open();
  const Descriptor untagged = PutManifest(*store, {"layer"});
  WriteAll(root_ / "index.json",
           R"({"schemaVersion":2,"manifests":[)" + WriteJson(untagged.ToJson()) + "]}");
  PutText(*store, "garbage");
  EXPECT_EQ(Must(CollectGarbage(*store, Gc::kRemove)).removed.size(), 1u);
  EXPECT_EQ(TextOf(*store, Sha256("layer")), "layer");
  std::filesystem::remove(BlobPath(Sha256("layer")));
  const FsckReport report = Must(CheckStore(*store, {}));
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_EQ(report.damage[0].tags,
            std::vector<std::string>{"(untagged " + untagged.digest.Short() + ")"});
}

}  // namespace
}  // namespace ashlar
