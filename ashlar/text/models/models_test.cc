// WordLevel, WordPiece, Unigram and the models of sentencepiece, against their definitions.
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/base/test_time.h"
#include "ashlar/text/internal/test_tokenizer.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {
namespace {

using Words = std::vector<std::string>;

Tokenizer WithModel(Json model) {
  Json json = SmallTokenizer();
  json.Set("added_tokens", Json::Array());
  json.Set("model", std::move(model));
  return Load(json);
}

Json IdsOf(const Words& tokens) {
  Json vocab = Json::Of({});
  for (const std::string& token : tokens) {
    vocab.Set(token, vocab.object()->size());
  }
  return vocab;
}

Json WordPieceOf(const Words& tokens, std::int64_t max_characters = 100) {
  return Json::Of({{"type", "WordPiece"},
                   {"unk_token", "[UNK]"},
                   {"continuing_subword_prefix", "##"},
                   {"max_input_chars_per_word", max_characters},
                   {"vocab", IdsOf(tokens)}});
}

using Scores = std::vector<std::pair<std::string, double>>;

Json ScoresOf(const Scores& scores) {
  Json vocab = Json::Array();
  for (const auto& [token, score] : scores) {
    vocab.Append(Json::Array{token, score});
  }
  return vocab;
}

constexpr const char* kLetters[] = {"a", "b", "c", "é", "▁"};

std::string RandomWord(std::mt19937_64& random, std::size_t max_characters) {
  std::string word;
  for (std::size_t size = random() % max_characters; size > 0; --size) {
    word += kLetters[random() % std::size(kLetters)];
  }
  return word;
}

Words Characters(std::string_view text) {
  Words characters;
  for (; !text.empty(); text.remove_prefix(characters.back().size())) {
    characters.emplace_back(text.substr(0, FirstChar(text).size));
  }
  return characters;
}

TEST(WordLevel, APieceIsATokenOrUnknown) {
  Json json = SmallTokenizer();
  json.Set("added_tokens", Json::Array());
  json.Set("pre_tokenizer", *ParseJson(R"({"type": "WhitespaceSplit"})"));
  json.Set(
      "model",
      *ParseJson(R"({"type": "WordLevel", "unk_token": "<u>", "vocab": {"the": 7, "<u>": 2}})"));
  EXPECT_EQ(*Load(json).Encode("the cat the"), (std::vector<std::int32_t>{7, 2, 7}));
  Part(json, {"model"}) = *ParseJson(R"({"unk_token": "<u>", "vocab": {"the": 7, "<u>": 2}})");
  EXPECT_EQ(*Load(json).Encode("the"), (std::vector<std::int32_t>{7})) << "without its type";
}

TEST(WordPiece, TakesTheLongestTokenAgainAndAgain) {
  const Tokenizer tokenizer =
      WithModel(WordPieceOf({"[UNK]", "un", "##aff", "##able", "##a", "unaffab", "a", "##"}, 8));
  EXPECT_EQ(Tokens(tokenizer, "unaff"), (Words{"un", "##aff"}));
  EXPECT_EQ(Tokens(tokenizer, "aaa"), (Words{"a", "##a", "##a"}));
  // The longest, even where a shorter one would have led to the end.
  EXPECT_EQ(Tokens(tokenizer, "unaffabl"), (Words{"[UNK]"}));
  EXPECT_EQ(Tokens(tokenizer, "aaaaaaaaa"), (Words{"[UNK]"})) << "longer than 8";
  EXPECT_EQ(Tokens(tokenizer, ""), (Words{}));
}

Words WordPieceByDefinition(const Words& vocabulary, const std::string& word) {
  const auto has = [&](const std::string& token) {
    return std::find(vocabulary.begin(), vocabulary.end(), token) != vocabulary.end();
  };
  Words found;
  for (std::size_t at = 0; at < word.size();) {
    std::size_t size = word.size() - at;
    const std::string prefix = at > 0 ? "##" : "";
    while (size > 0 && !has(prefix + word.substr(at, size))) {
      --size;
    }
    if (size == 0) {
      return {"[UNK]"};
    }
    found.push_back(prefix + word.substr(at, size));
    at += size;
  }
  return found;
}

TEST(WordPiece, RandomVocabulariesGiveWhatTheDefinitionGives) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 30; ++round) {
    Words vocabulary = {"[UNK]"};
    for (int i = 0; i < 60; ++i) {
      const std::string token = (random() % 2 == 0 ? "##" : "") + RandomWord(random, 5);
      if (std::find(vocabulary.begin(), vocabulary.end(), token) == vocabulary.end()) {
        vocabulary.push_back(token);
      }
    }
    const Tokenizer tokenizer = WithModel(WordPieceOf(vocabulary));
    for (int i = 0; i < 20; ++i) {
      const std::string word = RandomWord(random, 12);
      ASSERT_EQ(Tokens(tokenizer, word), WordPieceByDefinition(vocabulary, word)) << word;
    }
  }
}

