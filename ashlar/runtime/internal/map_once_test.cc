#include "ashlar/runtime/internal/map_once.h"

#include <fstream>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"

namespace ashlar::internal {
namespace {

TEST(MapOnce, GivesABlobAgainWhileSomebodyHasItAndItIsWhole) {
  const TempDirectory directory;
  const auto store = *OpenDiskStore(directory / "store");
  const std::vector<std::byte> bytes(20000, std::byte{7});
  const Digest digest = *store->Put(bytes);
  int fetched = 0;
  MapOnce blobs(
      [&, from = FetchFrom(*store, /*verify=*/false)](const Digest& blob, std::uint64_t needed) {
        ++fetched;
        return from(blob, needed);
      });
  std::optional<Blob> first = *blobs.Fetch(digest, 100);
  std::optional<Blob> second = *blobs.Fetch(digest, 20000);
  EXPECT_EQ(fetched, 1);
  EXPECT_EQ(first->bytes().data(), second->bytes().data());
  first.reset();
  EXPECT_EQ(second->bytes()[19999], std::byte{7}) << "the mapping lives with the last who has it";
  second.reset();
  first = *blobs.Fetch(digest, 100);
  EXPECT_EQ(fetched, 2) << "nobody had it";
  EXPECT_FALSE(blobs.Fetch(Sha256("none"), 1).ok());
  EXPECT_EQ(fetched, 3);

  // A file that is cut short under the mapping: whoever asks later gets what is there then.
  const Path file = directory / "store" / "blobs" / "sha256" / digest.Hex();
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  std::filesystem::resize_file(file, 0);
  const volatile std::byte lost = first->bytes()[9000];
  static_cast<void>(lost);
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  second = *blobs.Fetch(digest, 100);
  EXPECT_EQ(fetched, 4);
  EXPECT_EQ(second->bytes()[9000], std::byte{7});
}

TEST(MapOnce, MapsAnewWhatIsAskedForAfterItForgot) {
  const TempDirectory directory;
  const auto store = *OpenDiskStore(directory / "store");
  const Digest digest = *store->Put(std::vector<std::byte>(20000, std::byte{7}));
  MapOnce blobs(FetchFrom(*store, /*verify=*/false));
  const Blob before = *blobs.Fetch(digest, 20000);
  blobs.Forget();
  const Blob after = *blobs.Fetch(digest, 20000);
  EXPECT_NE(before.bytes().data(), after.bytes().data());
  EXPECT_EQ(blobs.Fetch(digest, 1)->bytes().data(), after.bytes().data());
  EXPECT_EQ(before.bytes()[19999], after.bytes()[19999]) << "both live";
}

}  // namespace
}  // namespace ashlar::internal
