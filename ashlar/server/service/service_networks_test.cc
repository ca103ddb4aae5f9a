// Networks that come to a service, and go.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/server/memory/memory_readings.h"
#include "ashlar/server/service/testing_service_fixture.h"
#include "ashlar/store/testing_passing_store.h"

namespace ashlar {
namespace {

using testing_service::Heard;

class ServiceNetworksTest : public testing_service::ServiceFixture {};

TEST_F(ServiceNetworksTest, NetworksAreLoadedWhenTheyAreAskedFor) {
  const auto service = Started();
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
  Answer(*service, Ask(base_, "Hello", 1));
  EXPECT_TRUE(Becomes(*service, "base", Residency::kLoaded));
  EXPECT_TRUE(service->Unload("base").ok());
  EXPECT_EQ(service->Unload("base").error().code, ErrorCode::kNotFound);
}

TEST_F(ServiceNetworksTest, TwoNetworksOverOneBaseCostTheDifference) {
  const auto service = Started();
  ASSERT_TRUE(service->Load(base_).ok());
  ASSERT_TRUE(service->Load(tuned_).ok());
  const ServiceStatus status = service->status();
  EXPECT_GT(status.resident_weight_bytes, base_->weight_bytes);
  EXPECT_LT(status.resident_weight_bytes, base_->weight_bytes + tuned_->weight_bytes * 3 / 4);
  EXPECT_EQ(status.networks.size(), 2u);
  for (const NetworkStatus& network : status.networks) {
    EXPECT_EQ(status.resident_weight_bytes - network.unique_bytes,
              network.name == "base" ? tuned_->weight_bytes : base_->weight_bytes);
  }
  ASSERT_TRUE(service->Unload("tuned").ok());
  EXPECT_EQ(service->status().resident_weight_bytes, base_->weight_bytes)
      << "whoever is answered finds it so";
}

TEST_F(ServiceNetworksTest, ANetworkInTwoFormatsOfStateCostsItsWeightsOnce) {
  const auto service = Started();
  const auto narrow = *MakeNetworkCard("base", base_network_, *store_, nullptr, KvFormat::kQ8);
  ASSERT_TRUE(service->Load(base_).ok());
  ASSERT_TRUE(service->Load(narrow).ok());
  EXPECT_TRUE(Becomes(*service, "base", Residency::kLoaded));
  const ServiceStatus status = service->status();
  EXPECT_EQ(status.networks.size(), 2u);
  EXPECT_EQ(status.resident_weight_bytes, base_->weight_bytes);
  const std::string prompt(65, 'x');
  for (const std::int64_t cached : {0, 64}) {
    EXPECT_EQ(Answer(*service, Ask(base_, prompt, 4)).usage.cached_tokens, cached);
    EXPECT_EQ(Answer(*service, Ask(narrow, prompt, 4)).usage.cached_tokens, cached);
  }
  EXPECT_TRUE(service->Unload("base").ok());
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
}

TEST_F(ServiceNetworksTest, ANetworkInTwoFormatsOfStateMakesRoomForLevels) {
  const auto levels = Card(
      "levels", testing_service::SpellingNetwork(
                    *store_, {.codec = "bitplane", .seed = 5, .width = 256, .channels = 1024}));
  const auto narrow = *MakeNetworkCard("base", base_network_, *store_, nullptr, KvFormat::kQ8);
  ServiceOptions options = Options();
  options.weight_bytes = levels->weight_bytes + base_->weight_bytes / 2;
  const auto service = Started(options);
  ASSERT_TRUE(service->Pin(levels).ok());
  ASSERT_TRUE(service->Load(base_).ok());
  ASSERT_TRUE(service->Load(narrow).ok());
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
  EXPECT_EQ(ResidencyOf(*service, "levels"), Residency::kLoaded);
}

TEST_F(ServiceNetworksTest, AnUnusedNetworkMakesRoomForOneThatIsAskedFor) {
  ServiceOptions options = Options();
  options.weight_bytes = base_->weight_bytes * 3 / 2;
  const auto service = Started(options);
  Answer(*service, Ask(base_, "Hello", 1));
  Answer(*service, Ask(other_, "Hello", 1));
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
  EXPECT_TRUE(Becomes(*service, "other", Residency::kLoaded));
  ASSERT_TRUE(service->Pin(other_).ok());
  const Heard refused = Answer(*service, Ask(base_, "Hello", 1));
  ASSERT_TRUE(refused.error.has_value());
  EXPECT_EQ(refused.error->code, ErrorCode::kExhausted);
  ASSERT_TRUE(service->Unpin("other").ok());
  EXPECT_EQ(Answer(*service, Ask(base_, "Hello", 1)).end, GenerationEnd::kLength);
}

// A store whose blobs are not read before it is opened.
class ShutStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Result<Blob> Get(const Digest& digest) const override {
    open_.wait(false);
    return PassingStore::Get(digest);
  }
  void Open() {
    open_ = true;
    open_.notify_all();
  }
  void Shut() { open_ = false; }

