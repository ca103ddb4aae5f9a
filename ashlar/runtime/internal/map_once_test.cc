#include "ashlar/runtime/internal/map_once.h"

#include <algorithm>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

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

// How many pages of memory the process has of these bytes itself.
std::size_t ResidentPages(std::span<const std::byte> bytes) {
  const int map = ::open("/proc/self/pagemap", O_RDONLY);
  std::size_t count = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 4096) {
    const auto page = reinterpret_cast<std::uintptr_t>(bytes.data() + at) / 4096;
    std::uint64_t entry = 0;
    EXPECT_EQ(::pread(map, &entry, sizeof entry, static_cast<off_t>(page * sizeof entry)), 8);
    count += entry >> 63;
  }
  ::close(map);
  return count;
}

TEST(MapOnce, WhatIsDroppedOfAMappingIsNotResidentAndCanBeReadAgain) {
  const TempDirectory directory;
  const auto store = *OpenDiskStore(directory / "store");
  std::vector<std::byte> bytes(64 * 4096);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(i * 31 % 251);
  }
  const Digest digest = *store->Put(bytes);
  MapOnce blobs(FetchFrom(*store, /*verify=*/false));
  const Blob blob = *blobs.Fetch(digest, 1);
  EXPECT_TRUE(std::ranges::equal(blob.bytes(), bytes));
  EXPECT_EQ(ResidentPages(blob.bytes()), 64u);
  blobs.DropResident({digest, 100, 10 * 4096});  // which has 9 whole pages
  EXPECT_EQ(ResidentPages(blob.bytes()), 55u);
  EXPECT_EQ(blob.bytes()[5000], bytes[5000]);
  EXPECT_TRUE(std::ranges::equal(blob.bytes(), bytes));
  // What nobody has, or what is no mapping, stays as it is.
  blobs.DropResident({Sha256("none"), 0, 10});
  const auto memory = NewMemoryStore();
  const Digest kept = *memory->Put(bytes);
  MapOnce in_memory(FetchFrom(*memory, /*verify=*/false));
  const Blob held = *in_memory.Fetch(kept, 1);
  in_memory.DropResident({kept, 0, bytes.size()});
  EXPECT_TRUE(std::ranges::equal(held.bytes(), bytes));
}

}  // namespace
}  // namespace ashlar::internal
