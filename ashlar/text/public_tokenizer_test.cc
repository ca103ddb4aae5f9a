#include "ashlar/text/public_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/json.h"
#include "ashlar/text/sentence_piece_model.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {
namespace {

// Bytes' tokens, letters, and some of several of them; spaces as a tokenizer.model has them.
struct PiecesOf {
  Json vocab = Json::Array();
  Json normalizer = Json::Of({{"type", "SentencePiece"},
                              {"add_dummy_prefix", true},
                              {"remove_extra_whitespaces", false},
                              {"escape_whitespaces", true},
                              {"treat_whitespace_as_suffix", false}});
  Json user_defined = Json::Array();
  bool byte_fallback = true;

  explicit PiecesOf(const std::vector<std::string>& more = {"ab", "▁a", "▁ab", "aa", "a▁"}) {
    for (const char* control : {"<unk>", "<s>"}) {
      vocab.Append(Json::Array{control});
    }
    for (int byte = 0; byte < 256; ++byte) {
      vocab.Append(Json::Array{fmt::format("<0x{:02X}>", byte)});
    }
    int score = 0;
    for (const char* letter : {"▁", "a", "b", "é"}) {
      vocab.Append(Json::Array{letter, --score});
    }
    for (const std::string& content : more) {
      vocab.Append(Json::Array{content, --score});
    }
  }
  std::string Write() const {
    return WriteJson(Json::Of({{"normalizer", normalizer},
                               {"model", Json::Of({{"type", "SentencePieceBPE"},
                                                   {"unk_id", 0},
                                                   {"byte_fallback", byte_fallback},
                                                   {"user_defined", user_defined},
                                                   {"vocab", vocab}})}}));
  }
  bool HasPublicForm() const { return PublicTokenizerJson(Write())->has_value(); }
};

TEST(PublicTokenizer, GivesTheSameTokensByStagesOfEveryReader) {
  for (const bool prefix : {true, false}) {
    PiecesOf pieces;
    pieces.normalizer.Set("add_dummy_prefix", prefix);
    const std::optional<std::string> written = *PublicTokenizerJson(pieces.Write());
    ASSERT_TRUE(written.has_value());
    EXPECT_EQ(written->find("SentencePiece"), written->npos);
    const Tokenizer ours = *Tokenizer::FromJson(pieces.Write());
    const Tokenizer theirs = *Tokenizer::FromJson(*written);
    for (const char* text :
         {"", " ", "a", "ab aab", " aaa  aaaa b", "日本é\n<0x0A>", "<s>a<unk>"}) {
      EXPECT_EQ(*theirs.Encode(text), *ours.Encode(text)) << text;
    }
    EXPECT_FALSE(PublicTokenizerJson(*written)->has_value()) << "it is one";
  }
}

// A vocabulary can be of any length. In quadratic time this would take minutes.
TEST(PublicTokenizer, OfManyTokensIsNotQuadratic) {
  std::vector<std::string> more;
  for (int i = 0; i < 200'000; ++i) {
    std::string token;
    for (int bit = 0; bit < 18; ++bit) {
      token += (i >> bit) % 2 == 0 ? "a" : "b";
    }
    more.push_back(std::move(token));
  }
  EXPECT_TRUE(PiecesOf(more).HasPublicForm());
}

TEST(PublicTokenizer, IsNoneWhereOtherStagesWouldDoSomethingElse) {
  EXPECT_TRUE(PiecesOf().HasPublicForm());
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, Json>>{{"remove_extra_whitespaces", true},
                                                           {"escape_whitespaces", false},
                                                           {"treat_whitespace_as_suffix", true}}) {
    PiecesOf pieces;
    pieces.normalizer.Set(key, value);
    EXPECT_FALSE(pieces.HasPublicForm()) << key;
  }
  PiecesOf without_bytes;
  without_bytes.byte_fallback = false;
  EXPECT_FALSE(without_bytes.HasPublicForm());
  PiecesOf defined;
  defined.user_defined.Append(260);
  EXPECT_FALSE(defined.HasPublicForm());
  EXPECT_FALSE(PiecesOf({"xy"}).HasPublicForm()) << "its characters are no tokens";
  PiecesOf equal({"ab"});
  equal.vocab.Append(Json::Array{"ba", -5});
  EXPECT_FALSE(equal.HasPublicForm()) << "as is the score of \"ab\"";
  PiecesOf missing;
  (*missing.vocab.array())[2] = Json::Array{"other"};
  EXPECT_FALSE(missing.HasPublicForm()) << "without a token for the byte 0";
  // What rules of its own a model has.
  const std::string with_rules = *SentencePieceTokenizerJson(
      *ReadTextFile(ASHLAR_SOURCE_DIR "/ashlar/text/testdata/bpe.model"));
  EXPECT_FALSE(PublicTokenizerJson(with_rules)->has_value());
}

}  // namespace
}  // namespace ashlar::internal
