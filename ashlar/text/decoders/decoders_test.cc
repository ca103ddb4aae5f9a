#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"
#include "ashlar/text/decoders/decoder.h"

namespace ashlar::internal {
namespace {

using Strings = std::vector<std::string>;

class Collector final : public PieceSink {
 public:
  void Append(std::string_view characters) override { token_ += characters; }
  void EndToken() override { tokens.push_back(std::exchange(token_, {})); }
  void EndText() override { EXPECT_EQ(token_, ""); }
  Strings tokens;

 private:
  std::string token_;
};

StageList<Decoder> ParseChain(std::string_view json_text) {
  const Json json = *ParseJson(json_text);
  Result<StageList<Decoder>> stages = ParseDecoders(JsonCursor(json));
  CHECK(stages.ok() || (ADD_FAILURE() << stages.error().message, false));
  return *std::move(stages);
}

// The tokens that come out of the chain.
Strings DecodeBy(std::string_view json_text, const Strings& tokens) {
  const StageList<Decoder> stages = ParseChain(json_text);
  Collector collector;
  std::vector<std::unique_ptr<PieceSink>> chain;
  PieceSink* first = &collector;
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {
    chain.push_back((*stage)->Start(*first));
    first = chain.back().get();
  }
  for (const std::string& token : tokens) {
    first->Append(token);
    first->EndToken();
  }
  first->EndText();
  return collector.tokens;
}

std::string Join(const Strings& tokens) {
  std::string text;
  for (const std::string& token : tokens) {
    text += token;
  }
  return text;
}

TEST(ByteLevelDecoder, BytesOfSeveralTokensFormACharacter) {
  constexpr std::string_view kJson = R"({"type": "ByteLevel"})";
  EXPECT_EQ(DecodeBy(kJson, {"ĠnÃ", "©e"}), (Strings{" née"}));
  EXPECT_EQ(DecodeBy(kJson, {"Ã"}), (Strings{"\uFFFD"}));
  EXPECT_EQ(DecodeBy(kJson, {"Ã", "a"}), (Strings{"\uFFFDa"}));
  EXPECT_EQ(DecodeBy(kJson, {"<a b>", "Ġ"}), (Strings{"<a b> "}));  // a space is no letter
  EXPECT_EQ(DecodeBy(kJson, {}), (Strings{""}));
}

TEST(ByteFallback, ARunOfBytesIsTextOrAllReplacements) {
  constexpr std::string_view kJson = R"({"type": "ByteFallback"})";
  EXPECT_EQ(DecodeBy(kJson, {"<0xE2>", "<0x82>", "<0xac>", "x"}), (Strings{"€", "x"}));
  EXPECT_EQ(DecodeBy(kJson, {"<0x41>", "<0xE2>", "y"}), (Strings{"\uFFFD", "\uFFFD", "y"}));
  EXPECT_EQ(DecodeBy(kJson, {"<0xZZ>", "<0x4>", "<0x+1>", "<0x411>"}),
            (Strings{"<0xZZ>", "<0x4>", "<0x+1>", "<0x411>"}));
  EXPECT_EQ(DecodeBy(kJson, {"<0x41>"}), (Strings{"A"}));
}

TEST(Strip, TakesCopiesOffBothEnds) {
  constexpr std::string_view kJson = R"({"type": "Strip", "content": "é", "start": 1, "stop": 2})";
  EXPECT_EQ(DecodeBy(kJson, {"ééaéééé", "éé", "é", "b", "", "aéb"}),
            (Strings{"éaéé", "", "", "b", "", "aéb"}));
}

TEST(ReplaceDecoder, WorksWithinEachToken) {
  constexpr std::string_view kJson =
      R"({"type": "Replace", "pattern": {"String": "aab"}, "content": "X"})";
  EXPECT_EQ(DecodeBy(kJson, {"aaabaab", "aa", "b"}), (Strings{"aXX", "aa", "b"}));
}

TEST(ReplaceDecoder, AnExpressionMatchesWithinAWholeToken) {
  constexpr std::string_view kJson =
      R"({"type": "Replace", "pattern": {"Regex": "a+$|é{2}"}, "content": "X"})";
  EXPECT_EQ(DecodeBy(kJson, {"aabaa", "aa", "éééé", "a é"}), (Strings{"aabX", "X", "XX", "a é"}));
  EXPECT_EQ(DecodeBy(R"({"type": "Replace", "pattern": {"String": ""}, "content": "-"})", {"ab"}),
            (Strings{"-a-b-"}));
}

TEST(NoDecoder, PutsSpacesBetweenTokens) {
  EXPECT_EQ(Join(DecodeBy("null", {"a", "", "b"})), "a  b");
  EXPECT_EQ(Join(DecodeBy("null", {})), "");
  EXPECT_EQ(Join(DecodeBy(R"({"type": "Sequence", "decoders": []})", {"a", "b"})), "ab");
}

TEST(WordPieceDecoder, JoinsWordsAndTidiesEnglish) {
  EXPECT_EQ(DecodeBy(R"({"type": "WordPiece", "prefix": "##", "cleanup": false})",
                     {"##un", "##like", "ly", "."}),
            (Strings{"##un", "like", " ly", " ."}));
  EXPECT_EQ(Join(DecodeBy(R"({"type": "WordPiece", "prefix": "##", "cleanup": true})",
                          {"I", "do", "n't", "know", ",", "do", "##n", "you", "?"})),
            "I don't know, don you?");
}

TEST(MetaspaceDecoder, TheFirstTokenLosesWhatThePreTokenizerMayHaveAdded) {
  EXPECT_EQ(DecodeBy(R"({"type": "Metaspace", "replacement": "▁"})", {"▁▁a", "▁b▁"}),
            (Strings{"a", " b "}));
  EXPECT_EQ(DecodeBy(R"({"type": "Metaspace", "replacement": "▁", "add_prefix_space": false})",
                     {"▁a", "▁b"}),
            (Strings{" a", " b"}));
}

TEST(BpeDecoder, ASuffixIsASpaceButAtTheEnd) {
  EXPECT_EQ(DecodeBy(R"({"type": "BPEDecoder", "suffix": "</w>"})", {"a</w>", "b", "c</w>"}),
            (Strings{"a ", "b", "c"}));
  EXPECT_EQ(DecodeBy(R"({"type": "BPEDecoder"})", {}), (Strings{}));
}

TEST(Ctc, KeepsOneOfEqualTokensInARow) {
  constexpr std::string_view kJson =
      R"({"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true})";
  EXPECT_EQ(DecodeBy(kJson, {"h", "h", "<pad>", "h", "|", "|", "<pad>", "<pad>x"}),
            (Strings{"h", "h", " ", "x"}));
}

