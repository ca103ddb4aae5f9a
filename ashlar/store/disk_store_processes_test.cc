// A store on disk among real processes: killed at random moments, writing side by side, and
// racing with gc; and on a disk that is really full.
#include <chrono>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "ashlar/store/internal/child_process.h"
#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

// ---- kill -9

// Puts and tags for ever, and reports each act once it was acknowledged:
//   "blob DIGEST", "tag NAME DIGEST", "untag NAME"
// and, before it, what may happen without being acknowledged: "trying-untag NAME".
void WriteUntilKilled(const Path& root, std::uint64_t seed, int round,
                      ChildProcess::Report& report) {
  std::mt19937_64 random(seed);
  const auto store = Must(OpenDiskStore(root));
  std::string previous;
  for (int i = 0;; ++i) {
    const auto lease = Must(store->BeginWriting());
    // Some layers are the same in every round, so that existing blobs are put too.
    const std::vector<std::string> layers = {
        std::string(random() % 100'000, 'x'), fmt::format("layer {}", random() % 20),
        fmt::format("round {} layer {} {}", round, i, std::string(random() % 50'000, 'y'))};
    const auto streamed = Must(store->NewBlob());
    for (int piece = 0; piece < 4; ++piece) {
      Must(streamed->Write(AsBytes(fmt::format("{} {} {}", round, i, piece))));
    }
    report.Line("blob " + Must(streamed->Commit()).ToString());
    const Descriptor manifest = PutManifest(*store, layers);
    for (const std::string& layer : layers) {
      report.Line("blob " + Sha256(layer).ToString());
    }
    const std::string name = fmt::format("round-{}/{}", round, i);
    Must(SetTag(*store, name, manifest));
    report.Line("tag " + name + " " + manifest.digest.ToString());
    if (!previous.empty() && random() % 3 == 0) {
      report.Line("trying-untag " + previous);
      Must(RemoveTag(*store, previous));
      report.Line("untag " + previous);
      previous.clear();
    } else {
      previous = name;
    }
  }
}

// All that children have acknowledged.
struct Acknowledged {
  std::set<std::string> blobs;
  std::map<std::string, std::string> tags;
  std::set<std::string> maybe_untagged;
  std::set<std::string> untagged;

  void Read(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      const std::vector<std::string> words = Words(line);
      if (words[0] == "blob") {
        blobs.insert(words.at(1));
      } else if (words[0] == "tag") {
        tags[words.at(1)] = words.at(2);
      } else if (words[0] == "trying-untag") {
        maybe_untagged.insert(words.at(1));
      } else if (words[0] == "untag") {
        untagged.insert(words.at(1));
      } else {
        ADD_FAILURE() << line;
      }
    }
  }

  void ExpectIn(const BlobStore& store) const {
    for (const std::string& blob : blobs) {
      const Digest digest = Must(Digest::Parse(blob));
      ASSERT_EQ(Failure(store.Get(digest)), "");
    }
    const Tags found = Must(store.ReadTags());
    for (const auto& [name, digest] : tags) {
      const auto tag = found.find(name);
      if (tag == found.end()) {
        EXPECT_TRUE(maybe_untagged.contains(name)) << "lost the tag " << name;
      } else {
        EXPECT_EQ(tag->second.digest.ToString(), digest);
        EXPECT_FALSE(untagged.contains(name)) << "the tag came back: " << name;
      }
    }
  }
};

// ASHLAR_KILL_ROUNDS=1000 for the long form.
TEST(DiskStoreProcesses, AWriterKilledAtAnyMomentHasLostNothingThatWasAcknowledged) {
  const char* given = std::getenv("ASHLAR_KILL_ROUNDS");
  const int rounds = given != nullptr ? std::atoi(given) : 30;
  std::mt19937_64 random(Seed());
  const TemporaryDirectory directory;
  const Path root = directory.path() / "store";
  Acknowledged acknowledged;
  std::size_t tags = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    ChildProcess child([&, seed = random()](ChildProcess::Report& report) {
      WriteUntilKilled(root, seed, round, report);
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    child.Kill();
    acknowledged.Read(child.Wait());

    // What is there is whole, whatever moment it was; only then may gc tidy up.
    const auto store = Must(OpenDiskStore(root));
    ASSERT_NO_FATAL_FAILURE(acknowledged.ExpectIn(*store));
    const FsckReport report = Must(CheckStore(*store, {}));
    ASSERT_TRUE(report.damage.empty()) << report.damage[0].what;
    if (round % 5 == 4) {
      Must(CollectGarbage(*store, Gc::kRemove));
      acknowledged.blobs.clear();  // what a tag reaches is judged by fsck
      acknowledged.ExpectIn(*store);
      ASSERT_TRUE(Must(CheckStore(*store, {})).damage.empty());
      EXPECT_TRUE(std::filesystem::is_empty(root / "ashlar" / "tmp"));
    }
    tags = acknowledged.tags.size();
  }
  std::printf("%d rounds, %zu tags acknowledged\n", rounds, tags);
}

// ---- Side by side

TEST(DiskStoreProcesses, TwoProcessesWriteTheSameAndDifferentThingsAtOnce) {
  constexpr int kThings = 30;
  const TemporaryDirectory directory;
  const Path root = directory.path() / "store";  // both may have to make it
  const auto write = [&](const std::string& self) {
    return [&root, self](ChildProcess::Report& report) {
      const auto store = OpenDiskStore(root);
      if (!store.ok()) {
        return report.Line(store.error().message);
      }
      for (int i = 0; i < kThings; ++i) {
        const auto lease = Must((*store)->BeginWriting());
        const Descriptor manifest =
            PutManifest(**store, {fmt::format("shared {}", i), fmt::format("{}'s {}", self, i)});
        Must(SetTag(**store, fmt::format("{}/{}", self, i), manifest));
        Must(SetTag(**store, fmt::format("shared/{}", i), manifest));
      }
    };
  };
  ChildProcess one(write("one"));
  ChildProcess two(write("two"));
  EXPECT_EQ(one.Wait(), std::vector<std::string>());
  EXPECT_EQ(two.Wait(), std::vector<std::string>());
  const auto store = Must(OpenDiskStore(root));
  EXPECT_EQ(Must(store->ReadTags()).size(), std::size_t{3 * kThings});
  const FsckReport report = Must(CheckStore(*store, {}));
  EXPECT_TRUE(report.damage.empty());
  // The empty configuration; shared layers; own layers and manifests of each.
  EXPECT_EQ(report.blobs, std::size_t{1 + kThings + 4 * kThings});
}

TEST(DiskStoreProcesses, GcInAnotherProcessRemovesNothingUnderAWriter) {
  constexpr int kThings = 40;
  const TemporaryDirectory directory;
  const Path root = directory.path() / "store";
  const auto store = Must(OpenDiskStore(root));
  ChildProcess writer([&](ChildProcess::Report& report) {
    const auto own = Must(OpenDiskStore(root));
    for (int i = 0; i < kThings; ++i) {
      // Garbage, until the manifest below finds it here, or finds that gc was faster.
      const std::string layer = fmt::format("layer {}", i);
      PutText(*own, layer);
      std::this_thread::sleep_for(std::chrono::milliseconds(1 + i % 3));
      // (Once it surely was, however seldom gc comes to run.)
      for (int wait = 0; i == kThings / 2 && wait < 30'000 && Must(own->Stat(Sha256(layer)));
           ++wait) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      const auto lease = Must(own->BeginWriting());
      const Descriptor manifest = PutManifest(*own, {fmt::format("layer {}", i), "shared"});
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (const Status tagged = SetTag(*own, fmt::format("t{}", i), manifest); !tagged.ok()) {
        report.Line(tagged.error().message);
      }
    }
    report.Line("done");
  });
  std::uint64_t removed = 0;
  while (!Must(store->ReadTags()).contains(fmt::format("t{}", kThings - 1))) {
    removed += Must(CollectGarbage(*store, Gc::kRemove)).removed.size();
    const FsckReport report = Must(CheckStore(*store, {}));
    ASSERT_TRUE(report.damage.empty()) << report.damage[0].what;
  }
  EXPECT_EQ(writer.Wait(), std::vector<std::string>{"done"});
  EXPECT_TRUE(Must(CheckStore(*store, {})).damage.empty());
  EXPECT_GT(removed, 0u) << "gc had nothing to race for";
}

TEST(DiskStoreProcesses, GcNeverTakesATemporaryFileOfALiveWriter) {
  const TemporaryDirectory directory;
  const Path root = directory.path() / "store";
  const Path gc_begins = directory.path() / "gc begins";
  const auto store = Must(OpenDiskStore(root));
  ChildProcess writer([&](ChildProcess::Report& report) {
    const auto own = Must(OpenDiskStore(root));
    const auto blob = Must(own->NewBlob());
    Must(blob->Write(AsBytes("half of ")));
    while (!std::filesystem::exists(gc_begins)) {
      std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    Must(blob->Write(AsBytes("a blob")));
    report.Line(Must(blob->Commit()).ToString());
  });
  while (std::filesystem::is_empty(root / "ashlar" / "tmp")) {
    std::this_thread::yield();
  }
  WriteAll(gc_begins, "");
  Must(CollectGarbage(*store, Gc::kRemove));
  EXPECT_EQ(writer.Wait(), std::vector<std::string>{Sha256("half of a blob").ToString()});
}

// ---- A full disk

// A file system of its own, so small that it fills at once. Needs the right to mount.
class TinyDisk {
 public:
  explicit TinyDisk(const Path& at) : at_(at) {
    std::filesystem::create_directories(at);
    mounted_ = mount("tmpfs", at.c_str(), "tmpfs", 0, "size=256k") == 0;
  }
  TinyDisk(const TinyDisk&) = delete;
  TinyDisk& operator=(const TinyDisk&) = delete;
  ~TinyDisk() {
    if (mounted_) {
      umount2(at_.c_str(), MNT_DETACH);
    }
  }
  bool mounted() const { return mounted_; }

 private:
  const Path at_;
  bool mounted_ = false;
};

TEST(DiskStoreProcesses, AFullDiskIsAnErrorWithNumbersAndGcMakesRoom) {
  const TemporaryDirectory directory;
  const TinyDisk disk(directory.path() / "disk");
  if (!disk.mounted()) {
    GTEST_SKIP() << "no right to mount a small disk here; the fault loops fill one in its stead";
  }
  const auto store = Must(OpenDiskStore(directory.path() / "disk" / "store"));
  const Descriptor kept = PutManifest(*store, {"kept"});
  Must(SetTag(*store, "kept", kept));

  const auto blob_of = [](int i) { return std::string(20'000, static_cast<char>('a' + i)); };
  int stored = 0;
  Result<Digest> put = Digest();
  while ((put = store->Put(AsBytes(blob_of(stored)))).ok()) {
    ++stored;
    ASSERT_LT(stored, 20) << "the disk does not fill";
  }
  EXPECT_GT(stored, 3);
  EXPECT_EQ(CodeOf(put), ErrorCode::kExhausted);
  EXPECT_NE(Failure(put).find("writing a blob of 20000 bytes"), std::string::npos) << Failure(put);
  EXPECT_NE(Failure(put).find("of 262144 bytes are free"), std::string::npos) << Failure(put);

  {
    const auto streamed = Must(store->NewBlob());
    const std::string piece(30'000, 'z');
    EXPECT_EQ(CodeOf(streamed->Write(AsBytes(piece))), ErrorCode::kExhausted);
    EXPECT_EQ(CodeOf(streamed->Commit()), ErrorCode::kExhausted);
  }

  EXPECT_EQ(Must(store->Stat(Sha256(blob_of(stored)))), std::nullopt);
  EXPECT_TRUE(Must(CheckStore(*store, {})).damage.empty());
  EXPECT_EQ(Must(store->ReadTags()), (Tags{{"kept", kept}}));

  EXPECT_EQ(Must(CollectGarbage(*store, Gc::kRemove)).removed.size(), std::size_t(stored));
  EXPECT_EQ(Failure(store->Put(AsBytes(blob_of(stored)))), "");
}

}  // namespace
}  // namespace ashlar
