// Standard tools can copy a store, and a store can be made of what they copied.
#include <cstdlib>

#include <gtest/gtest.h>

#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

class Skopeo : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("skopeo --version > /dev/null 2>&1") != 0) {
      GTEST_SKIP() << "skopeo is not installed";
    }
  }
  // The output, or "" when all went well.
  std::string Copy(const std::string& from, const std::string& to) {
    const Path log = directory_.path() / "log";
    const std::string command = fmt::format(
        "skopeo --insecure-policy copy --all oci:{} oci:{} > {} 2>&1", from, to, log.string());
    return std::system(command.c_str()) == 0 ? "" : ReadAll(log) + "failed";
  }

  TemporaryDirectory directory_;
  const Path ours_ = directory_.path() / "ours";
  const Path theirs_ = directory_.path() / "theirs";
};

TEST_F(Skopeo, CopiesANetworkOutOfAStoreByteForByte) {
  const auto store = Must(OpenDiskStore(ours_));
  const Descriptor root = PutIndex(
      *store, {PutManifest(*store, {"one", "shared"}), PutManifest(*store, {"two", "shared"})});
  Must(SetTag(*store, "lab", root));
  Must(SetTag(*store, "other", PutManifest(*store, {"other"})));
  ASSERT_EQ(Copy(ours_.string() + ":lab", theirs_.string() + ":copy"), "");

  const auto copy = Must(OpenDiskStore(theirs_, {.create = false}));
  EXPECT_EQ(Must(copy->ReadTags()).at("copy").digest, root.digest);
  const Reach expected = ReachOf(*store, root);
  const Reach reach = ReachOf(*copy, root);
  EXPECT_EQ(reach.blobs, expected.blobs);
  EXPECT_TRUE(reach.missing.empty());
  EXPECT_TRUE(Must(CheckStore(*copy, {})).damage.empty());

  // What it made is a store like any other.
  Must(SetTag(*copy, "renamed", root));
  Must(RemoveTag(*copy, "copy"));
  Must(CollectGarbage(*copy, Gc::kRemove));
  EXPECT_EQ(ReachOf(*copy, root).blobs, expected.blobs);
  ASSERT_EQ(Copy(theirs_.string() + ":renamed", (directory_.path() / "third").string() + ":x"), "");
}

TEST_F(Skopeo, CopiesIntoAStoreWithoutHarmToWhatIsThere) {
  const auto source = Must(OpenDiskStore(theirs_));
  const Descriptor theirs = PutManifest(*source, {"theirs"});
  Must(SetTag(*source, "x", theirs));
  const auto store = Must(OpenDiskStore(ours_));
  const Descriptor ours = PutManifest(*store, {"ours"});
  Must(SetTag(*store, "lab", ours));
  ASSERT_EQ(Copy(theirs_.string() + ":x", ours_.string() + ":pulled"), "");
  const Tags tags = Must(store->ReadTags());
  EXPECT_EQ(tags.at("lab"), ours);
  EXPECT_EQ(tags.at("pulled").digest, theirs.digest);
  EXPECT_TRUE(Must(CheckStore(*store, {})).damage.empty());
}

}  // namespace
}  // namespace ashlar
