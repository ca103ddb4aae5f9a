#include "ashlar/graph/catalog.h"

#include "ashlar/base/byte_reader.h"
#include "ashlar/graph/derive.h"
#include "ashlar/graph/testing_fixture.h"
#include "ashlar/store/housekeeping.h"
#include "ashlar/store/oci.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MessageOf;
using testing::Must;
using testing::ToyNetwork;

class CatalogTest : public testing::GraphTest {
 protected:
  NetworkInfo InfoOf(std::string_view name) {
    for (const NetworkInfo& info : Must(catalog_.List())) {
      if (info.name == name) {
        return info;
      }
    }
    ADD_FAILURE() << "no network " << name;
    return {};
  }
  void Lose(const Digest& digest) {
    const auto lease = Must(store_->BeginCollecting());
    Must(store_->Remove(digest));
  }
  void Derive(std::string_view name, std::string_view base, const std::string& steps) {
    Must(ashlar::Derive(catalog_, name, base, Must(ParseTransformSteps(testing::Words(steps)))));
  }
};

TEST_F(CatalogTest, ASavedNetworkLoadsByNameAndByDigest) {
  const Network network = ToyNetwork(*store_);
  const Catalog::Saved saved = Must(catalog_.Save(network, "toy", Json::Array{}));
  EXPECT_EQ(saved.digest, network.digest());
  EXPECT_EQ(Must(catalog_.Load("toy")).digest(), network.digest());
  EXPECT_EQ(Must(catalog_.Load(network.digest().ToString())).digest(), network.digest());
  EXPECT_EQ(Must(catalog_.Load("toy")).blocks.size(), network.blocks.size());
}

TEST_F(CatalogTest, SavingAgainAddsNothing) {
  const Network network = ToyNetwork(*store_);
  EXPECT_GT(Must(catalog_.Save(network, "toy", Json::Array{})).added_bytes, 0u);
  EXPECT_EQ(Must(catalog_.Save(network, "toy", Json::Array{})).added_bytes, 0u);
  EXPECT_EQ(Must(catalog_.Save(network, "copy", Json::Array{})).added_bytes, 0u);
}

TEST_F(CatalogTest, EachBlockIsAnOciManifestAndTheNetworkAnIndexOfThem) {
  const Network network = ToyNetwork(*store_);
  Save(network, "toy");
  const Descriptor tag = Must(store_->ReadTags()).at("toy");
  EXPECT_EQ(tag.media_type, kOciIndex);
  EXPECT_EQ(tag.artifact_type, kNetworkArtifact);
  const OciIndex index = Must(ParseOciIndex(AsText(Must(store_->Get(tag.digest)).bytes())));
  EXPECT_EQ(index.manifests.size(), 1 + network.blocks.size());
  const OciManifest self =
      Must(ParseOciManifest(AsText(Must(store_->Get(index.manifests[0].digest)).bytes())));
  EXPECT_EQ(self.config.digest, network.digest());
  ASSERT_EQ(self.layers.size(), 1u);
  EXPECT_EQ(self.layers[0].digest, network.files.at("tokenizer.json").blob);
  EXPECT_THAT(self.layers[0].annotations,
              ElementsAre(std::pair(std::string(kFileAnnotation), "tokenizer.json")));
  const OciManifest block =
      Must(ParseOciManifest(AsText(Must(store_->Get(index.manifests[1].digest)).bytes())));
  EXPECT_EQ(block.artifact_type, kBlockArtifact);
  EXPECT_EQ(block.config.digest, network.nodes[0].block);
  EXPECT_EQ(block.layers.size(), 1u);
  EXPECT_EQ(index.manifests[2].annotations.at(std::string(kNodeAnnotation)), "layers.0.attention");
}

TEST_F(CatalogTest, TheTagReachesEveryBlobAndNothingElseIsKept) {
  Save(ToyNetwork(*store_, {.tied = false}), "toy");
  Must(store_->Put(AsBytes("garbage")));
  const Descriptor root = Must(store_->ReadTags()).at("toy");
  const Reach reach = Must(ReachFrom(*store_, {&root, 1})).front();
  EXPECT_TRUE(reach.missing.empty());
  EXPECT_EQ(reach.blobs.size() + 1, Must(store_->List()).size());
}

