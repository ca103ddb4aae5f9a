#include "ashlar/store/housekeeping.h"

#include <gtest/gtest.h>

#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

class Housekeeping : public testing::Test {
 protected:
  // The digests of these texts, as a set.
  static std::set<Digest> DigestsOf(const std::vector<std::string>& texts) {
    std::set<Digest> digests;
    for (const std::string& text : texts) {
      digests.insert(Sha256(text));
    }
    return digests;
  }
  static std::set<Digest> DigestsOf(const Reach& reach) {
    std::set<Digest> digests;
    for (const auto& [digest, size] : reach.blobs) {
      digests.insert(digest);
    }
    return digests;
  }
  std::set<Digest> Present() {
    std::set<Digest> digests;
    for (const BlobInfo& blob : Must(store_->List())) {
      digests.insert(blob.digest);
    }
    return digests;
  }
  // A manifest about `subject`, such as a signature: nothing refers to it.
  Descriptor PutReferrer(const Descriptor& subject, const std::string& layer) {
    OciManifest manifest{.config = PutText(*store_, kOciEmptyBlob, kOciEmpty),
                         .layers = {PutText(*store_, layer)},
                         .subject = subject};
    return PutText(*store_, WriteOciManifest(manifest), kOciManifest);
  }
  void Lose(const Digest& digest) {
    const auto lease = Must(store_->BeginCollecting());
    Must(store_->Remove(digest));
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
};

// ---- Reach

TEST_F(Housekeeping, AnIndexReachesItsManifestsAndTheirLayersEachOnce) {
  const Descriptor one = PutManifest(*store_, {"one", "shared"});
  const Descriptor two = PutManifest(*store_, {"two", "shared"});
  const Descriptor root = PutIndex(*store_, {one, two, one});
  PutText(*store_, "garbage");
  std::set<Digest> expected = DigestsOf({"one", "two", "shared", "{}"});
  expected.insert({one.digest, two.digest, root.digest});
  const Reach reach = ReachOf(*store_, root);
  EXPECT_EQ(DigestsOf(reach), expected);
  EXPECT_EQ(reach.blobs.at(Sha256("shared")), 6u);
  EXPECT_TRUE(reach.missing.empty());
}

TEST_F(Housekeeping, AMissingBlobIsReportedAndNotAnError) {
  const Descriptor root = PutManifest(*store_, {"one", "two"});
  Lose(Sha256("one"));
  const Reach reach = ReachOf(*store_, root);
  ASSERT_EQ(reach.missing.size(), 1u);
  EXPECT_EQ(reach.missing[0].digest, Sha256("one"));
  EXPECT_EQ(reach.missing[0].size, 3u);
}

TEST_F(Housekeeping, AReferrerIsReachedFromItsSubjectButNotTheOtherWayRound) {
  const Descriptor root = PutManifest(*store_, {"weights"});
  const Descriptor referrer = PutReferrer(root, "signature");
  const Descriptor second = PutReferrer(referrer, "signature of the signature");
  EXPECT_TRUE(DigestsOf(ReachOf(*store_, root)).contains(second.digest));
  EXPECT_FALSE(DigestsOf(ReachOf(*store_, referrer)).contains(root.digest));
}

TEST_F(Housekeeping, WhatIsWrongUnderOneRootKeepsNothingFromAnother) {
  const Descriptor whole = PutManifest(*store_, {"weights"});
  const Descriptor bad = PutIndex(*store_, {PutText(*store_, "weights", kOciManifest), whole});
  const Descriptor roots[] = {bad, whole};
  const std::vector<Reach> reaches = Must(ReachFrom(*store_, roots));
  ASSERT_EQ(reaches.size(), 2u);
  ASSERT_EQ(reaches[0].unreadable.size(), 1u);
  EXPECT_NE(reaches[0].unreadable[0].message.find(Sha256("weights").ToString()), std::string::npos);
  EXPECT_TRUE(reaches[0].blobs.contains(whole.digest));
  EXPECT_TRUE(reaches[1].unreadable.empty());
  EXPECT_EQ(reaches[1].blobs, ReachOf(*store_, whole).blobs);
}

// The same bytes, listed once as a plain file and once as what they are.
TEST_F(Housekeeping, AManifestThatIsAlsoAPlainFileIsStillFollowed) {
  Descriptor inner = PutManifest(*store_, {"weights"});
  Descriptor as_file = inner;
  as_file.media_type = "application/octet-stream";
  OciManifest outer{.config = PutText(*store_, "{}"), .layers = {as_file, inner}};
  const Descriptor root = PutText(*store_, WriteOciManifest(outer), kOciManifest);
  EXPECT_TRUE(DigestsOf(ReachOf(*store_, root)).contains(Sha256("weights")));
}

TEST_F(Housekeeping, ManifestsThatNestDeeplyAreFollowedToTheEnd) {
  Descriptor root = PutManifest(*store_, {"the end"});
  for (int depth = 0; depth < 5'000; ++depth) {
    root = PutIndex(*store_, {root});
  }
  Must(SetTag(*store_, "deep", root));
  EXPECT_TRUE(DigestsOf(ReachOf(*store_, root)).contains(Sha256("the end")));
  const std::vector<Chain> chains = Must(WhyStored(*store_, Sha256("the end")));
  ASSERT_EQ(chains.size(), 1u);
  EXPECT_EQ(chains[0].path.size(), 5'002u);
}

// ---- gc

TEST_F(Housekeeping, GcRemovesWhatNoTagReachesAndSaysHowMuch) {
  const Descriptor root = PutManifest(*store_, {"kept"});
  Must(SetTag(*store_, "lab", root));
  const std::set<Digest> kept = Present();
  const Descriptor garbage = PutManifest(*store_, {"garbage"});

  const GcReport planned = Must(CollectGarbage(*store_, Gc::kDryRun));
  EXPECT_EQ(Present().size(), kept.size() + 2) << "a dry run removes nothing";
  const GcReport done = Must(CollectGarbage(*store_, Gc::kRemove));
  EXPECT_EQ(Present(), kept);
  for (const GcReport& report : {planned, done}) {
    EXPECT_EQ(report.removed.size(), 2u);
    EXPECT_EQ(report.removed_bytes, garbage.size + 7);
    EXPECT_EQ(report.kept_blobs, kept.size());
    EXPECT_EQ(report.kept_bytes, root.size + 4 + 2);
  }
  EXPECT_TRUE(Must(CollectGarbage(*store_, Gc::kRemove)).removed.empty());
}

TEST_F(Housekeeping, GcKeepsTheReferrersOfWhatItKeepsAndNoOthers) {
  const Descriptor root = PutManifest(*store_, {"weights"});
  Must(SetTag(*store_, "lab", root));
  PutReferrer(root, "signature");
  PutReferrer(PutManifest(*store_, {"forgotten"}), "signature of the forgotten");
  Must(CollectGarbage(*store_, Gc::kRemove));
  EXPECT_TRUE(Present().contains(Sha256("signature")));
  EXPECT_FALSE(Present().contains(Sha256("forgotten")));
  EXPECT_FALSE(Present().contains(Sha256("signature of the forgotten")));
}

TEST_F(Housekeeping, GcRemovesNothingWhenItCannotKnowWhatAManifestKeeps) {
  const Descriptor inner = PutManifest(*store_, {"weights"});
  Must(SetTag(*store_, "lab", PutIndex(*store_, {inner})));
  PutText(*store_, "garbage");
  Lose(inner.digest);
  const std::set<Digest> before = Present();
  const auto refused = CollectGarbage(*store_, Gc::kRemove);
  EXPECT_EQ(CodeOf(refused), ErrorCode::kCorrupt);
  EXPECT_NE(Failure(refused).find(inner.digest.ToString()), std::string::npos);
  EXPECT_EQ(Present(), before);

  Must(RemoveTag(*store_, "lab"));
  Must(SetTag(*store_, "lies", PutText(*store_, "no manifest", kOciManifest)));
  EXPECT_EQ(CodeOf(CollectGarbage(*store_, Gc::kRemove)), ErrorCode::kCorrupt);
  EXPECT_TRUE(Present().contains(Sha256("garbage")));
}

TEST_F(Housekeeping, GcRunsThoughALayerIsMissing) {
  Must(SetTag(*store_, "lab", PutManifest(*store_, {"one", "two"})));
  Lose(Sha256("one"));
  EXPECT_EQ(Failure(CollectGarbage(*store_, Gc::kRemove)), "");
  EXPECT_TRUE(Present().contains(Sha256("two")));
}

// ---- fsck

TEST_F(Housekeeping, FsckOfASoundStoreFindsNothingAndCountsEverything) {
  Must(SetTag(*store_, "lab", PutManifest(*store_, {"one", "two"})));
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
  const FsckReport report = Must(CheckStore(*store_, {.progress = [&](auto done, auto total) {
    EXPECT_GE(done, done_bytes);
    done_bytes = done;
    total_bytes = total;
  }}));
  EXPECT_TRUE(report.damage.empty());
  EXPECT_EQ(report.blobs, 4u);
  EXPECT_EQ(done_bytes, report.bytes);
  EXPECT_EQ(total_bytes, report.bytes);
}

TEST_F(Housekeeping, FsckNamesAMissingBlobAndTheTagsThatItHurts) {
  const Descriptor shared = PutManifest(*store_, {"shared"});
  Must(SetTag(*store_, "a", PutIndex(*store_, {shared})));
  Must(SetTag(*store_, "b", PutIndex(*store_, {PutManifest(*store_, {"other"}), shared})));
  Must(SetTag(*store_, "c", PutManifest(*store_, {"other"})));
  Lose(Sha256("shared"));
  const FsckReport report = Must(CheckStore(*store_, {}));
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_EQ(report.damage[0].digest, Sha256("shared"));
  EXPECT_EQ(report.damage[0].what, "missing");
  EXPECT_EQ(report.damage[0].tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(report.damage[0].quarantined);
}

TEST_F(Housekeeping, FsckNamesAReferenceThatLiesAboutASize) {
  Descriptor layer = PutText(*store_, "layer");
  layer.size = 6;
  const OciManifest manifest{.config = PutText(*store_, "{}"), .layers = {layer}};
  Must(SetTag(*store_, "x", PutText(*store_, WriteOciManifest(manifest), kOciManifest)));
  const FsckReport report = Must(CheckStore(*store_, {}));
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_EQ(report.damage[0].what, "has 5 bytes, but a reference says 6");
  EXPECT_FALSE(report.damage[0].quarantined) << "its own bytes are sound";
}

TEST_F(Housekeeping, FsckNamesAManifestThatIsNone) {
  const std::string lie = R"({"schemaVersion":2,"config":{"digest":"sha256:../../x"}})";
  Must(SetTag(*store_, "x", PutText(*store_, lie, kOciManifest)));
  const FsckReport report = Must(CheckStore(*store_, {}));
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_EQ(report.damage[0].digest, Sha256(lie));
  EXPECT_EQ(report.damage[0].tags, std::vector<std::string>{"x"});
}

// Every bit of every blob of a small store, manifests included.
TEST(HousekeepingOnDisk, AFlippedBitAnywhereIsFoundByVerifyAndByFsckWithTheTagNamed) {
  const TemporaryDirectory directory;
  const Path root = directory.path() / "store";
  const auto store = Must(OpenDiskStore(root));
  Must(SetTag(*store, "lab", PutIndex(*store, {PutManifest(*store, {"weights", ""})})));
  std::mt19937_64 random(Seed());
  for (const BlobInfo& info : Must(store->List())) {
    const Path path = root / "blobs" / "sha256" / info.digest.Hex();
    // All bits of small blobs; of the manifests a sample keeps the test short.
    for (std::size_t bit = 0; bit < 8 * info.size; bit += info.size < 10 ? 1 : 1 + random() % 64) {
      FlipBit(path, bit);
      ASSERT_EQ(CodeOf(Verify(info.digest, Must(store->Get(info.digest)))), ErrorCode::kCorrupt);
      const FsckReport report = Must(CheckStore(*store, {.quarantine = false}));
      ASSERT_EQ(report.damage.size(), 1u) << info.digest.ToString() << " bit " << bit;
      EXPECT_EQ(report.damage[0].digest, info.digest);
      EXPECT_NE(report.damage[0].what.find("hash to sha256:"), std::string::npos);
      EXPECT_EQ(report.damage[0].tags, std::vector<std::string>{"lab"});
      FlipBit(path, bit);
    }
  }
  EXPECT_TRUE(Must(CheckStore(*store, {})).damage.empty());
}

TEST(HousekeepingOnDisk, AQuarantinedBlobIsMissingUntilItIsPutAgain) {
  const TemporaryDirectory directory;
  const Path root = directory.path() / "store";
  const auto store = Must(OpenDiskStore(root));
  Must(SetTag(*store, "lab", PutManifest(*store, {"weights"})));
  FlipBit(root / "blobs" / "sha256" / Sha256("weights").Hex(), 5);
  const FsckReport first = Must(CheckStore(*store, {}));
  ASSERT_EQ(first.damage.size(), 1u);
  EXPECT_TRUE(first.damage[0].quarantined);
  const FsckReport second = Must(CheckStore(*store, {}));
  ASSERT_EQ(second.damage.size(), 1u);
  EXPECT_EQ(second.damage[0].what, "missing");
  Must(store->Put(AsBytes("weights")));
  EXPECT_TRUE(Must(CheckStore(*store, {})).damage.empty());
}

TEST(HousekeepingOnDisk, GcSweepsTheTemporaryFilesOfTheDead) {
  const TemporaryDirectory directory;
  const Path root = directory.path() / "store";
  const auto store = Must(OpenDiskStore(root));
  WriteAll(root / "ashlar" / "tmp" / "0123-4", "half a blo");
  EXPECT_EQ(Must(CollectGarbage(*store, Gc::kDryRun)).removed_temporary_files, 1u);
  EXPECT_EQ(Must(CollectGarbage(*store, Gc::kRemove)).removed_temporary_files, 1u);
  EXPECT_EQ(Must(CollectGarbage(*store, Gc::kRemove)).removed_temporary_files, 0u);
}

// ---- why

TEST_F(Housekeeping, WhyNamesEveryDistinctWayFromATagToTheBlob) {
  const Descriptor one = PutManifest(*store_, {"weights"});
  const Descriptor two = PutManifest(*store_, {"other", "weights", "weights"});
  const Descriptor both = PutIndex(*store_, {one, two});
  Must(SetTag(*store_, "both", both));
  Must(SetTag(*store_, "one", one));
  Must(SetTag(*store_, "none", PutManifest(*store_, {"other"})));
  std::vector<std::vector<Digest>> found;
  for (const Chain& chain : Must(WhyStored(*store_, Sha256("weights")))) {
    found.emplace_back().push_back(Sha256(chain.tag));
    for (const Descriptor& step : chain.path) {
      found.back().push_back(step.digest);
    }
  }
  const Digest weights = Sha256("weights");
  EXPECT_EQ(found,
            (std::vector<std::vector<Digest>>{{Sha256("both"), both.digest, one.digest, weights},
                                              {Sha256("both"), both.digest, two.digest, weights},
                                              {Sha256("one"), one.digest, weights}}));
}

TEST_F(Housekeeping, WhyOfGarbageIsEmptyAndOfARootIsItsTag) {
  const Descriptor garbage = PutText(*store_, "garbage");
  EXPECT_TRUE(Must(WhyStored(*store_, garbage.digest)).empty());
  const Descriptor root = PutManifest(*store_, {"weights"});
  Must(SetTag(*store_, "lab", root));
  const std::vector<Chain> chains = Must(WhyStored(*store_, root.digest));
  ASSERT_EQ(chains.size(), 1u);
  EXPECT_EQ(chains[0].tag, "lab");
  EXPECT_EQ(chains[0].path, std::vector{root});
}

TEST_F(Housekeeping, WhyGoesThroughReferrersAndToBlobsThatAreMissing) {
  const Descriptor root = PutManifest(*store_, {"weights"});
  Must(SetTag(*store_, "lab", root));
  PutReferrer(root, "signature");
  EXPECT_EQ(Must(WhyStored(*store_, Sha256("signature"))).size(), 1u);
  Lose(Sha256("weights"));
  EXPECT_EQ(Must(WhyStored(*store_, Sha256("weights"))).size(), 1u);
}

// Each level doubles the ways: 2^30 in all, of which a thousand are enough.
TEST_F(Housekeeping, WhyStopsAtItsLimit) {
  Descriptor root = PutManifest(*store_, {"weights"});
  for (int level = 0; level < 30; ++level) {
    const std::string twin = WriteOciIndex({.manifests = {root}, .annotations = {{"twin", ""}}});
    root = PutIndex(*store_, {PutIndex(*store_, {root}), PutText(*store_, twin, kOciIndex)});
  }
  Must(SetTag(*store_, "lab", root));
  EXPECT_EQ(Must(WhyStored(*store_, Sha256("weights"))).size(), 1000u);
  EXPECT_EQ(Must(WhyStored(*store_, Sha256("weights"), 7)).size(), 7u);
}

}  // namespace
}  // namespace ashlar
