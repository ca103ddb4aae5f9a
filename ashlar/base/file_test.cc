#include "ashlar/base/file.h"

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

class FileTest : public testing::Test {
 protected:
  Path At(std::string_view name) const { return directory_ / name; }
  void Write(std::string_view name, std::string_view text) const {
    std::ofstream(At(name), std::ios::binary) << text;
  }
  std::string Read(std::string_view name) const { return *ReadTextFile(At(name)); }

  TempDirectory directory_;
  FileSystem& files_ = RealFileSystem();
};

// The error's code, and that its message names the path.
template <class T>
void ExpectError(const Result<T>& result, ErrorCode code, const Path& path) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(ErrorCodeName(result.error().code), std::string(ErrorCodeName(code)));
  EXPECT_NE(result.error().message.find(path.string()), std::string::npos)
      << result.error().message;
}

TEST_F(FileTest, WritesAreReadBack) {
  auto file = files_.Create(At("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->Write(AsBytes("one ")).ok());
  EXPECT_TRUE((*file)->Write({}).ok());
  EXPECT_TRUE((*file)->Write(AsBytes("two")).ok());
  EXPECT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(Read("a"), "one two");
}

TEST_F(FileTest, CreateRefusesAnExistingFileAndLeavesItAlone) {
  Write("a", "old");
  ExpectError(files_.Create(At("a")), ErrorCode::kConflict, At("a"));
  EXPECT_EQ(Read("a"), "old");
}

TEST_F(FileTest, CreateInAMissingDirectoryIsNotFound) {
  ExpectError(files_.Create(At("no/a")), ErrorCode::kNotFound, At("no/a"));
}

TEST_F(FileTest, AppendContinuesAFileOrBeginsOne) {
  ASSERT_TRUE((*files_.Append(At("a")))->Write(AsBytes("one")).ok());
  ASSERT_TRUE((*files_.Append(At("a")))->Write(AsBytes(" two")).ok());
  EXPECT_EQ(Read("a"), "one two");
}

TEST_F(FileTest, AFullDiskIsExhaustedAndStaysSo) {
  // A limit on the size of files stands for the disk: the kernel writes what fits, then refuses.
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 1000;
  auto file = files_.Create(At("a"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status written = (*file)->Write(AsBytes(std::string(1500, 'x')));
  const Status synced = (*file)->Sync();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  ExpectError(written, ErrorCode::kExhausted, At("a"));
  ExpectError(synced, ErrorCode::kExhausted, At("a"));
  ExpectError((*file)->Write(AsBytes("y")), ErrorCode::kExhausted, At("a"));
  EXPECT_EQ(Read("a").size(), 1000u);
}

TEST_F(FileTest, MapShowsTheWholeFile) {
  const std::string text(10000, 'z');
  Write("a", text);
  const auto file = files_.Map(At("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(AsText(file->bytes()), text);
}

TEST_F(FileTest, AMappingSurvivesItsFileAndMoves) {
  Write("a", "text");
  MappedFile file = *files_.Map(At("a"));
  ASSERT_TRUE(files_.Remove(At("a")).ok());
  MappedFile moved = std::move(file);
  EXPECT_EQ(AsText(moved.bytes()), "text");
  file = std::move(moved);
  EXPECT_EQ(AsText(file.bytes()), "text");
}

TEST_F(FileTest, AnEmptyFileMapsToNothing) {
  Write("a", "");
  const auto file = files_.Map(At("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->bytes().empty());
}

TEST_F(FileTest, WhatIsNoRegularFileIsAnErrorAndNeverAWait) {
  ASSERT_EQ(::mkfifo(At("fifo").c_str(), 0600), 0);
  ASSERT_TRUE(files_.CreateDirectories(At("directory")).ok());
  for (const Path& path : {At("fifo"), At("directory"), Path("/dev/zero")}) {
    ExpectError(files_.Map(path), ErrorCode::kInvalid, path);
    ExpectError(ReadTextFile(path), ErrorCode::kInvalid, path);
    EXPECT_FALSE(files_.Append(path).ok());
    EXPECT_FALSE(files_.Lock(path, LockMode::kExclusive, true).ok());
  }
}

TEST_F(FileTest, AMissingFileIsNotFound) {
  ExpectError(files_.Map(At("a")), ErrorCode::kNotFound, At("a"));
  ExpectError(ReadTextFile(At("a")), ErrorCode::kNotFound, At("a"));
  ExpectError(files_.Remove(At("a")), ErrorCode::kNotFound, At("a"));
  ExpectError(files_.Rename(At("a"), At("b")), ErrorCode::kNotFound, At("a"));
  ExpectError(files_.List(At("a")), ErrorCode::kNotFound, At("a"));
  ExpectError(files_.SyncDirectory(At("a")), ErrorCode::kNotFound, At("a"));
}

TEST_F(FileTest, WhatTheSystemRefusesIsAnIoError) {
  const Path too_long = At(std::string(300, 'n'));
  ExpectError(files_.Create(too_long), ErrorCode::kIo, too_long);
  ExpectError(files_.Map(too_long), ErrorCode::kIo, too_long);
  ExpectError(files_.Stat(too_long), ErrorCode::kIo, too_long);
}

TEST_F(FileTest, RenameReplacesAndKeepsOpenMappings) {
  Write("a", "old");
  Write("b", "new");
  const auto old = files_.Map(At("a"));
  ASSERT_TRUE(files_.Rename(At("b"), At("a")).ok());
  EXPECT_EQ(Read("a"), "new");
  EXPECT_EQ(AsText(old->bytes()), "old");
  EXPECT_FALSE(std::filesystem::exists(At("b")));
}

TEST_F(FileTest, RemoveTakesFilesAndEmptyDirectoriesOnly) {
  ASSERT_TRUE(files_.CreateDirectories(At("d")).ok());
  Write("d/a", "");
  EXPECT_FALSE(files_.Remove(At("d")).ok());
  EXPECT_TRUE(files_.Remove(At("d/a")).ok());
  EXPECT_TRUE(files_.Remove(At("d")).ok());
  EXPECT_FALSE(std::filesystem::exists(At("d")));
}

TEST_F(FileTest, CreateDirectoriesMakesParentsAndIsIdempotent) {
  EXPECT_TRUE(files_.CreateDirectories(At("a/b/c")).ok());
  EXPECT_TRUE(files_.CreateDirectories(At("a/b/c")).ok());
  EXPECT_TRUE(files_.SyncDirectory(At("a/b")).ok());
  Write("file", "");
  EXPECT_FALSE(files_.CreateDirectories(At("file")).ok());
  EXPECT_FALSE(files_.CreateDirectories(At("file/d")).ok());
  EXPECT_FALSE(files_.SyncDirectory(At("file")).ok());
}

TEST_F(FileTest, ListNamesEverythingInOrderWithSizes) {
  Write("b", "12345");
  Write("a", "");
  ASSERT_TRUE(files_.CreateDirectories(At("c/inner")).ok());
  std::filesystem::create_symlink("nowhere", At("dangling"));
  const auto entries = files_.List(directory_.path());
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 3u) << "a link to nothing is not there";
  EXPECT_EQ((*entries)[0].name, "a");
  EXPECT_EQ((*entries)[0].size, 0u);
  EXPECT_EQ((*entries)[1].name, "b");
  EXPECT_EQ((*entries)[1].size, 5u);
  EXPECT_FALSE((*entries)[1].is_directory);
  EXPECT_EQ((*entries)[2].name, "c");
  EXPECT_TRUE((*entries)[2].is_directory);
}

TEST_F(FileTest, StatOfWhatIsNotThereIsNothingRatherThanAnError) {
  Write("a", "123");
  EXPECT_EQ((*files_.Stat(At("a")))->size, 3u);
  EXPECT_FALSE(*files_.Stat(At("b")));
  EXPECT_FALSE(*files_.Stat(At("a/b")));
}

TEST_F(FileTest, AnExclusiveLockKeepsOthersOutUntilItGoes) {
  auto held = files_.Lock(At("lock"), LockMode::kExclusive, /*wait=*/true);
  ASSERT_TRUE(held.ok());
  ExpectError(files_.Lock(At("lock"), LockMode::kExclusive, false), ErrorCode::kConflict,
              At("lock"));
  ExpectError(files_.Lock(At("lock"), LockMode::kShared, false), ErrorCode::kConflict, At("lock"));
  held->reset();
  EXPECT_TRUE(files_.Lock(At("lock"), LockMode::kExclusive, false).ok());
}

TEST_F(FileTest, SharedLocksShare) {
  const auto one = files_.Lock(At("lock"), LockMode::kShared, true);
  const auto two = files_.Lock(At("lock"), LockMode::kShared, false);
  EXPECT_TRUE(one.ok());
  EXPECT_TRUE(two.ok());
  EXPECT_FALSE(files_.Lock(At("lock"), LockMode::kExclusive, false).ok());
}

TEST_F(FileTest, AWaitingLockComesWhenTheOtherGoes) {
  auto held = files_.Lock(At("lock"), LockMode::kExclusive, true);
  ASSERT_TRUE(held.ok());
  std::atomic<bool> released = false;
  std::thread waiter([&] {
    EXPECT_TRUE(files_.Lock(At("lock"), LockMode::kExclusive, true).ok());
    EXPECT_TRUE(released);
  });
  released = true;
  held->reset();
  waiter.join();
}

TEST_F(FileTest, ReadTextFileTakesAtMostItsLimit) {
  Write("a", "12345");
  EXPECT_EQ(*ReadTextFile(At("a"), 5), "12345");
  ExpectError(ReadTextFile(At("a"), 4), ErrorCode::kInvalid, At("a"));
  Write("empty", "");
  EXPECT_EQ(*ReadTextFile(At("empty"), 0), "");
}

TEST_F(FileTest, ReadTextFileReadsFilesThatClaimToBeEmpty) {
  ASSERT_EQ(std::filesystem::file_size("/proc/self/status"), 0u);
  const auto text = ReadTextFile("/proc/self/status");
  ASSERT_TRUE(text.ok());
  EXPECT_TRUE(text->starts_with("Name:"));
  EXPECT_TRUE(text->ends_with("\n"));
  EXPECT_GT(text->size(), 500u);
}

}  // namespace
}  // namespace ashlar