TEST_F(CatalogTest, ADerivedNetworkCostsItsManifestsOnly) {
  Save(ToyNetwork(*store_), "toy");
  const NetworkInfo alone = InfoOf("toy");
  EXPECT_EQ(alone.shared_bytes, 0u);
  Derive("half", "toy", "drop --layers 3,4 then slice --channels 75%");
  const NetworkInfo base = InfoOf("toy");
  const NetworkInfo half = InfoOf("half");
  EXPECT_EQ(base.unique_bytes + base.shared_bytes, alone.unique_bytes);
  EXPECT_EQ(base.shared_bytes, half.shared_bytes);
  EXPECT_LT(half.unique_bytes, 16000u);
  EXPECT_LT(half.parameters, base.parameters);
}

TEST_F(CatalogTest, TwoNamesOfOneNetworkShareAllOfIt) {
  Save(ToyNetwork(*store_), "toy");
  const std::uint64_t bytes = InfoOf("toy").unique_bytes;
  Must(catalog_.Tag("toy", "other"));
  EXPECT_EQ(InfoOf("toy").unique_bytes, 0u);
  EXPECT_EQ(InfoOf("toy").shared_bytes, bytes);
  Must(catalog_.Remove({"toy"}));
  EXPECT_EQ(InfoOf("other").unique_bytes, bytes);
}

TEST_F(CatalogTest, ProvenanceGrowsByOneStepPerTransform) {
  Must(catalog_.Save(ToyNetwork(*store_), "toy", Json::Array{Json::Of({{"transform", "import"}})}));
  Must(catalog_.Save(ToyNetwork(*store_, {.seed = 2}), "other", Json::Array{}));
  Derive("derived", "toy", "drop --layers 3 then swap --layers 0 --with other");
  const std::string toy = Must(catalog_.Load("toy")).digest().ToString();
  const std::string dropped =
      Derived(Must(catalog_.Load("toy")), "drop --layers 3").digest().ToString();
  const std::string other = Must(catalog_.Load("other")).digest().ToString();
  EXPECT_EQ(CanonicalJson(Must(catalog_.LoadProvenance("derived"))),
            R"([{"transform":"import"},{"arguments":{"layers":"3"},"from":[")" + toy +
                R"("],"transform":"drop"},{"arguments":{"layers":"0","with":"other"},"from":[")" +
                dropped + R"(",")" + other + R"("],"transform":"swap"}])");
}

TEST_F(CatalogTest, HowANetworkWasDerivedDoesNotChangeItsDigest) {
  Save(ToyNetwork(*store_), "toy");
  Derive("a", "toy", "drop --layers 3 then drop --layers 3");
  Derive("b", "toy", "keep --layers 0-2,5");
  EXPECT_EQ(InfoOf("a").digest, InfoOf("b").digest);
  EXPECT_NE(Must(catalog_.LoadProvenance("a")), Must(catalog_.LoadProvenance("b")));
}

TEST_F(CatalogTest, OverlaysAreSavedAndLoaded) {
  Network network = ToyNetwork(*store_);
  auto overlay = std::make_shared<Overlay>();
  overlay->kind = "lora";
  overlay->parameters["rank"] = 8;
  overlay->targets["up"]["a"] = testing::ToyBlocks(*store_, 3).Tensor({8, 64});
  network.nodes[2].overlays = {overlay->digest()};
  network.overlays[overlay->digest()] = overlay;
  Save(network, "tuned");
  const Network loaded = Must(catalog_.Load("tuned"));
  EXPECT_EQ(loaded.digest(), network.digest());
  EXPECT_EQ(loaded.overlays.at(overlay->digest())->CanonicalManifest(),
            overlay->CanonicalManifest());
}

// ---- Errors

TEST_F(CatalogTest, AnUnknownNameSuggestsNearOnes) {
  EXPECT_EQ(MessageOf(catalog_.Load("lab")), "no network named \"lab\"; there are none");
  Save(ToyNetwork(*store_), "lab");
  Save(ToyNetwork(*store_), "lab-docs");
  EXPECT_EQ(MessageOf(catalog_.Load("lb")), "no network named \"lb\"; did you mean \"lab\"?");
  EXPECT_EQ(MessageOf(catalog_.Load("lab-dosc")),
            "no network named \"lab-dosc\"; did you mean \"lab-docs\" or \"lab\"?");
  EXPECT_EQ(MessageOf(catalog_.Load("zzzzzz")),
            "no network named \"zzzzzz\"; known: lab, lab-docs");
  EXPECT_THAT(MessageOf(catalog_.Remove({"labs"})), HasSubstr("did you mean \"lab\""));
  EXPECT_THAT(MessageOf(catalog_.Tag("labs", "x")), HasSubstr("did you mean \"lab\""));
}