constexpr std::string_view kLlamaDecoder = R"({"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
    {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";

TEST(DecoderSequence, DecodesAsLlamaDoes) {
  EXPECT_EQ(DecodeBy(kLlamaDecoder, {"▁Hello", "▁▁", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"}),
            (Strings{"Hello  😀"}));
}

TEST(Decoder, BytesOfATokenAreWhatItStandsForAnywhere) {
  const auto bytes = [](std::string_view json, std::string content) {
    for (const auto& stage : ParseChain(json)) {
      stage->ToBytes(content);
    }
    return content;
  };
  EXPECT_EQ(bytes(kLlamaDecoder, "▁the"), " the");
  EXPECT_EQ(bytes(kLlamaDecoder, "<0xE2>"), "\xE2");
  EXPECT_EQ(bytes(R"({"type": "ByteLevel"})", "ĠÃ"), " \xC3");
  EXPECT_EQ(bytes(R"({"type": "ByteLevel"})", "<a b>"), "<a b>");
  EXPECT_EQ(bytes("null", "a"), "a");
  // Bytes of one stage are no letters of the next.
  const std::string_view twice =
      R"({"type": "Sequence", "decoders": [{"type": "ByteLevel"}, {"type": "ByteLevel"}]})";
  EXPECT_EQ(bytes(twice, "aÃ"), "a\xC3");
  EXPECT_EQ(bytes(twice, "ÃĦ"), "\xC4");
  EXPECT_EQ(bytes(R"({"type": "WordPiece", "prefix": "##", "cleanup": true})", "##ing"), "ing");
  EXPECT_EQ(bytes(R"({"type": "WordPiece", "prefix": "##", "cleanup": true})", "the"), " the");
  EXPECT_EQ(bytes(R"({"type": "Metaspace", "replacement": "▁"})", "▁the"), " the");
  EXPECT_EQ(bytes(R"({"type": "BPEDecoder"})", "the</w>"), "the ");
}

// After Fuse a token comes in fragments: stages must not depend on where they are cut. What they
// do with the same token in one fragment is the specification.
TEST(Decoder, WhereAFusedTokenIsCutMakesNoDifference) {
  std::mt19937_64 random(TestSeed());
  for (const std::string_view stage :
       {R"({"type": "Strip", "content": "é", "start": 2, "stop": 3})",
        R"({"type": "Replace", "pattern": {"String": "aéa"}, "content": "éa"})",
        R"({"type": "Replace", "pattern": {"Regex": "(aé)+|b$"}, "content": "éa"})",
        R"({"type": "ByteFallback"})", R"({"type": "ByteLevel"})",
        R"({"type": "WordPiece", "prefix": "a", "cleanup": true})",
        R"({"type": "Metaspace", "replacement": "é"})", R"({"type": "BPEDecoder", "suffix": "ab"})",
        R"({"type": "CTC", "pad_token": "aé"})"}) {
    const std::string fused =
        fmt::format(R"({{"type": "Sequence", "decoders": [{{"type": "Fuse"}}, {}]}})", stage);
    for (int round = 0; round < 500; ++round) {
      constexpr std::string_view kParts[] = {"a", "é", "é", "<0x41>", "b"};
      Strings fragments;
      for (std::size_t i = random() % 8; i > 0; --i) {
        fragments.emplace_back(kParts[random() % std::size(kParts)]);
      }
      ASSERT_EQ(DecodeBy(fused, fragments), DecodeBy(stage, {Join(fragments)}))
          << stage << " " << Join(fragments);
    }
  }
}

}  // namespace
}  // namespace ashlar::internal
