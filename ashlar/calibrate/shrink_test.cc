#include "ashlar/calibrate/shrink.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/calibrate/matrix_encoder.h"
#include "ashlar/calibrate/unfinished.h"
#include "ashlar/graph/describe.h"
#include "ashlar/graph/precision.h"
#include "ashlar/graph/stored_tensor.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"
#include "ashlar/store/housekeeping.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;

ShrinkOptions Small() {
  return {.codec = *FindCodec("bitplane"), .tokens = 128, .isa = *ChooseIsa("")};
}

// A network of one layer whose head is its embedding.
Network TiedNetwork(BlobStore& store, std::uint64_t seed = 1) {
  Network network = testing_networks::RandomLlama(store, {.layers = 1, .seed = seed});
  Node& head = network.nodes.back();
  Block block = *network.blocks.at(head.block);
  block.tensors.find("weight")->second = network.BlockOf(0).tensors.find("weight")->second;
  head.block = network.AddBlock(std::move(block));
  network.metadata.bos_token = 3;
  network.Prune();
  return network;
}

double MeanLoss(const BlobStore& store, const Network& network, int levels) {
  Engine engine(store, {.isa = *ChooseIsa(""), .max_positions = 128});
  Precision precision;
  for (const NamedTensor& tensor : NamedTensors(network)) {
    if (tensor.manifest->codec->residual != nullptr) {
      precision[tensor.manifest->levels.front()] = {{tensor.manifest->shape[0], levels}};
    }
  }
  const NetworkId id = *engine.Load(network);
  EXPECT_TRUE(engine.SetPrecision(precision).ok());
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < 100; ++i) {
    tokens.push_back(i * 31 % 96);
  }
  EXPECT_TRUE(
      engine.Submit({.network = id, .prompt = tokens, .max_tokens = 0, .prompt_logits = true})
          .ok());
  double loss = 0;
  while (!engine.idle()) {
    const auto deliveries = engine.Step();
    for (const Delivery& delivery : *deliveries) {
      for (std::size_t row = 0; row * 96 < delivery.logits.size(); ++row) {
        const std::span<const float> logits = delivery.logits.subspan(row * 96, 96);
        double sum = 0;
        for (const float logit : logits) {
          sum += std::exp(static_cast<double>(logit));
        }
        const std::size_t next = static_cast<std::size_t>(delivery.logits_first_position) + row + 1;
        if (next < tokens.size()) {
          loss += std::log(sum) - logits[static_cast<std::size_t>(tokens[next])];
        }
      }
    }
  }
  return loss / 99;
}

class ShrinkTest : public ::testing::Test {
 protected:
  Result<Shrunk> Try(std::string_view name, const ShrinkOptions& options) {
    return Shrink(catalog_, name, "net", options);
  }
  Shrunk Must(std::string_view name, const ShrinkOptions& options = Small()) {
    Result<Shrunk> shrunk = Try(name, options);
    CHECK(shrunk.ok());
    return *std::move(shrunk);
  }
  void Save(const Network& network, std::string_view name) {
    ASSERT_TRUE(catalog_.Save(network, name, Json::Array{}).ok());
  }
  void SetUp() override { Save(TiedNetwork(*store_), "net"); }

  static const TensorManifest& Down(const Network& network) {
    return network.BlockOf(2).tensors.find("down")->second;
  }
  std::vector<float> Numbers(const TensorManifest& tensor) {
    const StoredTensor stored = *StoredTensor::Open(*store_, tensor);
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
    stored.Decode(0, tensor.shape[0], values.data());
    return values;
  }
  // "tuned" is "net" with another down projection.
  Network SaveTuned() {
    Network tuned = TiedNetwork(*store_);
    std::vector<float> values = Numbers(Down(tuned));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] += i % 5 == 0 ? 0.02f : -0.01f;
    }
    Block block = tuned.BlockOf(2);
    block.tensors.find("down")->second.levels.front().blob =
        *store_->Put(std::as_bytes(std::span(values)));
    tuned.nodes[2].block = tuned.AddBlock(std::move(block));
    tuned.Prune();
    Save(tuned, "tuned");
    return tuned;
  }

  const std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  Catalog catalog_{*store_, AllKinds()};
};

