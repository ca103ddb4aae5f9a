#include "ashlar/base/faulty_file_system.h"

#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

using Fault = FaultyFileSystem::Fault;
using After = FaultyFileSystem::After;

class FaultyFileSystemTest : public testing::Test {
 protected:
  Path At(std::string_view name) const { return directory_ / name; }

  std::unique_ptr<WritableFile> Create(std::string_view name) {
    auto file = files_.Create(At(name));
    EXPECT_TRUE(file.ok());
    return *std::move(file);
  }
  void Write(std::string_view name, std::string_view text) {
    ASSERT_TRUE(Create(name)->Write(AsBytes(text)).ok());
  }
  void WriteAndSync(std::string_view name, std::string_view text) {
    const auto file = Create(name);
    ASSERT_TRUE(file->Write(AsBytes(text)).ok());
    ASSERT_TRUE(file->Sync().ok());
  }
  void Rename(std::string_view from, std::string_view to) {
    ASSERT_TRUE(files_.Rename(At(from), At(to)).ok());
  }
  void SyncDirectory(std::string_view name = "") {
    ASSERT_TRUE(files_.SyncDirectory(At(name)).ok());
  }
  // The file's text as it is on the disk, or "absent".
  std::string OnDisk(std::string_view name) const {
    const auto text = ReadTextFile(At(name));
    return text.ok() ? *text : "absent";
  }

  TempDirectory directory_;
  FaultyFileSystem files_{RealFileSystem()};
};

TEST_F(FaultyFileSystemTest, PassesEverythingOnAndCountsWhatChangesSomething) {
  WriteAndSync("a", "one");                                                 // create, write, sync
  ASSERT_TRUE(files_.CreateDirectories(At("d/e")).ok());                    // 1
  Rename("a", "d/e/b");                                                     // 1
  ASSERT_TRUE((*files_.Append(At("d/e/b")))->Write(AsBytes(" two")).ok());  // append, write
  SyncDirectory("d/e");                                                     // 1
  EXPECT_EQ(AsText(files_.Map(At("d/e/b"))->bytes()), "one two");
  EXPECT_EQ(files_.List(At("d"))->size(), 1u);
  EXPECT_TRUE((*files_.Stat(At("d/e")))->is_directory);
  EXPECT_TRUE(files_.Lock(At("lock"), LockMode::kExclusive, false).ok());
  ASSERT_TRUE(files_.Remove(At("d/e/b")).ok());  // 1
  EXPECT_EQ(files_.operations(), 9);
  EXPECT_FALSE(files_.failure());
}

TEST_F(FaultyFileSystemTest, FailsTheChosenOperationOnlyAndNamesIt) {
  files_.FailOperation(2, {.code = ErrorCode::kExhausted});
  const auto file = Create("a");
  const Status failed = file->Write(AsBytes("lost"));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(files_.failure(), "write to " + At("a").string());
  EXPECT_EQ(OnDisk("a"), "");
  EXPECT_TRUE(file->Write(AsBytes("kept")).ok());
  EXPECT_EQ(OnDisk("a"), "kept");
}

TEST_F(FaultyFileSystemTest, EveryKindOfChangeCanFailAndThenChangesNothing) {
  WriteAndSync("a", "a");
  const auto file = files_.Append(At("a"));
  const std::function<Status()> changes[] = {
      [&]() -> Status {
        ASHLAR_TRY(files_.Create(At("b")));
        return {};
      },
      [&]() -> Status {
        ASHLAR_TRY(files_.Append(At("b")));
        return {};
      },
      [&] { return (*file)->Write(AsBytes("x")); },
      [&] { return (*file)->Sync(); },
      [&] { return files_.Rename(At("a"), At("b")); },
      [&] { return files_.Remove(At("a")); },
      [&] { return files_.CreateDirectories(At("b")); },
      [&] { return files_.SyncDirectory(At("")); },
  };
  for (const auto& change : changes) {
    files_.FailOperation(1);
    EXPECT_FALSE(change().ok());
    EXPECT_TRUE(files_.failure());
    EXPECT_EQ(OnDisk("a"), "a");
    EXPECT_FALSE(std::filesystem::exists(At("b")));
  }
}

TEST_F(FaultyFileSystemTest, AHalfWrittenWriteLeavesItsFirstHalf) {
  files_.FailOperation(2, {.half_written = true});
  EXPECT_FALSE(Create("a")->Write(AsBytes("123456")).ok());
  EXPECT_EQ(OnDisk("a"), "123");
}

TEST_F(FaultyFileSystemTest, AfterACrashEverythingFailsUntilRestart) {
  const auto file = Create("a");
  files_.FailOperation(1, {.after = After::kCrash});
  EXPECT_FALSE(file->Write(AsBytes("x")).ok());
  EXPECT_FALSE(file->Write(AsBytes("x")).ok());
  EXPECT_FALSE(files_.Map(At("a")).ok());
  EXPECT_FALSE(files_.Stat(At("a")).ok());
  EXPECT_FALSE(files_.List(At("")).ok());
  EXPECT_FALSE(files_.Lock(At("lock"), LockMode::kShared, false).ok());
  EXPECT_EQ(files_.operations(), 2);
  files_.Restart();
  EXPECT_TRUE(files_.Map(At("a")).ok());
  EXPECT_FALSE(file->Write(AsBytes("x")).ok()) << "the process that opened it is dead";
  Write("b", "y");
}

