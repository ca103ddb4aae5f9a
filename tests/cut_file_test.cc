// A file that somebody cuts short while it is read is found out: an error, no crash, and nothing
// that was made of what is no longer there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/graph/derive.h"
#include "ashlar/store/housekeeping.h"
#include "tests/support/imported.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;

enum class Loss { kAllBytes, kTheLastByte };

// The real files, of which the n-th that is mapped loses bytes right after that.
class CuttingFiles final : public FileSystem {
 public:
  CuttingFiles(int nth, Loss loss) : left_(nth), loss_(loss) {}
  // The file that was cut, if any.
  const Path& cut() const { return cut_; }

  Result<MappedFile> Map(const Path& path) override {
    ASHLAR_TRY(MappedFile file, real_.Map(path));
    if (--left_ == 0) {
      cut_ = path;
      const auto size = loss_ == Loss::kAllBytes ? 0 : std::filesystem::file_size(path) - 1;
      EXPECT_EQ(::truncate(path.c_str(), static_cast<off_t>(size)), 0);
    }
    return file;
  }
  Result<std::unique_ptr<WritableFile>> Create(const Path& path) override {
    return real_.Create(path);
  }
  Result<std::unique_ptr<WritableFile>> Append(const Path& path) override {
    return real_.Append(path);
  }
  Status Rename(const Path& from, const Path& to) override { return real_.Rename(from, to); }
  Status Remove(const Path& path) override { return real_.Remove(path); }
  Status CreateDirectories(const Path& path) override { return real_.CreateDirectories(path); }
  Status SyncDirectory(const Path& path) override { return real_.SyncDirectory(path); }
  Result<std::vector<DirectoryEntry>> List(const Path& path) override { return real_.List(path); }
  Result<std::optional<DirectoryEntry>> Stat(const Path& path) override { return real_.Stat(path); }
  Result<std::unique_ptr<FileLock>> Lock(const Path& path, LockMode mode, bool wait) override {
    return real_.Lock(path, mode, wait);
  }

 private:
  FileSystem& real_ = RealFileSystem();
  int left_;
  Loss loss_;
  Path cut_;
};

class CutFile : public ::testing::Test {
 protected:
  void SetUp() override { WriteModel(testing::MakeTinyModel({}), model()); }
  Path model() const { return directory_ / "model"; }
  Path weights() const { return model() / "model.safetensors"; }
  Path output() const { return directory_ / "tiny.gguf"; }

  // Runs `verb` on a store with a network "tiny", as often as it maps files, and cuts another one
  // each time.
  void CutEachFileOf(const std::function<Status(BlobStore&)>& verb, Loss loss = Loss::kAllBytes) {
    const Path whole = directory_ / "whole";
    {
      const auto store = *OpenDiskStore(whole);
      Catalog catalog(*store, AllKinds());
      const auto imported = ImportHuggingFace(model(), "tiny", catalog);
      ASSERT_TRUE(imported.ok()) << imported.error().message;
    }
    const Path copy = directory_ / "copy";
    for (int nth = 1;; ++nth) {
      std::filesystem::remove_all(copy);
      std::filesystem::copy(whole, copy, std::filesystem::copy_options::recursive);
      CuttingFiles files(nth, loss);
      const auto run = [&]() -> Status {
        ASHLAR_TRY(const auto store, OpenDiskStore(copy, {.create = false}, files));
        return verb(*store);
      };
      const Status status = run();
      if (files.cut().empty()) {
        EXPECT_TRUE(status.ok()) << status.error().message;
        EXPECT_GT(nth, 10);
        return;
      }
      EXPECT_FALSE(status.ok()) << files.cut() << " was cut when it was file " << nth;
      if (!status.ok()) {
        EXPECT_EQ(status.error().code, ErrorCode::kCorrupt) << status.error().message;
      }
    }
  }

  TempDirectory directory_;
};

TEST_F(CutFile, IsFoundByImport) {
  const auto size = std::filesystem::file_size(weights());
  // To nothing, to some pages, and within the last page, which reads as zeros without a fault.
  for (const std::uintmax_t left : {std::uintmax_t{0}, size / 2, size - 1}) {
    SCOPED_TRACE(left);
    testing::Library library;
    bool cut = false;
    const auto report =
        ImportHuggingFace(model(), "tiny", library.catalog(), [&](const ImportProgress&) {
          if (!std::exchange(cut, true)) {
            EXPECT_EQ(::truncate(weights().c_str(), static_cast<off_t>(left)), 0);
          }
        });
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::kConflict);
    EXPECT_THAT(report.error().message, HasSubstr("model.safetensors was cut short while it was"));
    EXPECT_TRUE(library.store().ReadTags()->empty());
    WriteModel(testing::MakeTinyModel({}), model());
    library.Import(model(), "tiny");
  }
}

TEST_F(CutFile, IsFoundByEncode) {
  for (const Loss loss : {Loss::kAllBytes, Loss::kTheLastByte}) {
    CutEachFileOf(
        [](BlobStore& store) -> Status {
          Catalog catalog(store, AllKinds());
          const TransformStep step{*FindTransform("encode"), {{"codec", "q8"}}};
          ASHLAR_TRY(Derive(catalog, "tiny-q8", "tiny", {&step, 1}));
          return {};
        },
        loss);
  }
}

TEST_F(CutFile, IsFoundByExport) {
  CutEachFileOf([&](BlobStore& store) -> Status {
    std::filesystem::remove(output());
    ASHLAR_TRY(const Network network, Catalog(store, AllKinds()).Load("tiny"));
    const auto report = ExportGguf(network, "tiny", store, output());
    EXPECT_EQ(report.ok(), std::filesystem::exists(output()));
    ASHLAR_TRY(report);
    return {};
  });
}

TEST_F(CutFile, IsFoundByFsck) {
  CutEachFileOf([](BlobStore& store) -> Status {
    ASHLAR_TRY(const FsckReport report, CheckStore(store, {.quarantine = false}));
    return report.damage.empty() ? Status() : Corrupt("{}", report.damage.front().what);
  });
}

}  // namespace
}  // namespace ashlar