TEST_F(ShrinkTest, EveryMatrixHasLevelsWithTheirWorthAndTheNetworkRunsAtAnyOfThem) {
  const Shrunk shrunk = Must("small");
  std::size_t matrices = 0;
  for (const NamedTensor& tensor : NamedTensors(shrunk.network)) {
    EXPECT_EQ(tensor.manifest->codec->short_name,
              tensor.role == TensorRole::kMatrix ? "bitplane" : "f32")
        << tensor.name;
    matrices += tensor.role == TensorRole::kMatrix ? 1 : 0;
    if (tensor.role == TensorRole::kMatrix) {
      const TensorStatistics* found = shrunk.statistics.Find(tensor.manifest->levels.front());
      ASSERT_NE(found, nullptr) << tensor.name;
      EXPECT_EQ(found->tensor, *tensor.manifest);
      EXPECT_EQ(found->rows, 128 - 16) << tensor.name << ": of eight tokens one judges";
      EXPECT_GT(found->losses.front(), 0) << tensor.name;
      ASSERT_TRUE(found->inputs.has_value());
      EXPECT_TRUE(LoadVector(*store_, *found->inputs, tensor.manifest->shape[1]).ok());
    }
  }
  EXPECT_EQ(shrunk.statistics.tensors.size(), matrices - 1) << "the tied tensor is one";
  const auto tied = shrunk.network.BlockOf(0).tensors.find("weight")->second;
  EXPECT_EQ(
      tied,
      shrunk.network.blocks.at(shrunk.network.nodes.back().block)->tensors.find("weight")->second);
  EXPECT_TRUE(shrunk.statistics.Find(tied.levels.front())->lookups.has_value());

  EXPECT_EQ(catalog_.Load("small")->digest(), shrunk.digest);
  EXPECT_EQ(**LoadStatistics(catalog_, "small"), shrunk.statistics);
  ASSERT_TRUE(CollectGarbage(*store_, Gc::kRemove).ok());
  EXPECT_EQ(**LoadStatistics(catalog_, "small"), shrunk.statistics);
  EXPECT_TRUE(CheckStore(*store_, {})->damage.empty());
  const Json provenance = *catalog_.LoadProvenance("small");
  EXPECT_THAT(CanonicalJson(provenance), HasSubstr("\"transform\":\"shrink\""));

  // It runs at every size, and comes closer to its source with each level.
  const double source = MeanLoss(*store_, shrunk.from, 1);
  EXPECT_NEAR(MeanLoss(*store_, shrunk.network, 7), source, 0.03);
  EXPECT_NEAR(MeanLoss(*store_, shrunk.network, 5), source, 0.06);
  EXPECT_NEAR(MeanLoss(*store_, shrunk.network, 1), source, 1.0);
  for (const TensorStatistics& tensor : shrunk.statistics.tensors) {
    EXPECT_LT(tensor.losses.back(), 0.01 * tensor.losses.front());
  }
}

TEST_F(ShrinkTest, IsTheSameAgainWithAnyThreadsAndAnotherWithAnotherSeed) {
  const Shrunk once = Must("once");
  ShrinkOptions options = Small();
  options.threads = 3;
  const Shrunk again = Must("again", options);
  EXPECT_EQ(again.digest, once.digest);
  EXPECT_EQ(again.statistics, once.statistics);
  options.seed = 2;
  EXPECT_NE(Must("other", options).statistics.tensors, once.statistics.tensors);
}

