// Pinned prefixes: they stay, whatever else wants the memory; they are bounded; and they never keep
// a request from ending.
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::StepOf;

constexpr std::uint64_t kPinPage = 4096;  // of one of the two slots

class PinnedPrefixesTest : public ::testing::Test {
 protected:
  static EngineOptions Options(std::uint64_t pages) {
    return {.isa = *ChooseIsa(""),
            .max_positions = 256,
            .max_rows = 64,
            .max_logit_rows = 16,
            .max_sequences = 4,
            .page_bytes = pages * kPinPage};
  }
  // Tokens that some work was spared for.
  static std::int64_t Cached(Engine& engine, NetworkId network, std::vector<std::int32_t> prompt,
                             std::int64_t max_tokens = 0, std::uint64_t scope = 0) {
    const Result<RequestId> id = engine.Submit(
        {.network = network, .prompt = prompt, .max_tokens = max_tokens, .cache_scope = scope});
    EXPECT_TRUE(id.ok());
    std::int64_t cached = -1;
    while (id.ok() && !engine.idle()) {
      for (const Delivery& delivery : StepOf(engine)) {
        cached = delivery.cached_tokens;
      }
    }
    return cached;
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  std::mt19937_64 random_{TestSeed()};
  Network network_ = RandomLlama(*store_, {.layers = 2});
};

TEST_F(PinnedPrefixesTest, StayWhileOthersTakeTheirTurns) {
  Engine engine(*store_, Options(40));
  const NetworkId network = *engine.Load(network_);
  const auto system = RandomTokens(random_, 100, 96);
  EXPECT_EQ(engine.PinPrefix(network, system, 0).error().code, ErrorCode::kNotFound);
  Cached(engine, network, system);
  const PinnedPrefix pinned = *engine.PinPrefix(network, system, 0);
  EXPECT_EQ(pinned.positions, 96);
  EXPECT_EQ(pinned.bytes, 12 * kPinPage);
  for (int i = 0; i < 10; ++i) {
    Cached(engine, network, RandomTokens(random_, 150, 96), 10);
  }
  EXPECT_EQ(engine.page_use().pinned, 12 * kPinPage);
  EXPECT_EQ(Cached(engine, network, system), 96);
  ASSERT_TRUE(engine.UnpinPrefix(pinned.id).ok());
  EXPECT_EQ(engine.UnpinPrefix(pinned.id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(engine.page_use().pinned, 0u);
  EXPECT_EQ(engine.page_use().running, 0u);
  for (int i = 0; i < 10; ++i) {
    Cached(engine, network, RandomTokens(random_, 150, 96), 10);
  }
  EXPECT_EQ(Cached(engine, network, system), 0);
}

TEST_F(PinnedPrefixesTest, AreRefusedWithNumbersWhereTheyWouldTakeTooMuch) {
  Engine engine(*store_, Options(40));
  const NetworkId network = *engine.Load(network_);
  const auto tokens = RandomTokens(random_, 180, 96);
  Cached(engine, network, tokens);
  const Result<PinnedPrefix> half = engine.PinPrefix(network, tokens, 0);  // 22 of 40 pages
  ASSERT_FALSE(half.ok());
  EXPECT_EQ(half.error().code, ErrorCode::kExhausted);
  EXPECT_NE(half.error().message.find("90.1 kB"), std::string::npos) << half.error().message;
  const std::span<const std::int32_t> few = std::span(tokens).first(15);
  EXPECT_EQ(engine.PinPrefix(network, few, 0).error().code, ErrorCode::kInvalid);
  // Beside a request that may need 30 pages, only 10 are left.
  const RequestId running = *engine.Submit(
      {.network = network, .prompt = std::vector<std::int32_t>(200, 1), .max_tokens = 40});
  const auto prefix = std::span(tokens).first(112);  // 14 pages
  EXPECT_EQ(engine.PinPrefix(network, prefix, 0).error().code, ErrorCode::kConflict);
  ASSERT_TRUE(RunToEnd(engine, running).ok());
  Cached(engine, network, {prefix.begin(), prefix.end()});
  ASSERT_TRUE(engine.PinPrefix(network, prefix, 0).ok());
  // Now a request finds 26 pages: 208 positions.
  const Request request{
      .network = network, .prompt = std::vector<std::int32_t>(200, 1), .max_tokens = 8};
  ASSERT_TRUE(RunToEnd(engine, *engine.Submit(request)).ok());
  Request longer = request;
  longer.max_tokens = 9;
  const Result<RequestId> refused = engine.Submit(longer);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
  EXPECT_NE(refused.error().message.find("pinned"), std::string::npos);
}

TEST_F(PinnedPrefixesTest, OutliveTheirNetworkAndAreThereWhenItComesAgain) {
  Engine engine(*store_, Options(40));
  NetworkId network = *engine.Load(network_);
  const auto system = RandomTokens(random_, 65, 96);
  Cached(engine, network, system);
  ASSERT_TRUE(engine.PinPrefix(network, system, 0).ok());
  ASSERT_TRUE(engine.Unload(network).ok());
  network = *engine.Load(network_);
  EXPECT_EQ(Cached(engine, network, system), 64);
}

// Random pins, unpins and requests over too little memory, against a model that knows which pages
// are pinned: each is counted once, pins are granted exactly where they fit, what is pinned is
// always found, and every request ends.
TEST_F(PinnedPrefixesTest, RandomOperationsAgreeWithAModel) {
  constexpr std::uint64_t kPages = 48;
  Engine engine(*store_, Options(kPages));
  const NetworkId networks[] = {*engine.Load(network_),
                                *engine.Load(RandomLlama(*store_, {.layers = 2, .seed = 2}))};
  // A page is known by whose it is and by all tokens up to its end.
  using PageName = std::tuple<int, std::uint64_t, std::vector<std::int32_t>>;
  struct Pin {
    int network;
    std::uint64_t scope;
    std::vector<std::int32_t> tokens;
    std::set<PageName> pages;
  };
  std::map<PrefixId, Pin> pins;
  const auto pinned_pages = [&] {
    std::set<PageName> pages;
    for (const auto& [id, pin] : pins) {
      pages.insert(pin.pages.begin(), pin.pages.end());
    }
    return pages;
  };
  const auto common = RandomTokens(random_, 64, 96);
  int granted = 0, refused = 0;
  for (int round = 0; round < 300; ++round) {
    Pin pin{.network = static_cast<int>(random_() % 2), .scope = random_() % 2, .tokens = common};
    pin.tokens.resize(16 * (random_() % 5));  // several begin alike
    const auto more = RandomTokens(random_, 1 + static_cast<std::int64_t>(random_() % 60), 96);
    pin.tokens.insert(pin.tokens.end(), more.begin(), more.end());
    const NetworkId network = networks[pin.network];
    const auto what = random_() % 4;
    if (what == 0 && !pins.empty()) {
      const auto gone =
          std::next(pins.begin(), static_cast<std::ptrdiff_t>(random_() % pins.size()));
      ASSERT_TRUE(engine.UnpinPrefix(gone->first).ok());
      pins.erase(gone);
    } else if (what == 1 && pin.tokens.size() >= 16) {
      Cached(engine, network, pin.tokens, 0, pin.scope);
      for (std::size_t end = 16; end <= pin.tokens.size(); end += 16) {
        pin.pages.emplace(
            pin.network, pin.scope,
            std::vector(pin.tokens.begin(), pin.tokens.begin() + static_cast<std::ptrdiff_t>(end)));
      }
      std::set<PageName> after = pinned_pages();
      after.insert(pin.pages.begin(), pin.pages.end());
      const bool fits = 2 * after.size() <= kPages / 2;  // two slots
      const Result<PinnedPrefix> result = engine.PinPrefix(network, pin.tokens, pin.scope);
      ASSERT_EQ(result.ok(), fits) << (result.ok() ? "" : result.error().message);
      (fits ? granted : refused) += 1;
      if (fits) {
        ASSERT_EQ(result->positions, static_cast<std::int64_t>(16 * pin.pages.size()));
        pins.emplace(result->id, std::move(pin));
      }
    } else {
      Cached(engine, network, pin.tokens, 1 + static_cast<std::int64_t>(random_() % 40), pin.scope);
    }
    ASSERT_EQ(engine.page_use().pinned, 2 * kPinPage * pinned_pages().size());
    ASSERT_EQ(engine.page_use().running, engine.page_use().pinned);
    if (!pins.empty()) {
      const auto& [id, each] =
          *std::next(pins.begin(), static_cast<std::ptrdiff_t>(random_() % pins.size()));
      std::vector<std::int32_t> prompt = each.tokens;
      prompt.push_back(5);
      ASSERT_GE(Cached(engine, networks[each.network], prompt, 1, each.scope),
                static_cast<std::int64_t>(16 * each.pages.size()));
    }
  }
  EXPECT_GT(granted, 0);
  EXPECT_GT(refused, 0);
  EXPECT_GT(engine.counters().pages_evicted, 50u);
}

}  // namespace
}  // namespace ashlar