TEST_F(FaultyFileSystemTest, ARestartKeepsWhatWasNeverSynced) {
  Write("a", "text");
  files_.Restart();
  EXPECT_EQ(OnDisk("a"), "text");
}

TEST_F(FaultyFileSystemTest, PowerLossCutsAFileToWhatWasSynced) {
  const auto file = Create("a");
  SyncDirectory();
  ASSERT_TRUE(file->Write(AsBytes("safe")).ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(file->Write(AsBytes(" lost")).ok());
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("a"), "safe");
}

TEST_F(FaultyFileSystemTest, PowerLossCutsAppendedBytesButNotThoseThatWereThereBefore) {
  ASSERT_TRUE((*RealFileSystem().Create(At("a")))->Write(AsBytes("old")).ok());
  ASSERT_TRUE((*files_.Append(At("a")))->Write(AsBytes(" new")).ok());
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("a"), "old");
}

TEST_F(FaultyFileSystemTest, AFailedSyncSavesNothing) {
  const auto file = Create("a");
  SyncDirectory();
  ASSERT_TRUE(file->Write(AsBytes("x")).ok());
  files_.FailOperation(1);
  ASSERT_FALSE(file->Sync().ok());
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("a"), "");
}

TEST_F(FaultyFileSystemTest, PowerLossTakesAFileWhoseDirectoryWasNotSynced) {
  WriteAndSync("a", "text");
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("a"), "absent");
}

TEST_F(FaultyFileSystemTest, SyncedInEveryWayAFileSurvivesPowerLoss) {
  WriteAndSync("a.tmp", "text");
  Rename("a.tmp", "a");
  SyncDirectory();
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("a"), "text");
  EXPECT_EQ(OnDisk("a.tmp"), "absent");
}

TEST_F(FaultyFileSystemTest, PowerLossUndoesARenameAndBringsBackWhatItReplaced) {
  WriteAndSync("index", "old");
  SyncDirectory();
  WriteAndSync("index.tmp", "new");
  Rename("index.tmp", "index");
  EXPECT_EQ(OnDisk("index"), "new");
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("index"), "old");
  EXPECT_EQ(OnDisk("index.tmp"), "absent");
}

TEST_F(FaultyFileSystemTest, ARenameOfUnsyncedBytesSurvivesWithoutTheBytes) {
  Write("index.tmp", "never synced");
  Rename("index.tmp", "index");
  SyncDirectory();
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("index"), "");
}

TEST_F(FaultyFileSystemTest, PowerLossBringsBackARemovedFile) {
  WriteAndSync("a", "text");
  SyncDirectory();
  ASSERT_TRUE(files_.Remove(At("a")).ok());
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("a"), "text");
  ASSERT_TRUE(files_.Remove(At("a")).ok());
  SyncDirectory();
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("a"), "absent");
}

TEST_F(FaultyFileSystemTest, PowerLossTakesANewDirectoryWithAllThatIsInIt) {
  ASSERT_TRUE(files_.CreateDirectories(At("d/e")).ok());
  WriteAndSync("d/e/a", "text");
  SyncDirectory("d/e");
  SyncDirectory("d");  // but not the directory that holds d
  files_.SimulatePowerLoss();
  EXPECT_FALSE(std::filesystem::exists(At("d")));
}

TEST_F(FaultyFileSystemTest, ANewDirectorySyncedWithEveryParentSurvivesPowerLoss) {
  ASSERT_TRUE(files_.CreateDirectories(At("d/e")).ok());
  WriteAndSync("d/e/a", "text");
  for (const char* name : {"d/e", "d", ""}) {
    SyncDirectory(name);
  }
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("d/e/a"), "text");
}

TEST_F(FaultyFileSystemTest, SyncingOneDirectorySyncsNoOther) {
  ASSERT_TRUE(files_.CreateDirectories(At("d")).ok());
  SyncDirectory();
  WriteAndSync("d/a", "a");
  WriteAndSync("b", "b");
  SyncDirectory();
  files_.SimulatePowerLoss();
  EXPECT_EQ(OnDisk("d/a"), "absent");
  EXPECT_EQ(OnDisk("b"), "b");
}

TEST_F(FaultyFileSystemTest, AMappedFileStaysReadableThroughPowerLoss) {
  Write("a", "unsynced");
  const auto mapped = files_.Map(At("a"));
  files_.SimulatePowerLoss();
  EXPECT_EQ(AsText(mapped->bytes()), "unsynced");
}

}  // namespace
}  // namespace ashlar
