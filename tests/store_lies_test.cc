// Every lie that a store can tell gives its named error through the real command line, from every
// verb that meets it.
#include <fstream>

#include "ashlar/base/temp_directory.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/kinds/cpu_kind.h"
#include "tests/support/lies.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;
using testing::ExpectNamedError;
using testing::HonestModel;
using testing::ReplaceText;
using testing::WriteText;

// Rewrites the manifests of a network bottom up, so that every digest is right and only what they
// say is a lie.
class LyingStore {
 public:
  explicit LyingStore(const Path& root)
      : store_(*OpenDiskStore(root)), catalog_(*store_, AllKinds()) {}

  Network Honest(const std::string& name) const { return *catalog_.Load(name); }

  // The network `name` with its own manifest edited.
  void EditNetwork(const std::string& name, const std::function<void(std::string&)>& edit) {
    EditPart(name, Honest(name).digest(), edit);
  }
  // The same with the manifest of the block of node `node` edited.
  void EditBlock(const std::string& name, int node, const std::function<void(std::string&)>& edit) {
    EditPart(name, Honest(name).nodes[node].block, edit);
  }
  // A blob of the same size as what the first tensor of that block lies in, full of `byte`.
  void FillBlob(const std::string& name, int node, char byte) {
    const Network network = Honest(name);
    const Level level = network.BlockOf(node).tensors.begin()->second.levels.front();
    const std::string bytes(*store_->Stat(level.blob).operator*(), byte);
    const Digest blob = *store_->Put(AsBytes(bytes));
    EditBlock(name, node, [&](std::string& manifest) {
      ReplaceText(manifest, level.blob.ToString(), blob.ToString());
    });
  }

 private:
  std::string TextOf(const Digest& digest) const {
    const Blob blob = *store_->Get(digest);
    return std::string(AsText(blob.bytes()));
  }

  // Stores `text` in the place of `from`, then whatever names `from` with the new digest and size,
  // up to the tag.
  void EditPart(const std::string& tag, const Digest& from,
                const std::function<void(std::string&)>& edit) {
    std::string text = TextOf(from);
    edit(text);
    // From each original manifest, its digest now; until nothing that it names changes any more.
    std::map<std::string, std::string> renamed = {{from.ToString(), Put(text)}};
    const Digest root = store_->ReadTags()->at(tag).digest;
    const std::vector<BlobInfo> originals = *store_->List();
    for (bool again = true; again;) {
      again = false;
      for (const BlobInfo& blob : originals) {
        const std::string name = blob.digest.ToString();
        if (blob.size > kLargestManifest || blob.digest == from) {
          continue;
        }
        const std::string original = TextOf(blob.digest);
        std::string content = original;
        for (const auto& [before, after] : renamed) {
          for (std::size_t at; (at = content.find(before)) != std::string::npos;) {
            content.replace(at, before.size(), after);
          }
        }
        if (content != original) {
          std::string& now = renamed[name];
          const std::string put = Put(WithSizes(content));
          again |= put != now;
          now = put;
        }
      }
    }
    const Digest new_root = *Digest::Parse(renamed.at(root.ToString()));
    ASSERT_TRUE(store_
                    ->UpdateTags([&](Tags& tags) -> Status {
                      tags[tag].digest = new_root;
                      tags[tag].size = **store_->Stat(new_root);
                      return {};
                    })
                    .ok());
  }

  static constexpr std::uint64_t kLargestManifest = 1 << 16;

  std::string Put(const std::string& text) { return store_->Put(AsBytes(text))->ToString(); }

  // Descriptors in an OCI document with the sizes that their blobs have now.
  std::string WithSizes(const std::string& text) const {
    Json json = *ParseJson(text);
    SetSizes(json);
    return CanonicalJson(json);
  }
  void SetSizes(Json& json) const {
    if (Json::Array* array = json.array()) {
      for (Json& item : *array) {
        SetSizes(item);
      }
    }
    if (Json::Object* object = json.object()) {
      for (auto& [key, value] : *object) {
        SetSizes(value);
      }
      const Json* digest = json.Find("digest");
      if (digest != nullptr && json.Find("size") != nullptr) {
        json.Set("size",
                 static_cast<std::int64_t>(**store_->Stat(*Digest::Parse(*digest->string()))));
      }
    }
  }

  std::unique_ptr<BlobStore> store_;
  Catalog catalog_;
};

struct StoreLie {
  const char* name;
  int node;  // whose block's manifest lies; -1: the network's
  const char* from;
  const char* to;
  const char* error;
};
void PrintTo(const StoreLie& lie, std::ostream* os) {
  *os << lie.name;
}

class StoreLies : public ::testing::TestWithParam<StoreLie> {};