TEST_F(CatalogTest, NamesThatAreNoneAreRefused) {
  const Network network = ToyNetwork(*store_);
  const auto save = [&](std::string_view name) {
    return MessageOf(catalog_.Save(network, name, Json::Array{}));
  };
  EXPECT_NE(save(""), "ok");
  EXPECT_NE(save("../x"), "ok");
  EXPECT_THAT(save(network.digest().ToString()), HasSubstr("are digests"));
  EXPECT_NE(MessageOf(catalog_.Load("sha256:../../x")), "ok");
  EXPECT_THAT(MessageOf(catalog_.Load(Digest().ToString())), HasSubstr("no tag names the network"));
}

TEST_F(CatalogTest, SavingWithoutTheWeightsIsAnError) {
  Network network = ToyNetwork(*store_);
  const std::unique_ptr<BlobStore> empty = NewMemoryStore();
  Catalog catalog(*empty, kinds_);
  EXPECT_THAT(MessageOf(catalog.Save(network, "toy", Json::Array{})),
              HasSubstr("file \"tokenizer.json\": its blob sha256:"));
  network.files.clear();
  EXPECT_THAT(MessageOf(catalog.Save(network, "toy", Json::Array{})),
              HasSubstr("embed: tensor \"weight\": its blob sha256:"));
  EXPECT_TRUE(Must(empty->ReadTags()).empty());
}

TEST_F(CatalogTest, ATensorThatLiesPastTheEndOfItsBlobIsAnError) {
  Network network = ToyNetwork(*store_);
  Block block = network.BlockOf(0);
  block.tensors.at("weight").levels[0].offset = 64;
  network.nodes[0].block = network.AddBlock(std::move(block));
  EXPECT_THAT(MessageOf(catalog_.Save(network, "toy", Json::Array{})),
              HasSubstr("embed: tensor \"weight\": bytes 64 to 24640 of blob"));
}

TEST_F(CatalogTest, AnInvalidNetworkIsNotSaved) {
  Network network = ToyNetwork(*store_);
  network.nodes.pop_back();
  EXPECT_THAT(MessageOf(catalog_.Save(network, "toy", Json::Array{})), HasSubstr("not logits"));
}

TEST_F(CatalogTest, AMissingManifestIsAnError) {
  const Network network = ToyNetwork(*store_);
  Save(network, "toy");
  Lose(network.nodes[2].block);
  EXPECT_THAT(MessageOf(catalog_.Load("toy")), HasSubstr("network \"toy\": "));
}

TEST_F(CatalogTest, ADamagedNetworkIsListedAsSuchAndHurtsNoOther) {
  const Network whole = ToyNetwork(*store_, {.seed = 2});
  Save(whole, "whole");
  const auto bytes_of = [&](const NetworkInfo& info) {
    return info.unique_bytes + info.shared_bytes;
  };
  const std::uint64_t whole_bytes = bytes_of(InfoOf("whole"));
  const Network hurt = ToyNetwork(*store_);
  const auto lose = [&](std::string_view what) {
    const OciIndex index = Must(ParseOciIndex(
        AsText(Must(store_->Get(Must(store_->ReadTags()).at("hurt").digest)).bytes())));
    return what == "index"      ? Must(store_->ReadTags()).at("hurt").digest
           : what == "network"  ? index.manifests[0].digest
           : what == "manifest" ? index.manifests[3].digest
                                : hurt.BlockOf(2).tensors.begin()->second.levels[0].blob;
  };
  for (const std::string_view what : {"index", "network", "manifest", "weights"}) {
    ToyNetwork(*store_);  // stores its weights anew
    Save(hurt, "hurt");
    EXPECT_FALSE(InfoOf("hurt").damage.has_value());
    const Digest lost = lose(what);
    Lose(lost);
    EXPECT_EQ(Must(catalog_.List()).size(), 2u) << what;
    const NetworkInfo info = InfoOf("hurt");
    ASSERT_TRUE(info.damage.has_value()) << what;
    EXPECT_THAT(info.damage->message, HasSubstr(lost.ToString()));
    EXPECT_EQ(info.digest.has_value(), what == "manifest" || what == "weights");
    EXPECT_EQ(bytes_of(InfoOf("whole")), whole_bytes);
    EXPECT_FALSE(InfoOf("whole").damage.has_value());
    // The others are found by digest too, and what may have been asked for is named.
    EXPECT_EQ(Must(catalog_.Load(whole.digest().ToString())).digest(), whole.digest());
    if (!info.digest) {
      EXPECT_THAT(MessageOf(catalog_.Load(hurt.digest().ToString())),
                  HasSubstr("damaged, and may have named it: hurt"));
    }
    Must(catalog_.Remove({"hurt"}));
    EXPECT_EQ(Must(catalog_.List()).size(), 1u);
  }
}

