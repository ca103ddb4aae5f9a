#include "ashlar/base/output_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

Status WriteWhole(const Path& path, std::string_view text) {
  ASHLAR_TRY(OutputFile file, OutputFile::Create(path));
  ASHLAR_TRY(file.Write(std::as_bytes(std::span(text))));
  return file.Commit();
}

std::string ContentOf(const Path& path) {
  const auto mapped = RealFileSystem().Map(path);
  CHECK(mapped.ok());
  return {reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()};
}

std::size_t FilesIn(const Path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder),
                                                std::filesystem::directory_iterator()));
}

TEST(OutputFile, TakesItsNameWhenItIsWhole) {
  TempDirectory folder;
  ASSERT_TRUE(WriteWhole(folder / "out", "old").ok());
  {
    Result<OutputFile> file = OutputFile::Create(folder / "out");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Write(std::as_bytes(std::span(std::string_view("half")))).ok());
    EXPECT_EQ(ContentOf(folder / "out"), "old");
  }
  EXPECT_EQ(ContentOf(folder / "out"), "old") << "what was not committed leaves no trace";
  ASSERT_TRUE(WriteWhole(folder / "out", "new").ok());
  EXPECT_EQ(ContentOf(folder / "out"), "new");
  EXPECT_EQ(FilesIn(folder.path()), 1u);
}

TEST(OutputFile, OfItsOwnerIsReadByNobodyElse) {
  TempDirectory folder;
  ASSERT_TRUE(WriteWhole(folder / "out", "old").ok());
  {
    Result<OutputFile> file = OutputFile::Create(folder / "out", Readers::kOwner);
    ASSERT_TRUE(file.ok()) << file.error().message;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (entry.path() != folder / "out") {  // what it is written to
        EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0600));
      }
    }
    ASSERT_TRUE(file->Write(std::as_bytes(std::span(std::string_view("new")))).ok());
    ASSERT_TRUE(file->Commit().ok());
  }
  EXPECT_EQ(ContentOf(folder / "out"), "new");
  EXPECT_EQ(std::filesystem::status(folder / "out").permissions(), std::filesystem::perms(0600));
  EXPECT_FALSE(OutputFile::Create(folder / "no" / "out", Readers::kOwner).ok());
}

TEST(OutputFile, ReplacesNothingThatIsNoRegularFile) {
  TempDirectory folder;
  const Path fifo = folder / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const Path& path : {fifo, folder.path()}) {
    const Status status = WriteWhole(path, "x");
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kInvalid);
    EXPECT_NE(status.error().message.find(path.string()), std::string::npos);
    const Status checked = OutputFile::CheckTarget(path);
    ASSERT_FALSE(checked.ok());
    EXPECT_EQ(checked.error().message, status.error().message);
  }
  EXPECT_TRUE(std::filesystem::is_fifo(fifo));
  EXPECT_EQ(FilesIn(folder.path()), 1u);
}

TEST(OutputFile, NamesTheFolderThatThereIsNot) {
  TempDirectory folder;
  ASSERT_TRUE(WriteWhole(folder / "file", "x").ok());
  for (const Path& parent : {folder / "none", folder / "file"}) {
    for (const Status& status :
         {WriteWhole(parent / "out", "x"), OutputFile::CheckTarget(parent / "out")}) {
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
      EXPECT_NE(status.error().message.find("no folder " + parent.string()), std::string::npos)
          << status.error().message;
    }
  }
  EXPECT_EQ(FilesIn(folder.path()), 1u);
}

TEST(OutputFile, CheckedTargetsAreNotMade) {
  TempDirectory folder;
  EXPECT_TRUE(OutputFile::CheckTarget(folder / "new").ok());
  EXPECT_EQ(FilesIn(folder.path()), 0u);
}

TEST(OutputFile, FollowsASymbolicLink) {
  TempDirectory folder;
  ASSERT_TRUE(WriteWhole(folder / "real", "old").ok());
  std::filesystem::create_symlink(folder / "real", folder / "link");
  ASSERT_TRUE(WriteWhole(folder / "link", "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(ContentOf(folder / "real"), "new");
}

}  // namespace
}  // namespace ashlar