TEST_F(ShrinkTest, FewerBitsAreFewerLevels) {
  ShrinkOptions options = Small();
  options.max_bits = 4;
  const Shrunk shrunk = Must("some", options);
  for (const TensorStatistics& tensor : shrunk.statistics.tensors) {
    EXPECT_EQ(tensor.tensor.levels.size(), 3u);
    EXPECT_EQ(tensor.losses.size(), 3u);
  }
  EXPECT_NEAR(MeanLoss(*store_, shrunk.network, 3), MeanLoss(*store_, shrunk.from, 1), 0.1);
  options.max_bits = 2;
  options.measuring_flops = 1;  // as of a large network, of which only the second level is measured
  for (const TensorStatistics& tensor : Must("least", options).statistics.tensors) {
    ASSERT_EQ(tensor.losses.size(), 1u);
    EXPECT_GT(tensor.losses.front(), 0);
  }
}

TEST_F(ShrinkTest, OfAFineTuneTheDifferenceFromItsBaseIsStored) {
  const Network tuned = SaveTuned();
  ShrinkOptions options = Small();
  options.base = "net";
  const Result<Shrunk> shrunk = Shrink(catalog_, "delta", "tuned", options);
  ASSERT_TRUE(shrunk.ok()) << shrunk.error().message;
  ASSERT_EQ(shrunk->statistics.tensors.size(), 1u) << "what does not differ is the base's own";
  const TensorManifest& delta = Down(shrunk->network);
  ASSERT_NE(delta.base, nullptr);
  const std::vector<float> values = Numbers(Down(tuned));
  const std::vector<float> again = Numbers(delta);
  double squares = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    squares += std::pow(again[i] - values[i], 2);
  }
  EXPECT_LT(std::sqrt(squares / static_cast<double>(values.size())), 0.001);
  EXPECT_NEAR(MeanLoss(*store_, shrunk->network, 7), MeanLoss(*store_, tuned, 1), 0.03);
}

TEST_F(ShrinkTest, OfAFineTuneOfAShrunkNetworkOnlyTheChangesHaveLevelsOfTheirOwn) {
  const Shrunk base = Must("small");
  const Network tuned = SaveTuned();
  ShrinkOptions options = Small();
  options.base = "small";
  const Result<Shrunk> shrunk = Shrink(catalog_, "delta", "tuned", options);
  ASSERT_TRUE(shrunk.ok()) << shrunk.error().message;
  const TensorManifest& delta = Down(shrunk->network);
  ASSERT_NE(delta.base, nullptr);
  EXPECT_EQ(*delta.base, Down(base.network));
  // What each level is worth is known of all: the base's, measured in this network, and its own.
  EXPECT_EQ(shrunk->statistics.tensors.size(), base.statistics.tensors.size() + 1);
  for (const TensorStatistics& tensor : base.statistics.tensors) {
    const TensorStatistics* found = shrunk->statistics.Find(tensor.tensor.levels.front());
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->tensor, tensor.tensor);
    EXPECT_NE(found->losses, tensor.losses);
    EXPECT_NEAR(std::log(found->losses.front() / tensor.losses.front()), 0, 1);
  }
  const TensorStatistics* own = shrunk->statistics.Find(delta.levels.front());
  ASSERT_NE(own, nullptr);
  const TensorStatistics* whole = shrunk->statistics.Find(delta.base->levels.front());
  EXPECT_LT(own->losses.front(), whole->losses.front()) << "the change is small beside the matrix";
  EXPECT_NEAR(MeanLoss(*store_, shrunk->network, 7), MeanLoss(*store_, tuned, 1), 0.03);
}

