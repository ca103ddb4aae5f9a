#include "ashlar/server/api/constraints.h"

#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/server/api/testing_networks.h"

namespace ashlar {
namespace {

class KeptGrammarsTest : public ::testing::Test {
 protected:
  KeptGrammarsTest() {
    network_.tokenizer = std::make_shared<const Tokenizer>(testing_api::ByteTokenizer());
    network_.logits = 256;
  }

  std::shared_ptr<GrammarMasks> Find(std::string_view text, std::string_view scope = "") {
    return *kept_.Find({.kind = GrammarKind::kGbnf, .text = std::string(text)}, network_, scope,
                       {});
  }
  // Answers to a grammar of which each is the only one that is in its states.
  static void AnswerAtLength(const std::shared_ptr<GrammarMasks>& masks, std::size_t bytes) {
    std::mt19937_64 random(TestSeed());
    while (masks->bytes() < bytes) {
      Constraint answer(masks);
      for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(answer.Accept('0' + static_cast<int>(random() % 2)).ok());
      }
    }
  }

  static constexpr std::string_view kNested =
      "root ::= \"0\" root \"0\" | \"1\" root \"1\" | \"x\"";
  static constexpr std::size_t kMost = 1 << 20;
  NetworkCard network_;
  KeptGrammars kept_{kMost};
};

TEST_F(KeptGrammarsTest, AllTogetherAreWithinTheirBytesAndTheLeastLatelyUsedGoesFirst) {
  std::vector<std::weak_ptr<GrammarMasks>> made;
  for (int i = 0; i < 8; ++i) {
    const auto masks = Find(fmt::format("{} # {}", kNested, i));
    made.push_back(masks);
    AnswerAtLength(masks, kMost / 3);
    kept_.TrimIfTooMuch();
    EXPECT_NE(Find(fmt::format("{} # 0", kNested)), nullptr);  // it is asked for all the time
    EXPECT_LE(kept_.bytes(), kMost);
  }
  EXPECT_FALSE(made[0].expired());
  EXPECT_TRUE(made[1].expired());
  EXPECT_FALSE(made[7].expired());
}

TEST_F(KeptGrammarsTest, WhatNobodyUsesIsSpareAndTheRestStays) {
  auto used = Find(kNested);
  EXPECT_EQ(kept_.bytes(), 0u);
  const std::weak_ptr<GrammarMasks> unused = Find("root ::= \"a\"");
  EXPECT_GT(kept_.bytes(), 0u);
  kept_.Release();
  EXPECT_TRUE(unused.expired());
  EXPECT_EQ(Find(kNested), used);
  AnswerAtLength(used, kMost / 4);
  used = nullptr;
  EXPECT_GT(kept_.bytes(), kMost / 4);
  kept_.Release();
  EXPECT_EQ(kept_.bytes(), 0u);
}

TEST_F(KeptGrammarsTest, OneScopeDoesNotFindWhatAnotherHasMade) {
  const auto masks = Find(kNested, "a");
  EXPECT_EQ(Find(kNested, "a"), masks);
  EXPECT_NE(Find(kNested, "b"), masks);
}

}  // namespace
}  // namespace ashlar
