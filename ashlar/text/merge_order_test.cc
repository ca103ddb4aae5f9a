#include "ashlar/text/merge_order.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/json.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Tokenizer OfMerges(const std::vector<std::string>& tokens, const std::vector<TokenPair>& merges) {
  Json vocab = Json::Object();
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    vocab.Set(tokens[id], id);
  }
  Json pairs = Json::Array();
  for (const auto& [left, right] : merges) {
    pairs.Append(Json::Array{left, right});
  }
  const Json model = Json::Of({{"type", "BPE"}, {"vocab", vocab}, {"merges", pairs}});
  return *Tokenizer::FromJson(WriteJson(Json::Of({{"model", model}})));
}

Tokenizer OfScores(const std::vector<std::string>& tokens, const std::vector<float>& scores) {
  Json vocab = Json::Array();
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    vocab.Append(Json::Array{tokens[id], std::max(scores[id], -1e9f)});
  }
  const Json model = Json::Of({{"type", "SentencePieceBPE"}, {"vocab", vocab}});
  return *Tokenizer::FromJson(WriteJson(Json::Of({{"model", model}})));
}

// Few letters, so that the parts of tokens overlap in every way.
class MergeOrder : public ::testing::Test {
 protected:
  std::string RandomText(std::size_t least, std::size_t most) {
    std::string text(std::uniform_int_distribution<std::size_t>(least, most)(random_), 'a');
    for (char& c : text) {
      c = "abc"[std::uniform_int_distribution<int>(0, 2)(random_)];
    }
    return text;
  }
  // "a", "b" and "c", and others of two to six of them.
  std::vector<std::string> RandomTokens() {
    std::set<std::string> others;
    while (others.size() < 12) {
      others.insert(RandomText(2, 6));
    }
    std::vector<std::string> tokens = {"a", "b", "c"};
    tokens.insert(tokens.end(), others.begin(), others.end());
    std::shuffle(tokens.begin(), tokens.end(), random_);
    return tokens;
  }
  void ExpectTheSame(const Tokenizer& one, const Tokenizer& other) {
    for (int i = 0; i < 40; ++i) {
      const std::string text = RandomText(1, 30);
      ASSERT_EQ(*one.Encode(text), *other.Encode(text)) << text;
    }
  }
  std::mt19937 random_{7};
};

// Every pair whose text is a token, as other programs write them, or some of them.
TEST_F(MergeOrder, OfAnyMergesHasScoresThatGiveTheSameTokensOrIsRefused) {
  int same = 0;
  for (int round = 0; round < 400; ++round) {
    const std::vector<std::string> tokens = RandomTokens();
    std::vector<TokenPair> merges;
    const std::uint32_t left_out = random_() % 4;
    for (const std::string& left : tokens) {
      for (const std::string& right : tokens) {
        if (std::ranges::count(tokens, left + right) != 0 && random_() % 4 >= left_out) {
          merges.emplace_back(left, right);
        }
      }
    }
    std::shuffle(merges.begin(), merges.end(), random_);
    const auto scores = ScoresOfMerges(tokens, merges, std::vector<bool>(tokens.size()));
    if (scores.ok()) {
      ++same;
      ExpectTheSame(OfMerges(tokens, merges), OfScores(tokens, *scores));
    } else {
      EXPECT_THAT(scores.error().message, HasSubstr("no merge joins the last two parts of"));
    }
  }
  EXPECT_GT(same, 100);
  EXPECT_LT(same, 400);
}

TEST_F(MergeOrder, OfDifferentScoresHasMergesThatGiveTheSameTokens) {
  for (int round = 0; round < 400; ++round) {
    const std::vector<std::string> tokens = RandomTokens();
    std::vector<float> scores;
    for (std::size_t id = 0; id < tokens.size(); ++id) {
      scores.push_back(-static_cast<float>(id));
    }
    std::shuffle(scores.begin(), scores.end(), random_);
    const auto merges = MergesOfScores(tokens, scores);
    ASSERT_TRUE(merges.ok()) << merges.error().message;
    ExpectTheSame(OfScores(tokens, scores), OfMerges(tokens, *merges));
  }
}

