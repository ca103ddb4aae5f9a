// A blob that somebody truncates while it is mapped fails the networks that use it, and nothing
// else.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::LlamaSpec;
using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::WithUpperLayersOf;

class LostBlob : public ::testing::Test {
 protected:
  static EngineOptions Options() {
    return {.threads = 2,
            .max_positions = 128,
            .max_rows = 32,
            .max_logit_rows = 8,
            .max_sequences = 3,
            .page_bytes = 4 << 20};
  }
  RequestId Ask(Engine& engine, NetworkId network, std::int64_t prompt = 40) {
    std::mt19937_64 random(7);
    return *engine.Submit({.network = network,
                           .prompt = RandomTokens(random, prompt, LlamaSpec().vocabulary),
                           .max_tokens = 20,
                           .sampling = {.temperature = 0}});
  }
  // The blob of the first tensor of a node; its bytes from `size` on are gone afterwards.
  Digest Truncate(const Network& network, int node, off_t size) {
    const Digest blob = network.BlockOf(node).tensors.begin()->second.levels.front().blob;
    const Path path = directory_ / "store/blobs/sha256" / blob.Hex();
    std::filesystem::permissions(path, std::filesystem::perms(0644));
    EXPECT_EQ(::truncate(path.c_str(), size), 0);
    return blob;
  }
  static std::vector<std::int32_t> IdsOf(const Completion& completion) {
    std::vector<std::int32_t> ids;
    for (const SampledToken& token : completion.tokens) {
      ids.push_back(token.token);
    }
    return ids;
  }
  // Runs until nothing is left; the last delivery and the tokens of each request.
  struct Outcome {
    FinishReason finish = FinishReason::kNone;
    std::optional<Error> error;
    std::vector<std::int32_t> ids;
  };
  static std::map<RequestId, Outcome> RunAll(Engine& engine) {
    std::map<RequestId, Outcome> outcomes;
    while (!engine.idle()) {
      const auto deliveries = engine.Step();
      EXPECT_TRUE(deliveries.ok());
      for (const Delivery& delivery : *deliveries) {
        Outcome& outcome = outcomes[delivery.request];
        EXPECT_EQ(outcome.finish, FinishReason::kNone);
        outcome.finish = delivery.finish;
        outcome.error = delivery.error;
        if (delivery.token) {
          outcome.ids.push_back(delivery.token->token);
        }
      }
    }
    return outcomes;
  }

  TempDirectory directory_;
  std::unique_ptr<BlobStore> store_ = *OpenDiskStore(directory_ / "store");
  // `tuned` shares the lower half of `base`; `other` shares nothing.
  Network base_ = RandomLlama(*store_, {});
  Network tuned_ = WithUpperLayersOf(base_, 2, RandomLlama(*store_, {.seed = 2}));
  Network other_ = RandomLlama(*store_, {.seed = 3});
};

TEST_F(LostBlob, FailsTheNetworksThatUseItAndNoOther) {
  Engine alone(*store_, Options());
  const NetworkId tuned_alone = *alone.Load(tuned_);
  const std::vector<std::int32_t> expected = IdsOf(*RunToEnd(alone, Ask(alone, tuned_alone)));

  Engine engine(*store_, Options());
  const NetworkId base = *engine.Load(base_);
  const NetworkId tuned = *engine.Load(tuned_);
  const NetworkId other = *engine.Load(other_);
  const RequestId of_base = Ask(engine, base);
  const RequestId of_tuned = Ask(engine, tuned);
  const RequestId of_other = Ask(engine, other);
  const RequestId waiting = Ask(engine, base);  // three run at once
  for (int step = 0; step < 6; ++step) {
    ASSERT_TRUE(engine.Step().ok());
  }
  const Digest blob = Truncate(base_, 8, 0);  // an upper layer
  const std::map<RequestId, Outcome> outcomes = RunAll(engine);
  for (const RequestId hurt : {of_base, waiting}) {
    EXPECT_EQ(outcomes.at(hurt).finish, FinishReason::kFailed);
    ASSERT_TRUE(outcomes.at(hurt).error.has_value());
    EXPECT_EQ(outcomes.at(hurt).error->code, ErrorCode::kCorrupt);
    EXPECT_NE(outcomes.at(hurt).error->message.find(blob.ToString()), std::string::npos);
    EXPECT_TRUE(outcomes.at(hurt).ids.empty());
  }
  EXPECT_EQ(outcomes.at(of_other).finish, FinishReason::kLength);
  EXPECT_EQ(outcomes.at(of_tuned).finish, FinishReason::kLength);
  EXPECT_FALSE(outcomes.at(of_tuned).error.has_value());

  // Later requests are refused for the same reason; the others' go on, with the same tokens.
  const auto refused = engine.Submit({.network = base, .prompt = {1}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(IdsOf(*RunToEnd(engine, Ask(engine, tuned))), expected);
}

// What a network computed from zeros is found by no later request, not even where blocks are equal.
TEST_F(LostBlob, LeavesNothingInThePrefixCache) {
  std::vector<std::int32_t> expected;
  {
    Engine engine(*store_, Options());
    expected = IdsOf(*RunToEnd(engine, Ask(engine, *engine.Load(base_))));
  }
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(base_);
  const Path path = directory_ / "store/blobs/sha256" /
                    base_.BlockOf(2).tensors.begin()->second.levels.front().blob.Hex();
  const std::string whole = *ReadTextFile(path);
  Ask(engine, network);
  Truncate(base_, 2, 0);
  EXPECT_EQ(RunAll(engine).begin()->second.finish, FinishReason::kFailed);
  // Mended and loaded again it computes as before.
  ASSERT_FALSE(engine.Load(base_).ok());
  ASSERT_TRUE(store_->Put(AsBytes(whole)).ok());
  const auto again = engine.Load(base_);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(IdsOf(*RunToEnd(engine, Ask(engine, *again))), expected);
  EXPECT_TRUE(engine.Unload(network).ok());
}

TEST_F(LostBlob, LosingOnlyItsEndIsFoundToo) {
  Engine engine(*store_, Options());
  const NetworkId network = *engine.Load(base_);
  Ask(engine, network);
  Truncate(base_, 2, 4096);
  EXPECT_EQ(RunAll(engine).begin()->second.finish, FinishReason::kFailed);
}

}  // namespace
}  // namespace ashlar