TEST_F(CatalogTest, RemovingSeveralIsAllOrNothing) {
  for (const char* name : {"a", "b", "c"}) {
    Save(ToyNetwork(*store_), name);
  }
  EXPECT_EQ(MessageOf(catalog_.Remove({"a", "nothing", "b"})),
            "no network named \"nothing\"; known: a, b, c");
  EXPECT_EQ(Must(catalog_.List()).size(), 3u);
  Must(catalog_.Remove({"a", "c"}));
  EXPECT_EQ(Must(catalog_.List()).size(), 1u);
}

TEST_F(CatalogTest, ANewNetworkTakesNobodysName) {
  const Network first = ToyNetwork(*store_);
  Network second = first;
  second.metadata.eos_tokens.push_back(1);
  const auto lease = Must(store_->BeginWriting());
  Must(catalog_.Save(first, "a", Json::Array(), Saving::kNew));
  const auto taken = catalog_.Save(second, "a", Json::Array(), Saving::kNew);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code, ErrorCode::kConflict);
  EXPECT_EQ(Must(catalog_.Load("a")).digest(), first.digest());
  Must(catalog_.Save(second, "a", Json::Array()));
  EXPECT_EQ(Must(catalog_.Load("a")).digest(), second.digest());
}

// As skopeo 1.9 copies an index: no artifactType in it, in its entries or in the tag.
TEST_F(CatalogTest, ANetworkWhoseIndexLostItsTypesOnTheWayIsOneStill) {
  const Network network = ToyNetwork(*store_);
  Save(network, "toy");
  Must(store_->UpdateTags([&](Tags& tags) -> Status {
    OciIndex index = Must(ParseOciIndex(AsText(Must(store_->Get(tags.at("toy").digest)).bytes())));
    index.artifact_type.clear();
    for (Descriptor& entry : index.manifests) {
      entry.artifact_type.clear();
    }
    const std::string text = WriteOciIndex(index);
    tags = {{"copy",
             {.media_type = std::string(kOciIndex),
              .digest = Must(store_->Put(AsBytes(text))),
              .size = text.size()}}};
    return {};
  }));
  EXPECT_EQ(Must(catalog_.Load("copy")).digest(), network.digest());
  EXPECT_EQ(Must(catalog_.Load(network.digest().ToString())).digest(), network.digest());
  EXPECT_THAT(Must(catalog_.Names()), ElementsAre("copy"));
  const std::vector<NetworkInfo> infos = Must(catalog_.List());
  ASSERT_EQ(infos.size(), 1u);
  EXPECT_EQ(infos[0].digest, network.digest());
  EXPECT_EQ(infos[0].parameters, network.parameters());
  Must(catalog_.Attach("copy", "application/x", "{}", {}));
  EXPECT_THAT(Must(catalog_.Attached("copy", "application/x")), ElementsAre("{}"));
}

TEST_F(CatalogTest, TagsOfOtherToolsAreNoNetworks) {
  const std::string index = WriteOciIndex({.artifact_type = "application/x"});
  const Digest digest = Must(store_->Put(AsBytes(index)));
  Must(store_->UpdateTags([&](Tags& tags) -> Status {
    tags["image"] = {.media_type = std::string(kOciIndex), .digest = digest, .size = index.size()};
    return {};
  }));
  Save(ToyNetwork(*store_), "toy");
  EXPECT_EQ(Must(catalog_.List()).size(), 1u);
  EXPECT_THAT(Must(catalog_.Names()), ElementsAre("toy"));
  EXPECT_EQ(MessageOf(catalog_.Load("image")),
            "network \"image\": an artifact of type \"application/x\" and not a network");
}

}  // namespace
}  // namespace ashlar
