// What a store on disk has after a fault: for every verb and every n, the n-th operation that
// changes something fails, and then the process goes on, dies, or the machine loses power.
//
// The rule is one: all that was acknowledged is there, nothing is half there, and the store works.
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/faulty_file_system.h"
#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

// What a user was told, and what must therefore hold.
class Ledger {
 public:
  Digest Note(const Result<Digest>& put) {
    if (put.ok()) {
      blobs_.insert(*put);
      return *put;
    }
    return NoteFailure(put.error()), Digest();
  }
  void NoteTag(const std::string& name, const std::optional<Descriptor>& descriptor,
               const Status& updated) {
    std::set<std::string>& possible = tags_[name];
    if (updated.ok()) {
      possible.clear();
    } else {
      // It may or may not have happened.
      possible.insert(Spell(std::nullopt));
      NoteFailure(updated.error());
    }
    possible.insert(Spell(descriptor));
  }
  // The tags as they are before anything else happens to them.
  void NoteStandingTags(const BlobStore& store) {
    if (const Result<Tags> tags = store.ReadTags(); tags.ok()) {
      for (const auto& [name, descriptor] : *tags) {
        tags_[name].insert(Spell(descriptor));
      }
    }
  }
  void NoteFailure(const Error& error) { errors_.push_back(error); }

  const std::vector<Error>& errors() const { return errors_; }

  void ExpectHeldBy(BlobStore& store) const {
    for (const Digest& digest : blobs_) {
      const Result<Blob> blob = store.Get(digest);
      ASSERT_TRUE(blob.ok()) << "lost " << blob.error().message;
      EXPECT_EQ(Failure(Verify(digest, *blob)), "");
    }
    const Tags tags = Must(store.ReadTags());
    for (const auto& [name, possible] : tags_) {
      const auto found = tags.find(name);
      const std::string now =
          Spell(found == tags.end() ? std::nullopt : std::optional(found->second));
      EXPECT_TRUE(possible.contains(now)) << "the tag " << name << " is " << now;
    }
  }

 private:
  static std::string Spell(const std::optional<Descriptor>& descriptor) {
    return descriptor ? WriteJson(descriptor->ToJson()) : "absent";
  }

  std::set<Digest> blobs_;
  std::map<std::string, std::set<std::string>> tags_;  // what each may be
  std::vector<Error> errors_;
};

struct Verb {
  const char* name;
  // On sound files, before the fault.
  void (*prepare)(BlobStore& store, const Path& root);
  // Under the fault.
  void (*act)(BlobStore& store, Ledger& ledger);
};
void PrintTo(const Verb& verb, std::ostream* out) {
  *out << verb.name;
}

const std::string kStone(3000, 's');
const std::string kBrick(2000, 'b');

void PrepareNothing(BlobStore&, const Path&) {}

// The manifest that tests tag, and its parts.
Descriptor NewManifest(BlobStore& store, Ledger& ledger, const std::string& layer) {
  ledger.Note(store.Put(AsBytes(layer)));
  ledger.Note(store.Put(AsBytes(kOciEmptyBlob)));
  const std::string text = WriteOciManifest(
      {.config = OciEmptyDescriptor(),
       .layers = {{.media_type = "a/b", .digest = Sha256(layer), .size = layer.size()}}});
  ledger.Note(store.Put(AsBytes(text)));
  return {.media_type = std::string(kOciManifest), .digest = Sha256(text), .size = text.size()};
}

// As an import does it: under a lease, blobs first, the tag last and only when all went well.
void Import(BlobStore& store, Ledger& ledger, const std::string& name, const std::string& layer) {
  const auto lease = store.BeginWriting();
  if (!lease.ok()) {
    return ledger.NoteFailure(lease.error());
  }
  const std::size_t errors_before = ledger.errors().size();
  const Descriptor manifest = NewManifest(store, ledger, layer);
  if (ledger.errors().size() == errors_before) {
    ledger.NoteTag(name, manifest, SetTag(store, name, manifest));
  }
}

void PrepareLab(BlobStore& store, const Path&) {
  Ledger ledger;
  Import(store, ledger, "lab", kStone);
  CHECK(ledger.errors().empty());
}