 private:
  std::atomic<bool> open_ = false;
};

TEST_F(ServiceNetworksTest, WhatIsUnpinnedWhileItIsLoadedIsNotPinned) {
  for (const bool again : {false, true}) {
    ShutStore shut(*store_);
    const auto service = *Service::Start(shut, Options());
    const auto pin = [&] {
      return std::async(std::launch::async, [&] { return service->Pin(base_); });
    };
    std::future<Status> first = pin();
    const bool loading = Becomes(*service, "base", Residency::kLoading);
    const Status unpinned = service->Unpin("base");
    std::future<Status> second;
    if (again) {
      second = pin();
      EXPECT_TRUE(Eventually([&] { return service->status().networks.at(0).running == 2; }));
    }
    shut.Open();
    EXPECT_TRUE(loading);
    EXPECT_TRUE(unpinned.ok());
    const Status pinned = first.get();
    ASSERT_EQ(pinned.ok(), again);
    EXPECT_TRUE(again || pinned.error().message.find("was unpinned") != std::string::npos);
    EXPECT_TRUE(!again || second.get().ok());
    EXPECT_EQ(service->Unload("base").ok(), !again);
  }
}

// Network "disk" of a store on disk, that is loaded and pinned, and whose files are then lost.
class LostNetworkTest : public ServiceNetworksTest {
 protected:
  void SetUp() override {
    const Network network = testing_service::SpellingNetwork(*disk_, {});
    card_ = *MakeNetworkCard("disk", network, *disk_);
    for (const auto& [digest, block] : network.blocks) {
      for (const auto& [name, tensor] : block->tensors) {
        for (const Level& level : tensor.levels) {
          blobs_[directory_ / "blobs/sha256" / level.blob.Hex()];
        }
      }
    }
    for (auto& [path, bytes] : blobs_) {
      bytes = *ReadTextFile(path);
      std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                                   std::filesystem::perm_options::add);
    }
    shut_.Open();
    ASSERT_TRUE(service_->Pin(card_).ok());
  }
  void LoseFiles() const {
    for (const auto& [path, bytes] : blobs_) {
      std::filesystem::resize_file(path, 0);
    }
  }
  void RestoreFiles() const {
    for (const auto& [path, bytes] : blobs_) {
      std::ofstream(path, std::ios::binary) << bytes;
    }
  }
  bool IsPinnedAnd(Residency residency) const {
    const std::vector<NetworkStatus> networks = service_->status().networks;
    return networks.size() == 1 && networks[0].pinned && networks[0].residency == residency;
  }

  const TempDirectory directory_;
  const std::unique_ptr<BlobStore> disk_ = *OpenDiskStore(directory_.path());
  ShutStore shut_{*disk_};
  std::map<Path, std::string> blobs_;
  std::shared_ptr<const NetworkCard> card_;
  const std::unique_ptr<Service> service_ = *Service::Start(shut_, Options());
};

TEST_F(LostNetworkTest, APinnedNetworkThatFailsIsReadAnewAndStaysPinned) {
  LoseFiles();
  shut_.Shut();
  EXPECT_EQ(Answer(*service_, Ask(card_, "Hello", 1)).end, GenerationEnd::kFailed);
  EXPECT_TRUE(Eventually([&] { return IsPinnedAnd(Residency::kLoading); }));
  RestoreFiles();
  shut_.Open();
  EXPECT_TRUE(Eventually([&] { return IsPinnedAnd(Residency::kLoaded); }));
  EXPECT_EQ(Answer(*service_, Ask(card_, "Hello", 1)).end, GenerationEnd::kLength);
}

