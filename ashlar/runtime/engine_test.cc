#include "ashlar/runtime/engine.h"

#include <limits>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

#include "ashlar/base/test_memory.h"
#include "ashlar/plan/plan.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::StepOf;

class EngineTest : public ::testing::Test {
 protected:
  static EngineOptions Options() {
    return {.threads = 2,
            .max_positions = 256,
            .max_rows = 64,
            .max_logit_rows = 16,
            .max_sequences = 4,
            .page_bytes = 1 << 20};
  }
  Request Ask(std::vector<std::int32_t> prompt, std::int64_t max_tokens) {
    return {.network = network_,
            .prompt = std::move(prompt),
            .max_tokens = max_tokens,
            .sampling = {.temperature = 0}};
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  Network base_ = RandomLlama(*store_, {});
  Engine engine_{*store_, Options()};
  NetworkId network_ = *engine_.Load(base_);
};

void ExpectInvalid(const Result<RequestId>& result, std::string_view words) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid) << result.error().message;
  EXPECT_NE(result.error().message.find(words), std::string::npos) << result.error().message;
}

TEST_F(EngineTest, DeliversAsManyTokensAsAskedFor) {
  const RequestId request = *engine_.Submit(Ask({1, 2, 3}, 20));
  const Completion completion = *RunToEnd(engine_, request);
  EXPECT_EQ(completion.tokens.size(), 20u);
  EXPECT_EQ(completion.finish, FinishReason::kLength);
  EXPECT_TRUE(engine_.idle());
}