constexpr Verb kVerbs[] = {
    {"put", PrepareNothing,
     [](BlobStore& store, Ledger& ledger) { ledger.Note(store.Put(AsBytes(kStone))); }},
    {"put_existing", PrepareLab,
     [](BlobStore& store, Ledger& ledger) { ledger.Note(store.Put(AsBytes(kStone))); }},
    {"tag_what_is_there", PrepareNothing,
     [](BlobStore& store, Ledger& ledger) {
       // As an import that finds its blob here and need not put it.
       const auto found = store.Stat(Sha256(kStone));
       if (found.ok() && !found->has_value()) {
         ledger.Note(store.Put(AsBytes(kStone)));
       }
       if (ledger.errors().empty() || (found.ok() && found->has_value())) {
         const Descriptor stone{
             .media_type = "a/b", .digest = Sha256(kStone), .size = kStone.size()};
         ledger.NoteTag("stone", stone, SetTag(store, "stone", stone));
       }
     }},
    {"put_in_pieces", PrepareNothing,
     [](BlobStore& store, Ledger& ledger) {
       const auto writer = store.NewBlob();
       if (!writer.ok()) {
         return ledger.NoteFailure(writer.error());
       }
       bool all_written = true;
       for (int piece = 0; piece < 3; ++piece) {
         all_written = (*writer)->Write(AsBytes(kStone)).ok() && all_written;
       }
       // A writer that failed says so again, however often it is asked.
       const Result<Digest> digest = (*writer)->Commit();
       EXPECT_TRUE(!digest.ok() || all_written);
       ledger.Note(digest);
     }},
    {"import", PrepareNothing,
     [](BlobStore& store, Ledger& ledger) { Import(store, ledger, "new", kBrick); }},
    {"retag", PrepareLab,
     [](BlobStore& store, Ledger& ledger) {
       ledger.NoteStandingTags(store);
       Import(store, ledger, "other", kBrick);
       Import(store, ledger, "other", kStone);
     }},
    {"untag", PrepareLab,
     [](BlobStore& store, Ledger& ledger) {
       ledger.NoteStandingTags(store);
       ledger.NoteTag("lab", std::nullopt, RemoveTag(store, "lab"));
     }},
    {"gc",
     [](BlobStore& store, const Path& root) {
       PrepareLab(store, root);
       PutText(store, "garbage");
       PutText(store, "more garbage");
       WriteAll(root / "ashlar" / "tmp" / "left-by-the-dead", "half a blo");
     },
     [](BlobStore& store, Ledger& ledger) {
       ledger.NoteStandingTags(store);
       ledger.Note(Sha256(kStone));
       if (const auto report = CollectGarbage(store, Gc::kRemove); !report.ok()) {
         ledger.NoteFailure(report.error());
       }
     }},
    {"fsck",
     [](BlobStore& store, const Path& root) {
       PrepareLab(store, root);
       FlipBit(root / "blobs" / "sha256" / PutText(store, kBrick).digest.Hex(), 77);
     },
     [](BlobStore& store, Ledger& ledger) {
       ledger.NoteStandingTags(store);
       const auto report = CheckStore(store, {});
       if (!report.ok()) {
         return ledger.NoteFailure(report.error());
       }
       EXPECT_LE(report->damage.size(), 1u);
       if (report->quarantine_error) {
         ledger.NoteFailure(*report->quarantine_error);
       }
     }},
};

enum class Aftermath {
  kGoesOn,
  kProcessDies,
  kPowerFails,
  kProcessDiesThenAnotherDoesItThenPowerFails
};

struct Hazard {
  const char* name;
  Aftermath aftermath;
  ErrorCode code = ErrorCode::kIo;
  bool half_written = false;
};
void PrintTo(const Hazard& hazard, std::ostream* out) {
  *out << hazard.name;
}

constexpr Hazard kHazards[] = {
    {"io_error", Aftermath::kGoesOn},
    {"short_write", Aftermath::kGoesOn, ErrorCode::kIo, true},
    {"disk_full", Aftermath::kGoesOn, ErrorCode::kExhausted, true},
    {"process_dies", Aftermath::kProcessDies, ErrorCode::kIo, true},
    {"power_fails", Aftermath::kPowerFails, ErrorCode::kIo, true},
    {"dies_then_another_acknowledges_then_power_fails",
     Aftermath::kProcessDiesThenAnotherDoesItThenPowerFails},
};

class DiskStoreFaults : public testing::TestWithParam<std::tuple<Verb, Hazard>> {};

INSTANTIATE_TEST_SUITE_P(, DiskStoreFaults,
                         testing::Combine(testing::ValuesIn(kVerbs), testing::ValuesIn(kHazards)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param).name,
                                              std::get<1>(info.param).name);
                         });

// Whatever happened: the store opens, holds what it must, holds nothing half, and works.
void ExpectSound(FileSystem& files, const Path& root, const Ledger& ledger) {
  const auto store = OpenDiskStore(root, {}, files);
  ASSERT_TRUE(store.ok()) << store.error().message;
  ASSERT_NO_FATAL_FAILURE(ledger.ExpectHeldBy(**store));
  // The one blob that `fsck` was prepared with may still be damaged; nothing else is.
  const FsckReport report = Must(CheckStore(**store, {}));
  for (const Damage& damage : report.damage) {
    EXPECT_EQ(damage.digest, Sha256(kBrick)) << damage.what;
    EXPECT_TRUE(damage.quarantined);
  }
  Ledger after;
  Import(**store, after, "afterwards", "a new layer");
  EXPECT_TRUE(after.errors().empty());
  Must(CollectGarbage(**store, Gc::kRemove));
  after.ExpectHeldBy(**store);
  EXPECT_TRUE(std::filesystem::is_empty(root / "ashlar" / "tmp"));
  EXPECT_TRUE(Must(CheckStore(**store, {})).damage.empty());
}