TEST_F(LostNetworkTest, APinnedNetworkThatCannotBeReadAnewStaysPinnedUntilItIsUnpinned) {
  LoseFiles();
  EXPECT_EQ(Answer(*service_, Ask(card_, "Hello", 1)).end, GenerationEnd::kFailed);
  EXPECT_TRUE(Eventually([&] { return IsPinnedAnd(Residency::kFailed); }));
  EXPECT_FALSE(service_->Pin(card_).ok());
  EXPECT_TRUE(IsPinnedAnd(Residency::kFailed)) << "a pin that fails undoes the one before";
  EXPECT_TRUE(service_->Unpin("disk").ok());
  EXPECT_FALSE(IsPinnedAnd(Residency::kFailed));
}

TEST_F(ServiceNetworksTest, ANetworkThatNobodyUsesIsUnloadedAfterAWhile) {
  ServiceOptions options = Options();
  options.keep_alive_seconds = 0.01;
  const auto service = Started(options);
  Answer(*service, Ask(base_, "Hello", 1));
  EXPECT_TRUE(Becomes(*service, "base", Residency::kAbsent));
}

TEST_F(ServiceNetworksTest, ANetworkWhoseWeightsAreGoneFailsAloneAndSaysWhy) {
  const auto service = Started();
  Network damaged = base_network_;
  const auto [digest, block] = *damaged.blocks.begin();
  Block changed = *block;
  changed.tensors.begin()->second.levels[0].blob = *Digest::ParseHex(std::string(64, 'a'));
  const Digest added = damaged.AddBlock(changed);
  for (Node& node : damaged.nodes) {
    node.block = node.block == digest ? added : node.block;
  }
  damaged.Prune();
  const auto card = Card("damaged", damaged);
  const Heard failed = Answer(*service, Ask(card, "Hello", 1));
  ASSERT_TRUE(failed.error.has_value());
  EXPECT_NE(failed.error->message.find("damaged"), std::string::npos) << failed.error->message;
  EXPECT_TRUE(Becomes(*service, "damaged", Residency::kFailed));
  EXPECT_EQ(Answer(*service, Ask(base_, "Hello", 1)).end, GenerationEnd::kLength);
}

// Memory that is really taken until it is let go of.
class TakenMemory final : public SpareMemory {
 public:
  std::uint64_t bytes() const override { return bytes_; }
  void Release() override {
    std::vector<char>().swap(taken_);
    bytes_ = 0;
  }

 private:
  std::vector<char> taken_ = std::vector<char>(kBytes, 'x');
  static constexpr std::size_t kBytes = 64 << 20;
  std::atomic<std::uint64_t> bytes_ = kBytes;
};

TEST_F(ServiceNetworksTest, WhatIsSpareIsNoNeedAndGoesBeforeNetworks) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers keep what was freed";
  }
  constexpr std::uint64_t kMuch = std::uint64_t{1} << 40;
  ServiceOptions options = Options();
  options.memory_bytes = kMuch;
  const auto service = Started(options);
  const auto spare = std::make_shared<TakenMemory>();
  service->UseSpare(spare);
  ASSERT_TRUE(service->Load(base_).ok());
  ASSERT_TRUE(service->SetBudget(kMuch).ok());
  EXPECT_GT(spare->bytes(), 0u);
  // Memory that was believed to be needed before it was told of is forgotten after a while; the
  // budget has room for what there is but the spare.
  std::uint64_t floor = 0;
  const auto believed = [&] {
    floor = service->status().budget.floor_bytes;
    return floor < ResidentBytes();
  };
  ASSERT_TRUE(Eventually(believed));
  const auto set = service->SetBudget(floor + (32 << 20));
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(spare->bytes(), 0u);
  EXPECT_FALSE(set->budget.full);
  EXPECT_EQ(ResidencyOf(*service, "base"), Residency::kLoaded);
  EXPECT_EQ(Answer(*service, Ask(base_, "Hello", 1)).end, GenerationEnd::kLength);
}

}  // namespace
}  // namespace ashlar