TEST_F(ShrinkTest, RefusesWithAReason) {
  const auto error_of = [&](std::string_view name, std::string_view from,
                            const ShrinkOptions& options) {
    const Result<Shrunk> shrunk = Shrink(catalog_, name, from, options);
    return shrunk.ok() ? "ok" : shrunk.error().message;
  };
  Must("small");
  EXPECT_THAT(error_of("smaller", "small", Small()),
              HasSubstr("network \"small\" is shrunk already: embed.weight is in bitplane"));
  EXPECT_THAT(error_of("small", "net", Small()),
              HasSubstr("there is a network named \"small\" already"));
  EXPECT_THAT(error_of("new", "nothing", Small()), HasSubstr("no network named \"nothing\""));
  EXPECT_THAT(error_of("sha256:1", "net", Small()), HasSubstr("is no name for a network"));
  ShrinkOptions options = Small();
  options.text = std::vector<std::int32_t>(100, 1);
  EXPECT_THAT(error_of("new", "net", options), HasSubstr("calibration needs 128 at least"));
}

TEST(Shrink, GoesOnAfterAKillWhereItWas) {
  const TempDirectory directory;
  ShrinkOptions options = Small();
  options.keep_every_seconds = 0;
  options.measuring_flops = 2e8;  // so that some matrices share what was measured of others
  const auto open = [&] { return *OpenDiskStore(directory / "store"); };
  std::optional<Shrunk> expected;
  {
    const auto store = open();
    Catalog catalog(*store, AllKinds());
    const Network network = testing_networks::RandomLlama(*store, {.layers = 3});
    ASSERT_TRUE(catalog.Save(network, "net", Json::Array{}).ok());
    expected = *Shrink(catalog, "whole", "net", options);
  }
  for (const int tensors : {1, 6}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto store = open();
      Catalog catalog(*store, AllKinds());
      std::uint64_t before = 0;
      int finished = 0;
      options.progress = [&](const ShrinkProgress& now) {
        finished += now.phase == "shrinking" && now.done > before ? 1 : 0;
        before = now.phase == "shrinking" ? now.done : before;
        if (finished > tensors) {
          kill(getpid(), SIGKILL);
        }
      };
      static_cast<void>(Shrink(catalog, "killed", "net", options));
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }
  const auto store = open();
  Catalog catalog(*store, AllKinds());
  ASSERT_TRUE(CollectGarbage(*store, Gc::kRemove).ok());  // what is done is no garbage
  const Result<Shrunk> shrunk = Shrink(catalog, "killed", "net", options);
  ASSERT_TRUE(shrunk.ok()) << shrunk.error().message;
  EXPECT_EQ(shrunk->taken_over, 6);
  EXPECT_EQ(shrunk->digest, expected->digest);
  EXPECT_EQ(shrunk->statistics, expected->statistics);
  EXPECT_FALSE(store->ReadTags()->contains(UnfinishedTag("killed")));
}

TEST(EncodeMatrix, RefusesWhatIsNotFinite) {
  const auto store = NewMemoryStore();
  ThreadPool pool(1);
  Phases phases;
  const Codec& codec = **FindCodec("bitplane");
  std::vector<float> values(32 * 32, 1.0f);
  auto moments = std::make_shared<Moments>(Moments{9, 32, std::vector<float>(32 * 32)});
  const auto error = [&] {
    const auto made =
        EncodeMatrix(*store, codec, {32, 32}, 7, values, {.moments = moments}, pool, phases);
    return made.ok() ? "ok" : made.error().message;
  };
  EXPECT_EQ(error(), "ok");
  moments->sums[5 * 32 + 5] = INFINITY;
  EXPECT_THAT(error(), HasSubstr("the mean square of input 5 is inf"));
  values[33] = NAN;
  EXPECT_THAT(error(), HasSubstr("row 1, column 1 is nan"));
}

TEST(LevelsWithin, CountsBitsWithoutScales) {
  const Codec& bitplane = **FindCodec("bitplane");
  EXPECT_EQ(LevelsWithin(bitplane, {512, 512}, 8), 7);
  EXPECT_EQ(LevelsWithin(bitplane, {512, 512}, 4), 3);
  EXPECT_EQ(LevelsWithin(bitplane, {64, 64}, 8), 7);
  EXPECT_EQ(LevelsWithin(bitplane, {512, 512}, 1), 1) << "one at least";
}

}  // namespace
}  // namespace ashlar
