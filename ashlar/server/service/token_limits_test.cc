#include "ashlar/server/service/token_limits.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar::internal {
namespace {

constexpr std::int32_t kSmallVocabulary = 100;

std::shared_ptr<const NetworkCard> CardOfTokens() {
  auto card = std::make_shared<NetworkCard>();
  card->logits = kSmallVocabulary;
  return card;
}

std::set<std::int32_t> SetOf(std::span<const std::uint64_t> bits) {
  std::set<std::int32_t> tokens;
  for (std::int32_t token = 0; token < kSmallVocabulary; ++token) {
    if (static_cast<std::size_t>(token) / 64 < bits.size() &&
        (bits[static_cast<std::size_t>(token) / 64] >> (token % 64) & 1) != 0) {
      tokens.insert(token);
    }
  }
  return tokens;
}

// Allows the tokens of one parity, in turns, and ends after so many.
class Parity final : public TokenConstraint {
 public:
  explicit Parity(std::int64_t end) : end_(end) {}
  Result<std::span<const std::uint64_t>> Allowed() override {
    bits_[0] = count_ % 2 == 0 ? 0x5555555555555555 : 0xAAAAAAAAAAAAAAAA;
    return std::span<const std::uint64_t>(bits_);  // none from 64 on
  }
  Status Accept(std::int32_t /*token*/) override {
    ++count_;
    return {};
  }
  bool finished() const override { return count_ == end_; }

 private:
  const std::int64_t end_;
  std::int64_t count_ = 0;
  std::array<std::uint64_t, 1> bits_ = {};
};

TEST(TokenLimits, AreNoneWhereNothingIsLimited) {
  EXPECT_EQ(LimitTokens({.network = CardOfTokens()}, {}, nullptr), nullptr);
}

// Random limits and outputs, against sets of tokens.
TEST(TokenLimits, AllowWhatEveryLimitAllows) {
  std::mt19937_64 random(TestSeed());
  const auto draw = [&](int below) { return static_cast<std::int32_t>(random() % below); };
  int bad_words_met = 0;
  for (int round = 0; round < 300; ++round) {
    Generation generation{.network = CardOfTokens()};
    generation.min_tokens = draw(4);
    for (int i = draw(6); i > 0; --i) {
      std::vector<std::int32_t> word;
      for (int n = 1 + draw(3); n > 0; --n) {
        word.push_back(draw(4));
      }
      generation.bad_words.push_back(word);
    }
    std::set<std::int32_t> all;
    for (std::int32_t token = 0; token < kSmallVocabulary; ++token) {
      all.insert(token);
    }
    if (draw(2) == 0) {
      all = {0, 1, 2, 3, 65, 99};
      generation.allowed_tokens.assign(all.begin(), all.end());
    }
    const std::vector<std::int32_t> ends = {draw(4), 99};
    const bool inner = draw(3) == 0;
    const auto limits =
        LimitTokens(generation, ends, inner ? std::make_shared<Parity>(1000) : nullptr);
    if (limits == nullptr) {
      continue;
    }
    std::vector<std::int32_t> said;
    while (said.size() < 12) {
      std::set<std::int32_t> expected;
      for (const std::int32_t token : all) {
        bool allowed = !inner || (token < 64 && token % 2 == std::ssize(said) % 2);
        if (std::ssize(said) < generation.min_tokens) {
          allowed &= std::ranges::find(ends, token) == ends.end();
        }
        std::vector<std::int32_t> then = said;
        then.push_back(token);
        for (const std::vector<std::int32_t>& word : generation.bad_words) {
          const bool bad =
              word.size() <= then.size() && std::equal(word.rbegin(), word.rend(), then.rbegin());
          bad_words_met += bad && word.size() > 1 ? 1 : 0;
          allowed &= !bad;
        }
        if (allowed) {
          expected.insert(token);
        }
      }
      const auto bits = limits->Allowed();
      ASSERT_EQ(bits.ok(), !expected.empty());
      if (expected.empty()) {
        EXPECT_NE(bits.error().message.find("bad_words"), std::string::npos);
        break;
      }
      ASSERT_EQ(SetOf(*bits), expected);
      // Small ones mostly, of which bad words are made.
      auto next = expected.begin();
      std::advance(next, draw(std::min<int>(4, static_cast<int>(expected.size()))));
      said.push_back(*next);
      ASSERT_TRUE(limits->Accept(*next).ok());
    }
  }
  EXPECT_GT(bad_words_met, 100);
}

TEST(TokenLimits, EndWhereWhatTheyAreAroundEnds) {
  const auto limits = LimitTokens({.network = CardOfTokens(), .allowed_tokens = {2, 3}}, {},
                                  std::make_shared<Parity>(2));
  EXPECT_FALSE(limits->finished());
  ASSERT_TRUE(limits->Accept(2).ok());
  EXPECT_FALSE(limits->finished());
  ASSERT_TRUE(limits->Accept(3).ok());
  EXPECT_TRUE(limits->finished());
}

}  // namespace
}  // namespace ashlar::internal