// As the runs of spaces of well-known vocabularies.
TEST_F(MergeOrder, OfRunsWithOneScoreHasMergesThatGiveTheSameTokens) {
  const std::vector<std::string> tokens = {"a", "b", "c", "aaa", "ab", "aa", "abc", "aaaa"};
  for (const float run : {-10.0f, -2.5f, -0.5f}) {
    const std::vector<float> scores = {0, 0, 0, run, -1, run, -3, run};
    const auto merges = MergesOfScores(tokens, scores);
    ASSERT_TRUE(merges.ok()) << merges.error().message;
    for (int i = 0; i < 20; ++i) {
      ExpectTheSame(OfScores(tokens, scores), OfMerges(tokens, *merges));
    }
  }
}

// Many pairs of runs, "xx" and "xxx", each pair with a score of its own. In quadratic time this
// would take minutes.
TEST_F(MergeOrder, OfManyRunsIsNotQuadratic) {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  for (int i = 0; i < 150'000; ++i) {
    const int c = 0x10000 + i;  // a character of four bytes
    const std::string x = {static_cast<char>(0xF0), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
                           static_cast<char>(0x80 | (c >> 6 & 0x3F)),
                           static_cast<char>(0x80 | (c & 0x3F))};
    for (const std::string& token : {x, x + x, x + x + x}) {
      tokens.push_back(token);
      scores.push_back(token.size() == 4 ? 0.0f : -static_cast<float>(i + 1));
    }
  }
  const auto merges = MergesOfScores(tokens, scores);
  ASSERT_TRUE(merges.ok()) << merges.error().message;
  EXPECT_EQ(merges->size(), 300'000u);
}

TEST_F(MergeOrder, NamesWhatNoMergesCanSayOfScores) {
  const auto why_not = [](const std::vector<std::string>& tokens,
                          const std::vector<float>& scores) {
    const auto merges = MergesOfScores(tokens, scores);
    return merges.ok() ? "nothing" : merges.error().message;
  };
  EXPECT_EQ(why_not({"a", "b", "ab", "ba"}, {0, 0, -1, -2}), "nothing");
  EXPECT_THAT(why_not({"a", "b", "ab", "ba"}, {0, 0, -1, -1}),
              HasSubstr("\"ab\" and \"ba\" have the same score"));
  EXPECT_EQ(why_not({"a", "b", "ab", "abab", "aabb"}, {0, 0, -1, -2, -2}), "nothing")
      << "no text comes to \"aabb\"";
  EXPECT_THAT(why_not({"a", "b", "aa", "aaa", "aab"}, {0, 0, -1, -1, -2}),
              HasSubstr("have the same score"))
      << "\"aab\" has a run for its part";
  EXPECT_THAT(why_not({"a", "aa", "aaaa"}, {0, -1, -1}), HasSubstr("have the same score"));
  EXPECT_THAT(why_not({"a", "b", "ab", "abab", "ababab"}, {0, 0, -1, -2, -2}),
              HasSubstr("have the same score"))
      << "runs of what is more than a character";
  EXPECT_THAT(why_not({"a", "ab"}, {0, -1}), HasSubstr("a part of the token \"ab\" is a char"));
  EXPECT_THAT(why_not({"a", "b", "ab"}, {0, kNoTokenScore, -1}),
              HasSubstr("\"b\" is a character that no text has it for"));
  EXPECT_EQ(why_not({"a", "b", "<s>"}, {0, 0, kNoTokenScore}), "nothing");
}

TEST_F(MergeOrder, PassesOverMergesOfNothing) {
  EXPECT_THAT(*ScoresOfMerges(std::vector<std::string>{"a", "b", "ab"},
                              std::vector<TokenPair>{{"", "a"}, {"a", ""}, {"a", "b"}},
                              {false, false, false}),
              ElementsAre(kNoTokenScore, kNoTokenScore, -2.0f));
}

TEST_F(MergeOrder, NamesATokenThatScoresWouldMake) {
  const std::vector<std::string> tokens = {"a", "ab"};
  EXPECT_THAT(ScoresOfMerges(tokens, {}, {false, false}).error().message,
              HasSubstr("no merge joins the last two parts of the token \"ab\""));
  EXPECT_THAT(*ScoresOfMerges(tokens, {}, {false, true}),
              ElementsAre(kNoTokenScore, kNoTokenScore));
}

}  // namespace
}  // namespace ashlar