TEST_P(StoreLies, AreNamedByEveryVerbThatReadsThem) {
  const StoreLie& lie = GetParam();
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  HonestModel().Write(directory.path());
  ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
  const auto edit = [&](std::string& manifest) { ReplaceText(manifest, lie.from, lie.to); };
  if (lie.node < 0) {
    LyingStore(ashlar.store()).EditNetwork("net", edit);
  } else {
    LyingStore(ashlar.store()).EditBlock("net", lie.node, edit);
  }
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"show", "net"},
        {"run", "net", "-p", "x"},
        {"derive", "new", "--from", "net", "drop", "--layers", "0"}}) {
    ExpectNamedError(ashlar(words), 1, lie.error);
  }
  const CommandResult fsck = ashlar({"fsck", "--keep"});
  EXPECT_EQ(fsck.signal, 0) << ::testing::PrintToString(fsck);
}

const StoreLie kStoreLies[] = {
    {"a_cycle", -1, R"("inputs":{"x":[[0,"1"]]})", R"("inputs":{"x":[[2,"1"]]})", "node"},
    {"reads_itself", -1, R"("inputs":{"x":[[0,"1"]]})", R"("inputs":{"x":[[1,"1"]]})", "node"},
    {"reads_a_node_that_is_not", -1, R"([[0,"1"]])", R"([[99999999,"1"]])", "99999999"},
    {"coefficient_is_nan", -1, R"([[0,"1"]])", R"([[0,"NaN"]])", "NaN"},
    {"network_of_another_version", -1, R"("schema":1)", R"("schema":9)", "schema"},
    {"network_with_an_unknown_field", -1, R"("schema":1)", R"("sample":2,"schema":1)", "sample"},
    {"block_digest_is_a_path", -1, R"("block":"sha256:)", R"("block":"../../x)", "../../x"},
    {"vocabulary_that_the_head_has_not", -1, R"("type":"network")",
     R"("type":"network","vocabulary":4000)", "4000"},
    {"layer_is_text", -1, R"("layer":0)", R"("layer":"0")", "layer"},
    {"unknown_kind", 2, R"("kind":"mlp")", R"("kind":"mlq")", "mlq"},
    {"block_of_another_version", 2, R"("schema":1)", R"("schema":2)", "schema"},
    {"unknown_codec", 2, R"("f32.1")", R"("f33.1")", "f33.1"},
    {"unknown_attribute", 2, R"("channels":96)", R"("channels":96,"depth":3)", "depth"},
    {"absurd_width", 2, R"("channels":96)", R"("channels":9007199254740991)", "channels"},
    {"eps_is_nan", 2, R"("norm_eps":"0.00001")", R"("norm_eps":"NaN")", "norm_eps"},
    {"widths_that_disagree", 2, R"("channels":96)", R"("channels":64)",
     "tensor \"gate\" has shape [96, 64], and the block's attributes make it [64, 64]"},
    {"tensor_of_another_shape", 2, R"("shape":[96,64])", R"("shape":[64,96])", "64"},
    {"tensor_past_the_end_of_its_blob", 2, R"("offset":0)", R"("offset":9007199254740991)", ""},
    {"digest_is_a_path", 2, R"("sha256:)", R"("../../)", "../../"},
};
INSTANTIATE_TEST_SUITE_P(OfManifests, StoreLies, ::testing::ValuesIn(kStoreLies),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(StoreLies, AnIndexThatNamesAPathIsRefused) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  HonestModel().Write(directory.path());
  ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
  const std::string honest = *ReadTextFile(ashlar.store() / "index.json");
  const std::pair<const char*, std::string> lies[] = {
      {"digest", "../../x"},
      {"digest", "sha256:../../../../etc/passwd"},
      {"digest", "sha256:" + std::string(64, 'A')},
  };
  for (const auto& [key, digest] : lies) {
    Json index = *ParseJson(honest);
    const_cast<Json*>(index.Find("manifests"))->array()->front().Set(key, digest);
    WriteText(ashlar.store() / "index.json", WriteJson(index));
    for (const char* verb : {"ls", "fsck", "gc"}) {
      const CommandResult result = ashlar({verb});
      EXPECT_EQ(result.exit_code, 1) << verb << " " << ::testing::PrintToString(result);
      EXPECT_NE(result.err.find("digest"), std::string::npos) << result.err;
    }
  }
  WriteText(ashlar.store() / "index.json", "{\"schemaVersion\": 2");
  ExpectNamedError(ashlar({"ls"}), 1, "index.json");
  WriteText(ashlar.store() / "index.json", honest);
  EXPECT_EQ(ashlar({"fsck"}).exit_code, 0);
}

