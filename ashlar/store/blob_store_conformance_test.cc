// What every BlobStore promises, run over each of them.
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

struct StoreKind {
  const char* name;
  std::unique_ptr<BlobStore> (*make)(const Path& directory);
};
void PrintTo(const StoreKind& kind, std::ostream* out) {
  *out << kind.name;
}

class EveryStore : public testing::TestWithParam<StoreKind> {
 protected:
  TemporaryDirectory directory_;
  std::unique_ptr<BlobStore> store_ = GetParam().make(directory_.path() / "store");
};

INSTANTIATE_TEST_SUITE_P(
    , EveryStore,
    testing::Values(StoreKind{"disk", [](const Path& path) { return Must(OpenDiskStore(path)); }},
                    StoreKind{"memory", [](const Path&) { return NewMemoryStore(); }}),
    [](const auto& info) { return std::string(info.param.name); });

// ---- Blobs

TEST_P(EveryStore, GivesBackWhatWasPut) {
  const Digest digest = Must(store_->Put(AsBytes("stone")));
  EXPECT_EQ(TextOf(*store_, digest), "stone");
  EXPECT_EQ(Must(store_->Stat(digest)), 5u);
}

TEST_P(EveryStore, NamesABlobByItsSha256) {
  EXPECT_EQ(Must(store_->Put(AsBytes("abc"))).ToString(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_P(EveryStore, PutOfTheSameBytesReturnsTheSameDigestAndStoresThemOnce) {
  const Digest first = Must(store_->Put(AsBytes("stone")));
  EXPECT_EQ(Must(store_->Put(AsBytes("stone"))), first);
  EXPECT_EQ(Must(store_->List()).size(), 1u);
}

TEST_P(EveryStore, HoldsTheEmptyBlob) {
  const Digest digest = Must(store_->Put({}));
  EXPECT_EQ(Must(store_->Stat(digest)), 0u);
  EXPECT_EQ(TextOf(*store_, digest), "");
}

TEST_P(EveryStore, SaysThatAnAbsentBlobIsAbsent) {
  const Digest absent = Sha256("absent");
  EXPECT_EQ(Must(store_->Stat(absent)), std::nullopt);
  EXPECT_EQ(CodeOf(store_->Get(absent)), ErrorCode::kNotFound);
  EXPECT_NE(Failure(store_->Get(absent)).find(absent.ToString()), std::string::npos);
}

TEST_P(EveryStore, ListsEachBlobOnceWithItsSize) {
  const Digest a = Must(store_->Put(AsBytes("a")));
  const Digest bcd = Must(store_->Put(AsBytes("bcd")));
  std::map<Digest, std::uint64_t> listed;
  for (const BlobInfo& blob : Must(store_->List())) {
    EXPECT_TRUE(listed.emplace(blob.digest, blob.size).second);
  }
  EXPECT_EQ(listed, (std::map<Digest, std::uint64_t>{{a, 1}, {bcd, 3}}));
}

TEST_P(EveryStore, ABlobWrittenInPiecesIsTheBlobOfTheirSum) {
  const auto writer = Must(store_->NewBlob());
  Must(writer->Write(AsBytes("st")));
  Must(writer->Write({}));
  Must(writer->Write(AsBytes("one")));
  const Digest digest = Must(writer->Commit());
  EXPECT_EQ(digest, Sha256("stone"));
  EXPECT_EQ(TextOf(*store_, digest), "stone");
}

TEST_P(EveryStore, ABlobThatIsBeingWrittenIsNotVisible) {
  const auto writer = Must(store_->NewBlob());
  Must(writer->Write(AsBytes("stone")));
  EXPECT_EQ(Must(store_->Stat(Sha256("stone"))), std::nullopt);
  EXPECT_TRUE(Must(store_->List()).empty());
}

TEST_P(EveryStore, ABlobThatWasNotCommittedLeavesNothing) {
  Must(Must(store_->NewBlob())->Write(AsBytes("stone")));
  EXPECT_TRUE(Must(store_->List()).empty());
  const auto lease = Must(store_->BeginCollecting());
  EXPECT_EQ(Must(store_->SweepTemporaries(BlobStore::Sweep::kCount)), 0u);
}

TEST_P(EveryStore, AHandlePinsItsBytesAlsoWhenTheBlobIsRemoved) {
  const Digest digest = Must(store_->Put(AsBytes("stone")));
  const Blob blob = Must(store_->Get(digest));
  {
    const auto lease = Must(store_->BeginCollecting());
    Must(store_->Remove(digest));
    Must(store_->Remove(digest));  // fine when it is gone already
  }
  EXPECT_EQ(Must(store_->Stat(digest)), std::nullopt);
  EXPECT_EQ(AsText(blob.bytes()), "stone");
}

TEST_P(EveryStore, AQuarantinedBlobIsGoneForReadersAndCanBePutAnew) {
  const Digest digest = Must(store_->Put(AsBytes("stone")));
  {
    const auto lease = Must(store_->BeginCollecting());
    Must(store_->Quarantine(digest));
    EXPECT_EQ(CodeOf(store_->Quarantine(digest)), ErrorCode::kNotFound);
  }
  EXPECT_EQ(CodeOf(store_->Get(digest)), ErrorCode::kNotFound);
  EXPECT_TRUE(Must(store_->List()).empty());
  Must(store_->Put(AsBytes("stone")));
  EXPECT_EQ(TextOf(*store_, digest), "stone");
}

// ---- Tags

TEST_P(EveryStore, ANewStoreHasNoTags) {
  EXPECT_TRUE(Must(store_->ReadTags()).empty());
}

TEST_P(EveryStore, ATagKeepsAllOfItsDescriptor) {
  Descriptor root = PutManifest(*store_, {"layer"});
  root.artifact_type = "application/vnd.test.network";
  root.annotations = {{"org.test.made-by", "a \"test\"\n"}, {"empty", ""}};
  Must(SetTag(*store_, "lab", root));
  EXPECT_EQ(Must(store_->ReadTags()), (Tags{{"lab", root}}));
}

TEST_P(EveryStore, TagsMoveAndGo) {
  const Descriptor one = PutText(*store_, "one");
  const Descriptor two = PutText(*store_, "two");
  Must(SetTag(*store_, "x", one));
  Must(SetTag(*store_, "y", one));
  Must(SetTag(*store_, "x", two));
  EXPECT_EQ(Must(store_->ReadTags()), (Tags{{"x", two}, {"y", one}}));
  Must(RemoveTag(*store_, "x"));
  EXPECT_EQ(Must(store_->ReadTags()), (Tags{{"y", one}}));
}

TEST_P(EveryStore, AnUpdateThatFailsChangesNothing) {
  const Descriptor one = PutText(*store_, "one");
  Must(SetTag(*store_, "x", one));
  const Status failed = store_->UpdateTags([](Tags& tags) -> Status {
    tags.clear();
    return Conflict("changed my mind");
  });
  EXPECT_EQ(Failure(failed), "changed my mind");
  EXPECT_EQ(Must(store_->ReadTags()), (Tags{{"x", one}}));
}

TEST_P(EveryStore, ATagCannotNameABlobThatIsNotThere) {
  const Descriptor absent{.media_type = "text/plain", .digest = Sha256("absent"), .size = 6};
  EXPECT_EQ(CodeOf(SetTag(*store_, "x", absent)), ErrorCode::kNotFound);
  Descriptor wrong_size = PutText(*store_, "here");
  wrong_size.size = 5;
  EXPECT_EQ(CodeOf(SetTag(*store_, "x", wrong_size)), ErrorCode::kInvalid);
  EXPECT_TRUE(Must(store_->ReadTags()).empty());
}

TEST_P(EveryStore, ATagNameIsPlain) {
  const Descriptor one = PutText(*store_, "one");
  const std::vector<std::string> good = {"a", "0", "lab-docs", "org/lab:v1.2_x",
                                         std::string(128, 'x')};
  for (const std::string& name : good) {
    EXPECT_EQ(Failure(SetTag(*store_, name, one)), "");
  }
  const std::vector<std::string> bad = {"",    "-lab", ".",   "../x",
                                        "a b", "a\n",  "a@b", std::string(129, 'x')};
  for (const std::string& name : bad) {
    EXPECT_EQ(CodeOf(SetTag(*store_, name, one)), ErrorCode::kInvalid) << name;
  }
  EXPECT_EQ(Must(store_->ReadTags()).size(), good.size());
}

TEST_P(EveryStore, RootsAreTheTags) {
  const Descriptor one = PutText(*store_, "one");
  Must(SetTag(*store_, "x", one));
  EXPECT_EQ(Must(store_->Roots()), (std::vector<Root>{{.name = "x", .descriptor = one}}));
}

// ---- Leases

TEST_P(EveryStore, WritersShareTheStore) {
  const auto one = Must(store_->BeginWriting());
  const auto two = Must(store_->BeginWriting());
  Must(store_->Put(AsBytes("stone")));
}

TEST_P(EveryStore, AThreadThatWouldWaitForItselfGetsAConflict) {
  {
    const auto writing = Must(store_->BeginWriting());
    EXPECT_EQ(CodeOf(store_->BeginCollecting()), ErrorCode::kConflict);
  }
  {
    const auto blob = Must(store_->NewBlob());
    EXPECT_EQ(CodeOf(store_->BeginCollecting()), ErrorCode::kConflict);
  }
  const auto collecting = Must(store_->BeginCollecting());
  EXPECT_EQ(CodeOf(store_->BeginCollecting()), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(store_->BeginWriting()), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(store_->Put(AsBytes("stone"))), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(store_->NewBlob()), ErrorCode::kConflict);
  EXPECT_EQ(CodeOf(store_->UpdateTags([](Tags&) { return Status(); })), ErrorCode::kConflict);
}

TEST_P(EveryStore, CollectingWaitsForWritersAndWritersForCollecting) {
  std::atomic<bool> writing = true;
  std::atomic<bool> collected = false;
  auto lease = Must(store_->BeginWriting());
  std::thread collector([&] {
    const auto collecting = Must(store_->BeginCollecting());
    EXPECT_FALSE(writing);
    collected = true;
  });
  Must(store_->Put(AsBytes("stone")));  // a waiting collector is in nobody's way
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(collected);
  writing = false;
  lease.reset();
  collector.join();

  std::atomic<bool> collecting = true;
  auto exclusive = Must(store_->BeginCollecting());
  std::thread writer([&] {
    Must(store_->Put(AsBytes("brick")));
    EXPECT_FALSE(collecting);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(Must(store_->Stat(Sha256("brick"))), std::nullopt);
  collecting = false;
  exclusive.reset();
  writer.join();
}

// ---- Threads

TEST_P(EveryStore, ThreadsPutAndTagTheSameAndDifferentThingsAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 12;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kRounds; ++i) {
        const auto lease = Must(store_->BeginWriting());
        PutText(*store_, fmt::format("everybody's {}", i));
        const Descriptor own = PutText(*store_, fmt::format("{}'s {}", t, i));
        Must(SetTag(*store_, fmt::format("{}/{}", t, i), own));
      }
    });
  }
  threads.emplace_back([this] {
    for (int i = 0; i < kRounds; ++i) {
      Must(CollectGarbage(*store_, Gc::kRemove));
      static_cast<void>(Must(store_->List()));
    }
  });
  for (std::thread& thread : threads) {
    thread.join();
  }
  const Tags tags = Must(store_->ReadTags());
  EXPECT_EQ(tags.size(), std::size_t{kThreads * kRounds});
  for (const auto& [name, descriptor] : tags) {
    Must(Verify(descriptor.digest, Must(store_->Get(descriptor.digest))));
  }
  EXPECT_TRUE(Must(CheckStore(*store_, {})).damage.empty());
}

}  // namespace
}  // namespace ashlar
