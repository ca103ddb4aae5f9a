#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/text/internal/test_tokenizer.h"

namespace ashlar::internal {
namespace {

using Contents = std::vector<std::string>;

// SmallTokenizer with members of its model changed.
Tokenizer Small(const std::vector<Json::Member>& changes) {
  Json json = SmallTokenizer();
  for (const auto& [key, value] : changes) {
    Part(json, {"model", key}) = value;
  }
  return Load(json);
}

TEST(Bpe, MergesTheLowestRankFirst) {
  const Tokenizer tokenizer = Load(SmallTokenizer());
  EXPECT_EQ(Tokens(tokenizer, "abcde"), (Contents{"abcd", "e"}));
  EXPECT_EQ(Tokens(tokenizer, "abab cdab"), (Contents{"ab", "ab", " ", "cd", "ab"}));
  EXPECT_EQ(Tokens(tokenizer, ""), (Contents{}));
}

TEST(Bpe, MergesAreReadAsPairsAndAsOneString) {
  const Tokenizer tokenizer =
      Small({{"merges", *ParseJson(R"(["#version: 0.2", "a b", ["c", "d"], "ab cd"])")}});
  EXPECT_EQ(Tokens(tokenizer, "abcd"), (Contents{"abcd"}));
}

TEST(Bpe, ACharacterWithoutATokenAddsNothing) {
  EXPECT_EQ(Tokens(Load(SmallTokenizer()), "aéb"), (Contents{"ab"}));
}

TEST(Bpe, UnknownCharactersFuseWhenAskedTo) {
  EXPECT_EQ(Tokens(Small({{"unk_token", "<unk>"}}), "éüa"), (Contents{"<unk>", "<unk>", "a"}));
  EXPECT_EQ(Tokens(Small({{"unk_token", "<unk>"}, {"fuse_unk", true}}), "éüaéü"),
            (Contents{"<unk>", "a", "<unk>"}));
}

TEST(Bpe, BytesStandInForACharacterWhenAllAreThere) {
  Json json = SmallTokenizer();
  Part(json, {"model", "byte_fallback"}) = true;
  Part(json, {"model", "unk_token"}) = "<unk>";
  Part(json, {"model", "vocab"}).Set("<0xC3>", 20);
  Part(json, {"model", "vocab"}).Set("<0xA9>", 21);
  EXPECT_EQ(Tokens(Load(json), "aéü"), (Contents{"a", "<0xC3>", "<0xA9>", "<unk>"}));
}

TEST(Bpe, AWholeWordWinsOverMergesWhenTheyAreIgnored) {
  const Json merges = *ParseJson(R"([["a", "b"]])");
  EXPECT_EQ(Tokens(Small({{"merges", merges}}), "abcd"), (Contents{"ab", "c", "d"}));
  EXPECT_EQ(Tokens(Small({{"merges", merges}, {"ignore_merges", true}}), "abcd"),
            (Contents{"abcd"}));
}

TEST(Bpe, PrefixAndSuffixMarkThePlaceInAWord) {
  const Tokenizer tokenizer = Small(
      {{"continuing_subword_prefix", "##"},
       {"end_of_word_suffix", "</w>"},
       {"vocab", *ParseJson(R"({"a": 0, "##b": 1, "##c</w>": 2, "ab": 3, "abc</w>": 4, "a</w>": 5,
                                "##b</w>": 6})")},
       {"merges", *ParseJson(R"([["a", "##b"], ["ab", "##c</w>"]])")}});
  EXPECT_EQ(Tokens(tokenizer, "abc"), (Contents{"abc</w>"}));
  EXPECT_EQ(Tokens(tokenizer, "abb"), (Contents{"ab", "##b</w>"}));
  EXPECT_EQ(Tokens(tokenizer, "a"), (Contents{"a</w>"}));
}

TEST(Bpe, AnEmptyTokenInAMergeDoesNoHarm) {
  Json json = SmallTokenizer();
  Part(json, {"model", "vocab"}).Set("", 20);
  Part(json, {"model", "merges"}) = *ParseJson(R"([["", "a"], ["a", ""], ["", ""], ["a", "b"]])");
  EXPECT_EQ(Tokens(Load(json), "aab"), (Contents{"a", "ab"}));
}

// The definition, in quadratic time: look for the best pair, merge it, begin again.
Contents MergeByDefinition(std::string_view word,
                           const std::map<std::pair<std::string, std::string>, int>& ranks) {
  Contents symbols;
  for (const char c : word) {
    symbols.emplace_back(1, c);
  }
  while (true) {
    int best_rank = -1;
    std::size_t best = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto rank = ranks.find({symbols[i], symbols[i + 1]});
      if (rank != ranks.end() && (best_rank < 0 || rank->second < best_rank)) {
        best_rank = rank->second;
        best = i;
      }
    }
    if (best_rank < 0) {
      return symbols;
    }
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Bpe, RandomMergesGiveWhatTheDefinitionGives) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    // Merges of random tokens so far, so that several lead to the same content.
    Contents tokens = {"a", "b", "c"};
    std::map<std::pair<std::string, std::string>, int> ranks;
    Json vocab = Json::Of({{"a", 0}, {"b", 1}, {"c", 2}});
    Json merges = Json::Array();
    while (ranks.size() < 40) {
      const std::string& left = tokens[random() % tokens.size()];
      const std::string& right = tokens[random() % tokens.size()];
      const std::string merged = left + right;
      if (merged.size() > 12 || ranks.contains({left, right})) {
        continue;
      }
      merges.Append(Json::Array{left, right});
      ranks[{left, right}] = static_cast<int>(ranks.size());
      if (vocab.Find(merged) == nullptr) {
        vocab.Set(merged, tokens.size());
        tokens.push_back(merged);
      }
    }
    Json json = SmallTokenizer();
    json.Set("added_tokens", Json::Array());
    Part(json, {"model", "vocab"}) = vocab;
    Part(json, {"model", "merges"}) = merges;
    const Tokenizer tokenizer = Load(json);
    for (int i = 0; i < 20; ++i) {
      std::string word;
      for (std::size_t length = random() % 60; length > 0; --length) {
        word.push_back(static_cast<char>('a' + random() % 3));
      }
      ASSERT_EQ(Tokens(tokenizer, word), MergeByDefinition(word, ranks)) << word;
    }
  }
}

// 1 MB without a cut. In quadratic time this would take an hour.
TEST(Bpe, ALongWordIsNotQuadratic) {
  std::string word;
  std::minstd_rand random(1);
  while (word.size() < 1 << 20) {
    word.push_back("abcde"[random() % 5]);
  }
  const Tokenizer tokenizer = Load(SmallTokenizer());
  const std::vector<std::int32_t> ids = *tokenizer.Encode(word);
  EXPECT_EQ(tokenizer.Decode(ids), word);

  // One letter, merged over and over: every merge makes the next one possible.
  Json json = SmallTokenizer();
  Json vocab = Json::Of({{"a", 0}});
  Json merges = Json::Array();
  std::string run = "a";
  for (int id = 1; id <= 11; ++id) {
    merges.Append(Json::Array{run, run});
    run += run;
    vocab.Set(run, id);
  }
  Part(json, {"model", "vocab"}) = vocab;
  Part(json, {"model", "merges"}) = merges;
  json.Set("added_tokens", Json::Array());
  EXPECT_EQ(*Load(json).Encode(std::string(1 << 18, 'a')), (std::vector<std::int32_t>(1 << 7, 11)));
}

}  // namespace
}  // namespace ashlar::internal