TEST(Unigram, TakesTheGreatestSum) {
  const Tokenizer tokenizer = WithModel(Json::Of(
      {{"type", "Unigram"},
       {"unk_id", 0},
       {"vocab",
        ScoresOf(
            {{"<unk>", 0}, {"a", 0}, {"b", 0}, {"c", 0}, {"cd", 1}, {"ab", 2}, {"abc", 5}})}}));
  EXPECT_EQ(Tokens(tokenizer, "abcacd"), (Words{"abc", "a", "cd"}));
  EXPECT_EQ(Tokens(tokenizer, "abcd"), (Words{"ab", "cd"})) << "5 - 10 < 2 + 1";
  EXPECT_EQ(Tokens(tokenizer, "xyéab"), (Words{"<unk>", "ab"})) << "unknown text is one token";
  EXPECT_EQ(Tokens(tokenizer, ""), (Words{}));
}

TEST(Unigram, BytesStandInForUnknownTextWhenAllAreThere) {
  Scores scores = {{"<unk>", 0}, {"a", -1}, {"<0xC3>", 0}, {"<0xA9>", 0}};
  Json model = Json::Of({{"type", "Unigram"}, {"unk_id", 0}, {"vocab", ScoresOf(scores)}});
  EXPECT_EQ(Tokens(WithModel(model), "éa"), (Words{"<unk>", "a"}));
  model.Set("byte_fallback", true);
  EXPECT_EQ(Tokens(WithModel(model), "aéa"), (Words{"a", "<0xC3>", "<0xA9>", "a"}));
  EXPECT_EQ(Tokens(WithModel(model), "éü"), (Words{"<unk>"})) << "the byte BC has no token";
  model.Set("unk_id", nullptr);
  EXPECT_EQ(Tokens(WithModel(model), "üa"), (Words{"a"})) << "nothing stands for it";
}

// The greatest sum over all ways to cut `characters` from `at` on.
double BestSum(const std::map<std::string, double>& scores, const Words& characters, std::size_t at,
               std::map<std::size_t, double>& known) {
  if (at == characters.size()) {
    return 0;
  }
  if (const auto sum = known.find(at); sum != known.end()) {
    return sum->second;
  }
  double best = -1e9;
  std::string token;
  for (std::size_t end = at; end < characters.size(); ++end) {
    token += characters[end];
    if (const auto score = scores.find(token); score != scores.end()) {
      best = std::max(best, score->second + BestSum(scores, characters, end + 1, known));
    }
  }
  return known[at] = best;
}

TEST(Unigram, NoOtherWayToCutHasAGreaterSum) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 60; ++round) {
    const auto score = [&] { return -0.125 * static_cast<double>(random() % 64); };  // exact sums
    std::map<std::string, double> scores;
    for (const char* letter : kLetters) {
      scores[letter] = score();
    }
    for (int i = 0; i < 25; ++i) {
      const std::string token = RandomWord(random, 5);
      if (!token.empty()) {
        scores[token] = score();
      }
    }
    const Tokenizer tokenizer = WithModel(
        Json::Of({{"type", "Unigram"}, {"vocab", ScoresOf(Scores(scores.begin(), scores.end()))}}));
    for (int i = 0; i < 20; ++i) {
      const std::string text = RandomWord(random, 20);
      double sum = 0;
      std::string all;
      for (const std::string& token : Tokens(tokenizer, text)) {
        sum += scores.at(token);
        all += token;
      }
      std::map<std::size_t, double> known;
      ASSERT_EQ(all, text);
      ASSERT_EQ(sum, BestSum(scores, Characters(text), 0, known)) << text;
    }
  }
}

TEST(Unigram, OfEqualSumsTheLastTokenIsTheOneThatBeginsFirst) {
  const Tokenizer tokenizer = WithModel(Json::Of(
      {{"type", "Unigram"}, {"vocab", ScoresOf({{"a", -1}, {"aa", -2}, {"b", -3}, {"ab", -4}})}}));
  EXPECT_EQ(Tokens(tokenizer, "aaa"), (Words{"a", "aa"}));
  EXPECT_EQ(Tokens(tokenizer, "aab"), (Words{"a", "ab"}));
}

// The two ways to write "aaa" and "aa" have one sum but for rounding: sentencepiece compares a sum
// in double precision with one that it has kept in single precision.
TEST(SentencePieceUnigram, RoundsAsSentencepieceDoes) {
  Json model = Json::Of({{"type", "SentencePieceUnigram"},
                         {"vocab", ScoresOf({{"b", -2.930999994277954},
                                             {"a", -5.058000087738037},
                                             {"aa", -8.36400032043457},
                                             {"aaa", -8.737000465393066}})},
                         {"unknown_score", -20},
                         {"single_precision", true}});
  EXPECT_EQ(Tokens(WithModel(model), "baaaaa"), (Words{"b", "aaa", "aa"}));
  model.Set("single_precision", false);
  EXPECT_EQ(Tokens(WithModel(model), "baaaaa"), (Words{"b", "aa", "aaa"}));
}