// The errors that a user saw, against the operation that failed.
void ExpectHonest(const std::string& failed, const Hazard& hazard, const Ledger& ledger) {
  // A temporary file that cannot be removed harms nobody: gc will. Removing blobs is what gc is
  // for.
  if (failed.starts_with("remove ") && failed.find("/tmp/") != std::string::npos &&
      ledger.errors().empty()) {
    return;
  }
  ASSERT_FALSE(ledger.errors().empty()) << "nobody was told: " << failed;
  EXPECT_NE(ledger.errors().front().message.find("injected fault"), std::string::npos)
      << ledger.errors().front().message;
  if (hazard.code == ErrorCode::kExhausted) {
    EXPECT_EQ(ledger.errors().front().code, ErrorCode::kExhausted);
    EXPECT_NE(ledger.errors().front().message.find("bytes are free on the disk"), std::string::npos)
        << ledger.errors().front().message;
  }
}

TEST_P(DiskStoreFaults, NothingAcknowledgedIsLostAndNothingIsHalfThere) {
  const auto& [verb, hazard] = GetParam();
  int n = 1;
  for (;; ++n) {
    SCOPED_TRACE(fmt::format("operation {} fails", n));
    const TemporaryDirectory directory;
    const Path root = directory.path() / "store";
    verb.prepare(*Must(OpenDiskStore(root)), root);

    FaultyFileSystem files(RealFileSystem());
    Ledger ledger;
    {
      const auto store = Must(OpenDiskStore(root, {}, files));
      files.FailOperation(
          n, {.code = hazard.code,
              .after = hazard.aftermath == Aftermath::kGoesOn ? FaultyFileSystem::After::kContinue
                                                              : FaultyFileSystem::After::kCrash,
              .half_written = hazard.half_written});
      verb.act(*store, ledger);
    }
    const std::optional<std::string> failed = files.failure();
    if (failed) {
      SCOPED_TRACE(*failed);
      ExpectHonest(*failed, hazard, ledger);
    } else {
      EXPECT_TRUE(ledger.errors().empty()) << ledger.errors().front().message;
    }
    switch (hazard.aftermath) {
      case Aftermath::kGoesOn:
      case Aftermath::kProcessDies:
        files.Restart();
        break;
      case Aftermath::kPowerFails:
        files.SimulatePowerLoss();
        break;
      case Aftermath::kProcessDiesThenAnotherDoesItThenPowerFails:
        files.Restart();
        // What the dead left visible but not durable, the living must not take for granted.
        verb.act(*Must(OpenDiskStore(root, {}, files)), ledger);
        files.SimulatePowerLoss();
        break;
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSound(files, root, ledger)) << failed.value_or("nothing failed");
    if (!failed) {
      break;
    }
  }
  EXPECT_GT(n, 3) << "too few operations for anything to have been tested";
}

// Making the store is a verb too: it can fail at each step, and be made again.
TEST(DiskStoreFaultsWhenMade, AStoreThatWasHalfMadeIsMadeByTheNextOpen) {
  for (const Hazard& hazard : kHazards) {
    for (int n = 1;; ++n) {
      SCOPED_TRACE(fmt::format("{}: operation {} fails", hazard.name, n));
      const TemporaryDirectory directory;
      const Path root = directory.path() / "some" / "where" / "store";
      FaultyFileSystem files(RealFileSystem());
      files.FailOperation(n, {.code = hazard.code,
                              .after = FaultyFileSystem::After::kCrash,
                              .half_written = hazard.half_written});
      const auto made = OpenDiskStore(root, {}, files);
      const bool struck = files.failure().has_value();
      EXPECT_EQ(made.ok(), !struck);
      hazard.aftermath == Aftermath::kPowerFails ? files.SimulatePowerLoss() : files.Restart();
      if (!struck) {
        // It had been acknowledged, so it is there also when nobody may make it.
        EXPECT_EQ(Failure(OpenDiskStore(root, {.create = false}, files)), "");
        break;
      }
      Ledger ledger;
      {
        const auto store = Must(OpenDiskStore(root, {}, files));
        Import(*store, ledger, "lab", kStone);
      }
      files.SimulatePowerLoss();
      ASSERT_NO_FATAL_FAILURE(ExpectSound(files, root, ledger));
    }
  }
}

}  // namespace
}  // namespace ashlar
