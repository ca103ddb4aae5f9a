// Cached prefixes that made room come back from a file: with the same bits, step by step while
// others go on, and not at all when the file fails.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/base/test_time.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::StepOf;

// In memory, as slow and as broken as a test wants it.
class SlowSpillFile final : public SpillFile {
 public:
  Status Write(std::uint64_t offset, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(mutex_);
    bytes_.resize(std::max<std::size_t>(bytes_.size(), offset + bytes.size()));
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    ++writes;
    return {};
  }
  Status Read(std::uint64_t offset, std::span<std::byte> bytes) override {
    std::this_thread::sleep_for(delay);
    if (broken) {
      return Error{ErrorCode::kIo, "broken"};
    }
    const std::lock_guard lock(mutex_);
    std::ranges::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), std::ssize(bytes),
                        bytes.begin());
    return {};
  }
  std::atomic<std::uint64_t> writes = 0;
  std::chrono::milliseconds delay{0};
  bool broken = false;

 private:
  std::mutex mutex_;
  std::vector<std::byte> bytes_;
};

class SpilledPrefixesTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t kWhole = 96;  // positions of the prompt's whole pages
  static constexpr std::uint64_t kPages = 2 * kWhole / 16;

  EngineOptions Options(std::shared_ptr<SpillFile> file) const {
    return {.isa = *ChooseIsa(""),
            .max_positions = 256,
            .max_rows = 64,
            .max_logit_rows = 16,
            .max_sequences = 4,
            .page_bytes = 48 * 4096,  // 24 of each of the two slots
            .spill_file = std::move(file)};
  }
  Request Asked(NetworkId network) const {
    return {.network = network,
            .prompt = prompt_,
            .max_tokens = 10,
            .sampling = {.temperature = 1, .seed = 1, .top_logprobs = 0}};
  }
  // What is said, with its log-probabilities.
  std::vector<std::pair<std::int32_t, float>> Say(Engine& engine, NetworkId network) const {
    std::vector<std::pair<std::int32_t, float>> said;
    const Completion completion = *RunToEnd(engine, *engine.Submit(Asked(network)));
    for (const SampledToken& token : completion.tokens) {
      said.emplace_back(token.token, token.logprob);
    }
    return said;
  }
  // Asks other things until nothing of the prompt is in memory.
  void Crowd(Engine& engine, NetworkId network) {
    for (int i = 0; i < 10; ++i) {
      const Request other{
          .network = network, .prompt = RandomTokens(random_, 150, 96), .max_tokens = 2};
      ASSERT_TRUE(RunToEnd(engine, *engine.Submit(other)).ok());
    }
  }
  // Until all that was evicted is in the file.
  static void AwaitWrites(const Engine& engine, const SlowSpillFile& file) {
    ASSERT_TRUE(Eventually([&] { return file.writes >= engine.counters().pages_evicted; }));
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  std::mt19937_64 random_{TestSeed()};
  Network network_ = RandomLlama(*store_, {.layers = 2});
  std::vector<std::int32_t> prompt_ = RandomTokens(random_, 100, 96);
};

TEST_F(SpilledPrefixesTest, ComeBackFromAFileWithoutANameWithTheSameBits) {
  const TempDirectory directory;
  Engine engine(*store_, Options(*OpenSpillFile(directory.path())));
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  const NetworkId network = *engine.Load(network_);
  const auto first = Say(engine, network);
  for (int tries = 0; engine.counters().pages_restored < kPages; ++tries) {
    ASSERT_LT(tries, 100) << "the thread that writes may be late, but not for ever";
    Crowd(engine, network);
    ASSERT_EQ(Say(engine, network), first);
  }
  EXPECT_GE(engine.counters().pages_spilled, kPages);
}

TEST_F(SpilledPrefixesTest, AreReadFromStepToStepWhileOthersGoOn) {
  const auto file = std::make_shared<SlowSpillFile>();
  Engine engine(*store_, Options(file));
  const NetworkId network = *engine.Load(network_);
  const auto first = Say(engine, network);
  Crowd(engine, network);
  AwaitWrites(engine, *file);
  file->delay = std::chrono::milliseconds(100);  // far longer than a step, even a late one
  const RequestId stream = *engine.Submit({.network = network, .prompt = {1}, .max_tokens = 60});
  StepOf(engine);
  for (const bool cancelled : {true, false}) {
    const RequestId asked = *engine.Submit(Asked(network));
    std::uint64_t streamed = 0;  // before the other has begun
    std::vector<std::pair<std::int32_t, float>> said;
    std::int64_t cached = -1;
    for (bool ended = false; !ended;) {
      for (const Delivery& delivery : StepOf(engine)) {
        if (delivery.request == stream) {
          streamed += cached < 0 ? 1 : 0;
          continue;
        }
        cached = delivery.cached_tokens;
        if (delivery.token) {
          said.emplace_back(delivery.token->token, delivery.token->logprob);
        }
        ended = delivery.finish != FinishReason::kNone;
      }
      if (cancelled && streamed == 3 && !ended) {
        ASSERT_TRUE(engine.Cancel(asked).ok());
      }
    }
    if (cancelled) {
      EXPECT_LT(engine.counters().pages_restored, kPages) << "some had still to be read";
      continue;
    }
    EXPECT_EQ(cached, kWhole);
    EXPECT_EQ(said, first);
    EXPECT_GE(streamed, 3u);
    EXPECT_GE(engine.counters().pages_restored, kPages);
  }
  ASSERT_TRUE(RunToEnd(engine, stream).ok());
  EXPECT_EQ(engine.page_use().running, 0u);
}

TEST_F(SpilledPrefixesTest, AreComputedAgainWhenTheirFileFails) {
  const auto file = std::make_shared<SlowSpillFile>();
  Engine engine(*store_, Options(file));
  const NetworkId network = *engine.Load(network_);
  const auto first = Say(engine, network);
  Crowd(engine, network);
  AwaitWrites(engine, *file);
  file->broken = true;
  const std::uint64_t cached = engine.counters().cached_tokens;
  EXPECT_EQ(Say(engine, network), first);
  EXPECT_EQ(engine.counters().cached_tokens, cached);
  EXPECT_EQ(engine.counters().pages_restored, 0u);
}

}  // namespace
}  // namespace ashlar