// The definition: of all neighbours whose text is a token, join the best, leftmost first.
Words JoinByDefinition(const std::map<std::string, double>& scores, const std::string& text) {
  Words symbols = Characters(text);
  while (true) {
    std::size_t best = symbols.size();
    double best_score = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto score = scores.find(symbols[i] + symbols[i + 1]);
      if (score != scores.end() && (best == symbols.size() || score->second > best_score)) {
        best = i;
        best_score = score->second;
      }
    }
    if (best == symbols.size()) {
      return symbols;
    }
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// Few scores, so that many are equal; characters that are in tokens and are none themselves.
TEST(SentencePieceBpe, RandomVocabulariesGiveWhatTheDefinitionGives) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 80; ++round) {
    std::map<std::string, double> scores;
    for (std::size_t i = 5 + random() % 40; i > 0; --i) {
      const std::string token = RandomWord(random, 5);
      if (!token.empty() && (round % 2 == 0 || token.find("▁", 1) == token.npos)) {
        scores[token] = -static_cast<double>(random() % 5);
      }
    }
    Scores list = {{"<unk>", 0}};
    list.insert(list.end(), scores.begin(), scores.end());
    const Tokenizer tokenizer = WithModel(
        Json::Of({{"type", "SentencePieceBPE"}, {"unk_id", 0}, {"vocab", ScoresOf(list)}}));
    for (int i = 0; i < 20; ++i) {
      const std::string text = RandomWord(random, 24);
      Words expected;
      for (const std::string& symbol : JoinByDefinition(scores, text)) {
        const std::string token = scores.contains(symbol) ? symbol : "<unk>";
        if (token != "<unk>" || expected.empty() || expected.back() != token) {
          expected.push_back(token);
        }
      }
      ASSERT_EQ(Tokens(tokenizer, text), expected) << text;
    }
  }
}

TEST(SentencePieceBpe, AUserDefinedTokenJoinsWithNothing) {
  Json model = Json::Of({{"type", "SentencePieceBPE"},
                         {"unk_id", nullptr},
                         {"vocab", ScoresOf({{"a", -9}, {"b", -9}, {"ab", -1}, {"aba", -2}})}});
  EXPECT_EQ(Tokens(WithModel(model), "aab"), (Words{"a", "ab"}));
  model.Set("user_defined", Json::Array{1});
  EXPECT_EQ(Tokens(WithModel(model), "aab"), (Words{"a", "a", "b"}));
  model.Set("user_defined", Json::Array{2, 3});
  EXPECT_EQ(Tokens(WithModel(model), "ababb"), (Words{"aba", "b", "b"}));
}

TEST(SentencePieceUnigram, ATokenWithoutAScoreIsNeverFoundInAText) {
  Json vocab = ScoresOf({{"<unk>", 0}, {"c", 0}, {"a", -1}, {"b", -1}, {"<0xC3>", 0}});
  for (const std::size_t id : {0, 1, 4}) {
    (*vocab.array())[id].array()->pop_back();
  }
  (*vocab.array()).push_back(Json::Array{"<0xA9>"});
  const Json model = Json::Of({{"type", "SentencePieceUnigram"},
                               {"unk_id", 0},
                               {"byte_fallback", true},
                               {"vocab", vocab},
                               {"unknown_score", -20},
                               {"single_precision", true}});
  EXPECT_EQ(*WithModel(model).Encode("bacé<0xC3>"), (std::vector<std::int32_t>{3, 2, 0, 4, 5, 0}));
}

// 64 KB without a cut, for each model: in quadratic time these would take minutes.
TEST(Models, ALongPieceIsNotQuadratic) {
  std::string text;
  std::minstd_rand random(1);
  while (text.size() < 1 << 16) {
    text.push_back("abcde"[random() % 5]);
  }
  Words tokens = {"[UNK]"};
  Scores scores = {{"<unk>", 0}};
  std::string run;
  for (int size = 1; size <= 40; ++size) {
    run.push_back('a');
    tokens.push_back(run);
    tokens.push_back("##" + run);
    scores.push_back({run, -1.0 - size});
  }
  for (const char* token : {"b", "c", "d", "e", "bc", "dea"}) {
    tokens.push_back(token);
    tokens.push_back(std::string("##") + token);
    scores.push_back({token, -2});
  }
  Json unigram = Json::Of({{"type", "Unigram"}, {"unk_id", 0}, {"vocab", ScoresOf(scores)}});
  Json joined = Json::Of({{"type", "SentencePieceBPE"}, {"vocab", ScoresOf(scores)}});
  const double begin = CpuSeconds();
  for (const Json& model : {WordPieceOf(tokens, 1 << 30), unigram, joined}) {
    const Tokenizer tokenizer = WithModel(model);
    for (const std::string& each : {text, std::string(1 << 16, 'a'), std::string(1 << 16, 'x')}) {
      EXPECT_TRUE(tokenizer.Encode(each).ok());
    }
  }
  EXPECT_LT(CpuSeconds() - begin, 20);
}

}  // namespace
}  // namespace ashlar::internal