TEST(StoreLies, ScalesThatAreNoNumbersEndTheGenerationAndNotTheProcess) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  for (const std::string codec : {"q8", "q4"}) {
    ASSERT_EQ(ashlar({"encode", "demo", "--as", codec, "--codec", codec}).exit_code, 0);
    LyingStore(ashlar.store()).FillBlob(codec, 18, '\x7f');  // f16 0x7f7f: not a number
    const CommandResult run = ashlar({"run", codec, "-p", "Once", "-n", "4", "--json"});
    EXPECT_EQ(run.exit_code, 1) << ::testing::PrintToString(run);
    EXPECT_NE(run.err.find("logits that are no numbers"), std::string::npos) << run.err;
  }
}

TEST(StoreLies, AFlippedBitIsFoundByFsckAndByALoadThatVerifies) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  const Network network = LyingStore(ashlar.store()).Honest("demo");
  const std::string digest =
      network.BlockOf(5).tensors.begin()->second.levels.front().blob.ToString();
  const Path blob = ashlar.store() / "blobs/sha256" / digest.substr(7);
  std::filesystem::permissions(blob, std::filesystem::perms(0644));
  {
    std::fstream file(blob, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(10'000);
    const char byte = static_cast<char>(file.peek() ^ 1);
    file.seekp(10'000);
    file.put(byte);
  }
  ExpectNamedError(ashlar({"run", "demo", "-p", "Once", "-n", "1", "--verify"}), 1, digest);
  const CommandResult fsck = ashlar({"fsck"});
  EXPECT_EQ(fsck.exit_code, 1);
  EXPECT_NE(fsck.out.find(digest), std::string::npos) << fsck.out;
  EXPECT_NE(fsck.out.find("hurts demo"), std::string::npos) << fsck.out;
  // Importing again mends it.
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "demo"}).exit_code, 0);
  EXPECT_EQ(ashlar({"fsck"}).exit_code, 0);
}

// One damaged network among three: the others are listed, found, run and collected as before.
TEST(StoreLies, DamageOfOneNetworkIsShownAndHurtsNoOther) {
  enum class Harm { kFlipped, kCut, kLost };
  for (const Harm harm : {Harm::kFlipped, Harm::kCut, Harm::kLost}) {
    TempDirectory directory;
    const Ashlar ashlar(directory / "store");
    HonestModel().Write(directory.path());
    ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
    for (const char* name : {"cut", "whole"}) {
      const std::string form = name == std::string("cut") ? "parallel" : "ladder";
      ASSERT_EQ(ashlar({"derive", name, "--from", "net", "rewire", "--form", form}).exit_code, 0);
    }
    const Digest index = OpenDiskStore(ashlar.store()).operator*()->ReadTags()->at("cut").digest;
    const Path blob = ashlar.store() / "blobs/sha256" / index.Hex();
    std::filesystem::permissions(blob, std::filesystem::perms(0644));
    if (harm == Harm::kLost) {
      std::filesystem::remove(blob);
    } else {
      std::string text = *ReadTextFile(blob);
      harm == Harm::kCut ? text.resize(text.size() / 2) : void(text[text.size() / 2] ^= 1);
      WriteText(blob, text);
    }

    const CommandResult text = ashlar({"ls"});
    EXPECT_EQ(text.exit_code, 1) << ::testing::PrintToString(text);
    EXPECT_NE(text.err.find("\"cut\" is damaged: "), std::string::npos) << text.err;
    EXPECT_NE(text.err.find(index.Hex()), std::string::npos) << text.err;
    EXPECT_NE(text.out.find("damaged"), std::string::npos) << text.out;
    const CommandResult json = ashlar({"ls", "--json"});
    EXPECT_EQ(json.exit_code, 1);
    const Json list = *ParseJson(json.out);
    ASSERT_EQ(list.array()->size(), 3u);
    for (const Json& entry : *list.array()) {
      const bool hurt = *entry.Find("name")->string() == "cut";
      EXPECT_EQ(entry.Find("error") != nullptr, hurt);
      EXPECT_EQ(entry.Find("digest")->is_null(), hurt);
    }
    EXPECT_EQ(*ParseJson(json.err)->Find("error")->Find("code")->string(), "corrupt");

    const std::string digest = *list.array()->at(2).Find("digest")->string();
    EXPECT_EQ(ashlar({"show", digest}).exit_code, 0);
    EXPECT_EQ(ashlar({"show", "cut"}).exit_code, 1);
    EXPECT_EQ(ashlar({"gc"}).exit_code, 1);  // what the damaged one keeps is unknown
    EXPECT_EQ(ashlar({"rm", "cut"}).exit_code, 0);
    EXPECT_EQ(ashlar({"ls"}).exit_code, 0);
    EXPECT_EQ(ashlar({"gc"}).exit_code, 0);
    EXPECT_EQ(ashlar({"show", "whole"}).exit_code, 0);
  }
}

}  // namespace
}  // namespace ashlar
