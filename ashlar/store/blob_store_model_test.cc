// A store against the simplest thing that could be right: two maps. Random operations, with the
// store on disk closed and opened at random; the seed is printed, and taken from ASHLAR_SEED.
#include <gtest/gtest.h>

#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

struct Model {
  std::map<Digest, std::string> blobs;
  Tags tags;
  // Manifests and what they refer to, by digest.
  std::map<Digest, std::vector<Digest>> references;

  std::set<Digest> Reached() const {
    std::set<Digest> reached;
    for (const auto& [name, root] : tags) {
      reached.insert(root.digest);
      if (const auto found = references.find(root.digest); found != references.end()) {
        reached.insert(found->second.begin(), found->second.end());
      }
    }
    return reached;
  }
};

class RandomWalk {
 public:
  // Null: a store in memory.
  RandomWalk(const Path* root, std::uint64_t seed) : root_(root), random_(seed) { Reopen(); }

  void Step() {
    switch (Below(10)) {
      case 0:
      case 1:
        return Put();
      case 2:
        return PutInPieces();
      case 3:
        return PutManifestOfSome();
      case 4:
      case 5:
        return TagOne();
      case 6:
        return UntagOne();
      case 7:
        return QuarantineOne();
      case 8:
        return Below(4) == 0 ? Collect() : Put();
      default:
        return Reopen();
    }
  }

  void Compare() {
    std::map<Digest, std::string> blobs;
    for (const BlobInfo& blob : Must(store_->List())) {
      blobs[blob.digest] = TextOf(*store_, blob.digest);
      ASSERT_EQ(Must(store_->Stat(blob.digest)), blob.size);
    }
    ASSERT_EQ(blobs, model_.blobs);
    ASSERT_EQ(Must(store_->ReadTags()), model_.tags);
  }

 private:
  std::size_t Below(std::size_t bound) { return random_() % bound; }
  // Few different contents, so that the same ones come again.
  std::string SomeText() {
    return std::string(Below(5) * Below(2000), static_cast<char>('a' + Below(4)));
  }
  std::string SomeName() { return fmt::format("tag{}", Below(5)); }
  std::optional<Digest> SomeBlob() {
    if (model_.blobs.empty()) {
      return std::nullopt;
    }
    return std::next(model_.blobs.begin(), Below(model_.blobs.size()))->first;
  }

  void Put() {
    const std::string text = SomeText();
    const Digest digest = Must(store_->Put(AsBytes(text)));
    model_.blobs[digest] = text;
  }
  void PutInPieces() {
    const std::string text = SomeText();
    const auto writer = Must(store_->NewBlob());
    const std::size_t cut = Below(text.size() + 1);
    Must(writer->Write(AsBytes(text.substr(0, cut))));
    Must(writer->Write(AsBytes(text.substr(cut))));
    if (Below(4) != 0) {
      model_.blobs[Must(writer->Commit())] = text;
    }
  }
  void PutManifestOfSome() {
    const std::vector<std::string> layers = {SomeText(), SomeText()};
    const Descriptor manifest = PutManifest(*store_, layers);
    model_.blobs[manifest.digest] = TextOf(*store_, manifest.digest);
    model_.references[manifest.digest].push_back(OciEmptyDescriptor().digest);
    model_.blobs[OciEmptyDescriptor().digest] = kOciEmptyBlob;
    for (const std::string& layer : layers) {
      model_.references[manifest.digest].push_back(Sha256(layer));
      model_.blobs[Sha256(layer)] = layer;
    }
  }
  void TagOne() {
    const auto digest = SomeBlob();
    if (!digest) {
      return;
    }
    const Descriptor root{
        .media_type = std::string(model_.references.contains(*digest) ? kOciManifest : "a/b"),
        .digest = *digest,
        .size = model_.blobs[*digest].size(),
        .annotations = {{"n", std::to_string(Below(3))}}};
    const std::string name = SomeName();
    Must(SetTag(*store_, name, root));
    model_.tags[name] = root;
  }
  void UntagOne() {
    const std::string name = SomeName();
    EXPECT_EQ(RemoveTag(*store_, name).ok(), model_.tags.erase(name) == 1);
  }
  void QuarantineOne() {
    const auto digest = SomeBlob();
    // Only what no tag reaches, so that gc need not refuse to run.
    if (digest && !model_.Reached().contains(*digest)) {
      const auto lease = Must(store_->BeginCollecting());
      Must(store_->Quarantine(*digest));
      model_.blobs.erase(*digest);
    }
  }
  void Collect() {
    const std::set<Digest> reached = model_.Reached();
    std::erase_if(model_.blobs, [&](const auto& blob) { return !reached.contains(blob.first); });
    const GcReport planned = Must(CollectGarbage(*store_, Gc::kDryRun));
    const GcReport done = Must(CollectGarbage(*store_, Gc::kRemove));
    EXPECT_EQ(done.kept_blobs, model_.blobs.size());
    EXPECT_EQ(planned.removed_bytes, done.removed_bytes);
    EXPECT_EQ(planned.removed.size(), done.removed.size());
  }
  void Reopen() {
    if (root_ != nullptr) {
      store_.reset();
      store_ = Must(OpenDiskStore(*root_));
    } else if (store_ == nullptr) {
      store_ = NewMemoryStore();
    }
  }

  const Path* const root_;
  std::mt19937_64 random_;
  std::unique_ptr<BlobStore> store_;
  Model model_;
};

void RunAgainstTheModel(const Path* root) {
  RandomWalk walk(root, Seed());
  for (int step = 0; step < 400; ++step) {
    walk.Step();
    if (step % 10 == 0) {
      ASSERT_NO_FATAL_FAILURE(walk.Compare()) << "after step " << step;
    }
  }
  walk.Compare();
}

TEST(BlobStoreModel, ADiskStoreBehavesAsTwoMaps) {
  const TemporaryDirectory directory;
  const Path root = directory.path() / "store";
  RunAgainstTheModel(&root);
}

TEST(BlobStoreModel, AMemoryStoreBehavesAsTwoMaps) {
  RunAgainstTheModel(nullptr);
}

}  // namespace
}  // namespace ashlar