TEST_F(EngineTest, SequencesThatAreSampledTogetherGetWhatEachGetsAlone) {
  EngineOptions options = Options();
  options.threads = 4;
  options.max_sequences = 9;
  Engine crowded(*store_, options);
  constexpr std::int64_t kTokens = 12;
  // With so large a vocabulary that threads which draw from it do so at the same time.
  const Network large = RandomLlama(*store_, {.layers = 1, .vocabulary = 20'000});
  const NetworkId crowd = *crowded.Load(large);
  const NetworkId lonely = *engine_.Load(large);
  const auto ask = [&](NetworkId network, std::uint64_t seed) {
    Request request = Ask({1, 2, static_cast<std::int32_t>(seed)}, kTokens);
    request.network = network;
    request.sampling = {.temperature = seed % 4 == 0 ? 0.0f : 1.3f,
                        .top_p = seed % 3 == 0 ? 0.9f : 1.0f,
                        .repetition_penalty = seed % 2 == 0 ? 1.2f : 1.0f,
                        .seed = seed,
                        .top_logprobs = 2};
    return request;
  };
  std::map<RequestId, std::vector<std::pair<std::int32_t, float>>> together;
  std::vector<RequestId> requests;
  for (std::uint64_t seed = 0; seed < 9; ++seed) {
    requests.push_back(*crowded.Submit(ask(crowd, seed)));
  }
  while (!crowded.idle()) {
    for (const Delivery& delivery : StepOf(crowded)) {
      if (delivery.token) {
        together[delivery.request].emplace_back(delivery.token->token, delivery.token->logprob);
      }
    }
  }
  for (std::uint64_t seed = 0; seed < 9; ++seed) {
    const Completion alone = *RunToEnd(engine_, *engine_.Submit(ask(lonely, seed)));
    ASSERT_EQ(std::ssize(alone.tokens), kTokens);
    ASSERT_EQ(std::ssize(together[requests[seed]]), kTokens);
    for (std::size_t i = 0; i < alone.tokens.size(); ++i) {
      EXPECT_EQ(alone.tokens[i].token, together[requests[seed]][i].first) << seed << " " << i;
      EXPECT_EQ(alone.tokens[i].logprob, together[requests[seed]][i].second) << seed << " " << i;
    }
  }
}

TEST_F(EngineTest, HoldsCachedPagesAndNoOthersWhileItRests) {
  const RequestId short_one = *engine_.Submit(Ask({1, 2, 3}, 4));
  const RequestId long_one = *engine_.Submit(Ask({4, 5, 6}, 40));
  ASSERT_TRUE(RunToEnd(engine_, short_one).ok());
  const PageUse running = engine_.page_use();
  EXPECT_GT(running.resident, running.running);  // for whoever comes next
  ASSERT_TRUE(RunToEnd(engine_, long_one).ok());
  engine_.Rest();
  const PageUse idle = engine_.page_use();
  EXPECT_GT(idle.cached, 0u);
  EXPECT_EQ(idle.resident, idle.cached);
}

TEST_F(EngineTest, AStopTokenEndsTheRequestAndIsNotDelivered) {
  const Completion whole = *RunToEnd(engine_, *engine_.Submit(Ask({1, 2, 3}, 20)));
  Request request = Ask({1, 2, 3}, 20);
  request.stop_tokens = {whole.tokens[7].token};
  const Completion stopped = *RunToEnd(engine_, *engine_.Submit(request));
  EXPECT_EQ(stopped.finish, FinishReason::kStop);
  ASSERT_LE(stopped.tokens.size(), 7u);
  for (std::size_t i = 0; i < stopped.tokens.size(); ++i) {
    EXPECT_EQ(stopped.tokens[i].token, whole.tokens[i].token);
  }
}

TEST_F(EngineTest, ARequestOfNoTokensOnlyReadsItsPrompt) {
  const Completion completion = *RunToEnd(engine_, *engine_.Submit(Ask({1, 2, 3}, 0)));
  EXPECT_TRUE(completion.tokens.empty());
  EXPECT_EQ(completion.finish, FinishReason::kLength);
}

TEST_F(EngineTest, PromptLogitsComeOnceForEveryPositionInOrder) {
  std::mt19937_64 random(7);
  Request request = Ask(RandomTokens(random, 50, 96), 3);
  request.prompt_logits = true;
  const RequestId id = *engine_.Submit(request);
  std::int64_t next = 0;
  while (!engine_.idle()) {
    for (const Delivery& delivery : StepOf(engine_)) {
      EXPECT_EQ(delivery.request, id);
      if (!delivery.logits.empty()) {
        EXPECT_EQ(delivery.logits_first_position, next);
        EXPECT_EQ(delivery.logits.size() % 96, 0u);
        EXPECT_LE(delivery.logits.size() / 96, 16u);
        next += static_cast<std::int64_t>(delivery.logits.size()) / 96;
      }
    }
  }
  EXPECT_EQ(next, 50);
}

TEST_F(EngineTest, ACancelledRequestDeliversThatOnceAndNoMore) {
  const RequestId one = *engine_.Submit(Ask({1, 2, 3}, 20));
  const RequestId other = *engine_.Submit(Ask({4, 5}, 5));
  ASSERT_TRUE(engine_.Step().ok());
  ASSERT_TRUE(engine_.Cancel(one).ok());
  int cancelled = 0;
  while (!engine_.idle()) {
    for (const Delivery& delivery : StepOf(engine_)) {
      if (delivery.request == one) {
        EXPECT_EQ(delivery.finish, FinishReason::kCancelled);
        EXPECT_FALSE(delivery.token.has_value());
        ++cancelled;
      } else {
        EXPECT_EQ(delivery.request, other);
      }
    }
  }
  EXPECT_EQ(cancelled, 1);
  EXPECT_EQ(engine_.Cancel(one).error().code, ErrorCode::kNotFound);
}

TEST_F(EngineTest, MoreRequestsThanMayRunWaitAndAllFinish) {
  std::vector<RequestId> requests;
  for (int i = 0; i < 11; ++i) {
    requests.push_back(*engine_.Submit(Ask({i, 2 * i, 5}, 3 + i % 4)));
  }
  std::map<RequestId, int> tokens;
  while (!engine_.idle()) {
    for (const Delivery& delivery : StepOf(engine_)) {
      tokens[delivery.request] += delivery.token.has_value() ? 1 : 0;
    }
  }
  for (int i = 0; i < 11; ++i) {
    EXPECT_EQ(tokens[requests[i]], 3 + i % 4);
  }
}

TEST_F(EngineTest, RefusesRequestsThatMakeNoSense) {
  ExpectInvalid(engine_.Submit(Ask({}, 5)), "empty");
  ExpectInvalid(engine_.Submit(Ask({1, 96}, 5)), "token 1 is 96");
  ExpectInvalid(engine_.Submit(Ask({-1}, 5)), "token 0 is -1");
  ExpectInvalid(engine_.Submit(Ask({1}, -1)), "max_tokens");
  ExpectInvalid(engine_.Submit(Ask({1}, 256)), "256 positions");
  ExpectInvalid(engine_.Submit(Ask({1}, std::numeric_limits<std::int64_t>::max())), "max_tokens");
  Request request = Ask({1}, 5);
  request.sampling.top_p = std::numeric_limits<float>::quiet_NaN();
  ExpectInvalid(engine_.Submit(request), "top_p");
  request = Ask({1}, 5);
  request.network = NetworkId{9};
  EXPECT_EQ(engine_.Submit(request).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(engine_.idle());
  EXPECT_TRUE((*engine_.Step()).empty());
}

TEST_F(EngineTest, ANetworkWithLearnedPositionsTakesNoLongerSequencesAndOthersDo) {
  const NetworkId learned = *engine_.Load(RandomLlama(*store_, {.positions = 40}));
  Request request = Ask({1, 2}, 38);
  request.network = learned;
  EXPECT_TRUE(engine_.Submit(request).ok());
  request.max_tokens = 39;
  ExpectInvalid(engine_.Submit(request), "pass the limit of 40 positions");
  EXPECT_TRUE(engine_.Submit(Ask({1, 2}, 100)).ok());
  while (!engine_.idle()) {
    ASSERT_TRUE(engine_.Step().ok());
  }
}

TEST_F(EngineTest, RefusesARequestThatAloneWouldOutgrowThePages) {
  EngineOptions options = Options();
  options.page_bytes = 4 * 4096 * 2;  // four slots, two pages each: 32 positions
  Engine small(*store_, options);
  network_ = *small.Load(base_);
  EXPECT_TRUE(small.Submit(Ask({1}, 31)).ok());
  const Result<RequestId> refused = small.Submit(Ask({1}, 32));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
  EXPECT_NE(refused.error().message.find("32.8 kB"), std::string::npos) << refused.error().message;
}

TEST_F(EngineTest, TakesThePagesThatThePlanCountsInEveryFormatOfState) {
  const Network network = RandomLlama(*store_, {.layers = 2, .head_dim = 32});
  std::uint64_t bytes_in_f32 = 0;
  for (const KvFormat kv_format : {KvFormat::kF32, KvFormat::kF16}) {
    EngineOptions options = Options();
    options.kv_format = kv_format;
    options.page_bytes = SequencePageBytes(network, 33, kv_format);
    if (kv_format == KvFormat::kF32) {
      bytes_in_f32 = options.page_bytes;
    } else {
      EXPECT_EQ(options.page_bytes, bytes_in_f32 / 2);
    }
    Engine enough(*store_, options);
    network_ = *enough.Load(network);
    const auto request = enough.Submit(Ask({1}, 32));
    ASSERT_TRUE(request.ok()) << request.error().message;
    EXPECT_EQ(RunToEnd(enough, *request)->tokens.size(), 32u);
    --options.page_bytes;
    Engine small(*store_, options);
    network_ = *small.Load(network);
    EXPECT_EQ(small.Submit(Ask({1}, 32)).error().code, ErrorCode::kExhausted);
  }
}

TEST_F(EngineTest, AProfileCountsEveryBlockOfItsStepsAndChangesNothing) {
  const auto tokens = [&] {
    std::vector<std::int32_t> ids;
    const Completion completion = *RunToEnd(engine_, *engine_.Submit(Ask({1, 2}, 8)));
    for (const SampledToken& token : completion.tokens) {
      ids.push_back(token.token);
    }
    return ids;
  };
  const std::vector<std::int32_t> expected = tokens();
  Profile profile;
  engine_.set_profile(&profile);
  EXPECT_EQ(tokens(), expected);
  engine_.set_profile(nullptr);
  EXPECT_EQ(tokens(), expected);

  EXPECT_EQ(profile.steps(), 8);
  std::map<std::string_view, std::int64_t> calls;
  std::int64_t nanos = 0;
  for (const Profile::Part& part : profile.parts()) {
    calls[part.name] = part.calls;
    nanos += part.nanos;
  }
  EXPECT_EQ(calls["schedule"], 8);
  EXPECT_EQ(calls["embed"], 8);
  EXPECT_EQ(calls["attention"], 4 * 8);
  EXPECT_EQ(calls["mlp"], 4 * 8);
  EXPECT_EQ(calls["norm"], 8);
  EXPECT_EQ(calls["head"], 8);
  EXPECT_EQ(calls["combine"], 2 * 11 * 8);
  EXPECT_EQ(calls["sample"], 8);
  EXPECT_LE(nanos, profile.nanos());
  EXPECT_GT(profile.kernel_nanos(), 0);
  EXPECT_LE(profile.kernel_nanos(), nanos);
}

TEST_F(EngineTest, TellsTheExpertsOfEveryPositionThatIsComputedOnce) {
  const Network mixture = RandomLlama(*store_, {.layers = 2, .channels = 32, .experts = 7});
  network_ = *engine_.Load(mixture);
  using Place = std::tuple<RequestId, int, std::int64_t>;  // request, node, position
  std::map<Place, std::vector<std::int32_t>> told;
  engine_.set_expert_listener([&](const ChosenExperts& chosen) {
    ASSERT_EQ(chosen.per_row, 2);
    for (std::size_t i = 0; i < chosen.experts.size(); i += 2) {
      const Place place = {chosen.request, chosen.node,
                           chosen.first_position + static_cast<std::int64_t>(i) / 2};
      EXPECT_TRUE(
          told.emplace(place, std::vector{chosen.experts[i], chosen.experts[i + 1]}).second);
    }
  });
  // Two requests side by side; the last token of each is not fed.
  const RequestId longer = *engine_.Submit(Ask({1, 2, 3, 4}, 3));
  const RequestId shorter = *engine_.Submit(Ask({1, 2}, 3));
  while (!engine_.idle()) {
    ASSERT_TRUE(engine_.Step().ok());
  }
  // The last mixture is computed where logits are wanted only.
  ASSERT_EQ(told.size(), (4u + 2) + (2 + 2) + 3 + 3);
  EXPECT_TRUE(told.contains({longer, 2, 0}) && told.contains({longer, 2, 5}));
  EXPECT_TRUE(told.contains({longer, 4, 3}) && told.contains({shorter, 4, 3}));
  for (const std::int64_t position : {0, 1}) {
    EXPECT_EQ((told[{longer, 2, position}]), (told[{shorter, 2, position}]));
  }
  for (const auto& [place, experts] : told) {
    EXPECT_TRUE(0 <= experts[0] && experts[0] < experts[1] && experts[1] < 7);
  }
  engine_.set_expert_listener({});
  ASSERT_TRUE(RunToEnd(engine_, *engine_.Submit(Ask({5}, 2))).ok());
  EXPECT_EQ(told.size(), 16u);
}

TEST_F(EngineTest, ForksAreRefusedWithoutAStateToShare) {
  const RequestId request = *engine_.Submit(Ask({1, 2, 3}, 4));
  const SamplingOptions greedy{.temperature = 0};
  EXPECT_EQ(engine_.Fork(request, {}, 4, greedy).error().code, ErrorCode::kInvalid);
  ASSERT_TRUE(RunToEnd(engine_, request).ok());
  EXPECT_EQ(engine_.Fork(request, {}, 4, greedy).error().code, ErrorCode::kNotFound);
}

TEST_F(EngineTest, ANetworkInUseIsNotUnloaded) {
  const RequestId request = *engine_.Submit(Ask({1, 2, 3}, 4));
  EXPECT_EQ(engine_.Unload(network_).error().code, ErrorCode::kConflict);
  ASSERT_TRUE(RunToEnd(engine_, request).ok());
  EXPECT_TRUE(engine_.Unload(network_).ok());
  EXPECT_EQ(engine_.Unload(network_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(engine_.Submit(Ask({1}, 1)).error().code, ErrorCode::kNotFound);
}

TEST_F(EngineTest, ABlobThatIsShorterThanItsManifestSaysIsNamed) {
  Network lying = base_;
  Block block = lying.BlockOf(0);
  block.tensors.begin()->second.levels.front().offset = 1 << 20;
  lying.nodes[0].block = lying.AddBlock(std::move(block));
  const Result<NetworkId> loaded = engine_.Load(lying);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(loaded.error().message.find("embed"), std::string::npos) << loaded.error().message;
}

TEST_F(EngineTest, WithVerifyABlobOfOtherBytesAndAScaleThatIsNoNumberAreFound) {
  EngineOptions options = Options();
  options.verify_blobs = true;
  Engine verifying(*store_, options);
  EXPECT_TRUE(verifying.Load(base_).ok());

  Network lying = RandomLlama(*store_, {.codec = "q8"});
  Block block = lying.BlockOf(2);
  Level& level = block.tensors.find("up")->second.levels.front();
  level.blob = *store_->Put(std::vector<std::byte>(level.length, std::byte{0x7c}));
  lying.nodes[2].block = lying.AddBlock(std::move(block));
  const Result<NetworkId> loaded = verifying.Load(lying);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(loaded.error().message.find("up"), std::string::npos) << loaded.error().message;
  EXPECT_TRUE(engine_.Load(lying).ok());  // loads check sizes only
}

TEST_F(EngineTest, OptionsThatMakeNoSenseAreNamed) {
  EngineOptions options = Options();
  EXPECT_TRUE(options.Check().ok());
  options.max_rows = 3;  // fewer than the sequences that may decode at once
  EXPECT_NE(options.Check().error().message.find("max_rows"), std::string::npos);
  options = Options();
  options.threads = 0;
  EXPECT_NE(options.Check().error().message.find("threads"), std::string::npos);
  options = Options();
  options.page_bytes = 0;
  EXPECT_NE(options.Check().error().message.find("page_bytes"), std::string::npos);
}

TEST_F(EngineTest, TheDryRunMeasuresWhatNetworksNeedTogether) {
  const Network wide = RandomLlama(*store_, {.layers = 1, .seed = 3, .width = 128});
  const std::uint64_t one = *Engine::WorkspaceBytes(std::vector<const Network*>{&base_}, Options());
  const std::uint64_t other =
      *Engine::WorkspaceBytes(std::vector<const Network*>{&wide}, Options());
  const std::uint64_t both =
      *Engine::WorkspaceBytes(std::vector<const Network*>{&base_, &wide}, Options());
  EXPECT_GT(one, 64u * 64 * 4);
  EXPECT_GT(other, one);
  EXPECT_EQ(both, other);
  EngineOptions more = Options();
  more.max_rows = 128;
  EXPECT_GT(*Engine::WorkspaceBytes(std::vector<const Network*>{&base_}, more), one);
}

TEST_F(EngineTest, AWorkspaceThatIsNotPrefaultedTakesWhatStepsNeededUntilItIs) {
  EngineOptions options = Options();
  options.max_rows = 1 << 14;
  options.prefault_workspace = false;
  const auto all = static_cast<std::int64_t>(
      *Engine::WorkspaceBytes(std::vector<const Network*>{&base_}, options));
  ASSERT_GT(all, 16 << 20);
  const std::int64_t before = ResidentBytesNow();
  Engine engine(*store_, options);
  network_ = *engine.Load(base_);
  ASSERT_TRUE(RunToEnd(engine, *engine.Submit(Ask({1, 2, 3}, 4))).ok());
  EXPECT_LT(ResidentBytesNow() - before, all / 4);
  engine.SetPrefaultWorkspace(true);
  EXPECT_GT(ResidentBytesNow() - before, all / 4 * 3);
}

TEST_F(EngineTest, AWorkspaceGoesBackWhileTheEngineRestsUnlessItWasPrefaulted) {
  EngineOptions options = Options();
  options.max_rows = 256;
  const Network wide = RandomLlama(*store_, {.layers = 1, .width = 2048});
  std::mt19937_64 random(1);
  const std::vector<std::int32_t> prompt = RandomTokens(random, 250, 96);
  for (const bool prefault : {false, true}) {
    options.prefault_workspace = prefault;
    Engine engine(*store_, options);
    network_ = *engine.Load(wide);
    Request request = Ask(prompt, 2);
    const Completion first = *RunToEnd(engine, *engine.Submit(request));
    const auto all = static_cast<std::int64_t>(
        *Engine::WorkspaceBytes(std::vector<const Network*>{&wide}, options));
    const std::int64_t before = ResidentBytesNow();
    engine.Rest();
    const std::int64_t given = before - ResidentBytesNow();
    EXPECT_EQ(given > all / 2, !prefault) << given << " of " << all;
    request.cache_scope = 1;  // what comes next is computed again, and the same
    const Completion second = *RunToEnd(engine, *engine.Submit(request));
    EXPECT_EQ(second.tokens[1].logprob, first.tokens[1].logprob);
  }
}

}  // namespace
}  // namespace ashlar
