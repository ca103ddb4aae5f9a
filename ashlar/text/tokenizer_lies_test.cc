// Tokenizer files that lie: each is refused by name, soon, and without much memory.

#include <gtest/gtest.h>

#include "ashlar/base/test_time.h"
#include "ashlar/text/internal/test_tokenizer.h"

namespace ashlar::internal {
namespace {

struct Lie {
  const char* name;
  std::string_view path;  // of the part of SmallTokenizer that is replaced: keys with dots between
  std::string value;      // JSON
  const char* message;    // the error contains it
};

void PrintTo(const Lie& lie, std::ostream* out) {
  *out << lie.name;
}

std::string AddedJson(std::int64_t id, std::string_view content) {
  return fmt::format(R"({{"id": {}, "content": "{}", "single_word": false, "lstrip": false,
                          "rstrip": false, "normalized": true, "special": true}})",
                     id, content);
}

std::string SplitJson(std::string_view pattern, std::string_view behavior) {
  return fmt::format(R"({{"type": "Split", "pattern": {}, "behavior": "{}", "invert": false}})",
                     pattern, behavior);
}

std::string TemplateJson(std::string_view single, std::string_view special_tokens) {
  return fmt::format(R"({{"type": "TemplateProcessing", "single": [{}], "pair": [],
                          "special_tokens": {{{}}}}})",
                     single, special_tokens);
}

constexpr std::string_view kText = R"({"Sequence": {"id": "A", "type_id": 0}})";
constexpr std::string_view kBegin = R"({"SpecialToken": {"id": "<s>", "type_id": 0}},)";

// What no tokenizer can mean.
const Lie kInvalid[] = {
    {"unknown_key", "bonus", "1", "bonus"},
    {"model_is_null", "model", "null", "$.model"},
    {"model_without_vocab", "model", R"({"type": "WordLevel"})", "vocab"},
    {"model_of_no_type", "model", R"({"speed": 1})", "vocab"},
    {"truncation_is_a_number", "truncation", "3", "$.truncation"},
    {"type_is_a_number", "decoder", R"({"type": 3})", "$.decoder.type"},
    {"unknown_setting", "normalizer", R"({"type": "NFC", "form": "x"})", "form"},

    {"vocab_is_an_array", "model.vocab", "[]", "$.model.vocab"},
    {"negative_id", "model.vocab", R"({"a": -1})", "-1"},
    {"id_over_2_to_24", "model.vocab", R"({"a": 16777216})", "16777216"},
    {"id_over_2_to_63", "model.vocab", R"({"a": 99999999999999999999})", "real"},
    {"id_is_real", "model.vocab", R"({"a": 1.5})", "real"},
    {"id_is_text", "model.vocab", R"({"a": "1"})", "string"},
    {"two_tokens_with_one_id", "model.vocab", R"({"a": 1, "b": 1})", R"(to both "a" and "b")"},

    {"merge_of_unknown_tokens", "model.merges", R"([["a", "zz"]])", R"($.model.merges[0]: "zz")"},
    {"merge_to_an_unknown_token", "model.merges", R"([["a", "b"], "a a"])", R"(merges[1]: "aa")"},
    {"merge_of_three", "model.merges", R"(["a b c"])", "merges[0]"},
    {"merge_of_one", "model.merges", R"([["a"]])", "merges[0]"},
    {"merge_is_a_number", "model.merges", "[7]", "merges[0]"},
    {"merges_are_an_object", "model.merges", "{}", "$.model.merges"},
    {"merge_without_the_prefix", "model.continuing_subword_prefix", R"("##")", "prefix"},

    {"unk_not_in_vocab", "model.unk_token", R"("<nix>")", "$.model.unk_token"},
    {"unknown_model_setting", "model.speed", "1", "speed"},

    {"added_is_an_object", "added_tokens", "{}", "$.added_tokens"},
    {"added_without_flags", "added_tokens", R"([{"id": 20, "content": "x"}])", "single_word"},
    {"added_negative_id", "added_tokens", "[" + AddedJson(-2, "x") + "]", "-2"},
    {"added_absurd_id", "added_tokens", "[" + AddedJson(4000000000, "x") + "]", "4000000000"},
    {"added_with_anothers_id", "added_tokens", "[" + AddedJson(3, "x") + "]", R"(that id is "d")"},
    {"added_with_another_id", "added_tokens", "[" + AddedJson(20, "a") + "]", "its id is 0"},
    {"added_twice", "added_tokens", "[" + AddedJson(20, "x") + "," + AddedJson(21, "x") + "]",
     "$.added_tokens[1]"},
    {"added_empty", "added_tokens", "[" + AddedJson(20, "") + "]", "empty"},
    {"added_too_long", "added_tokens", "[" + AddedJson(20, std::string(2000, 'x')) + "]", "1024"},

    {"bad_regex", "pre_tokenizer", SplitJson(R"({"Regex": "(a"})", "Isolated"),
     "$.pre_tokenizer.pattern.Regex"},
    {"strip_of_two_characters", "decoder",
     R"({"type": "Strip", "content": "ab", "start": 1, "stop": 0})", R"("ab")"},
    {"strip_of_a_negative_count", "decoder",
     R"({"type": "Strip", "content": "a", "start": -1, "stop": 0})", "start"},
    {"metaspace_contradicts_itself", "decoder",
     R"({"type": "Metaspace", "replacement": "_", "add_prefix_space": false,
         "prepend_scheme": "first"})",
     "add_prefix_space"},
    {"metaspace_of_two_characters", "decoder", R"({"type": "Metaspace", "replacement": "__"})",
     R"("__")"},
    {"metaspace_with_another_copy", "decoder",
     R"({"type": "Metaspace", "replacement": "_", "str_rep": "x"})", "str_rep"},
    {"suffix_is_empty", "decoder", R"({"type": "BPEDecoder", "suffix": ""})", "suffix"},
    {"padding_token_is_empty", "decoder", R"({"type": "CTC", "pad_token": ""})", "pad_token"},
    {"pieces_of_length_0", "pre_tokenizer", R"({"type": "FixedLength", "length": 0})", "length"},
    {"charsmap_is_no_base64", "normalizer",
     R"({"type": "Precompiled", "precompiled_charsmap": "?"})", "precompiled_charsmap"},
    {"charsmap_claims_4_gigabytes", "normalizer",
     R"({"type": "Precompiled", "precompiled_charsmap": "/P///wA="})", "4294967292"},
    {"cls_without_id", "post_processor",
     R"({"type": "BertProcessing", "sep": ["a", 1], "cls": ["a"]})", "$.post_processor.cls"},
    {"sep_has_no_token", "post_processor",
     R"({"type": "BertProcessing", "sep": ["a", 99], "cls": ["a", 1]})", "99"},
    {"65_stages", "normalizer",
     []() -> std::string {
       std::string lists = R"({"type": "NFC"})";
       for (int i = 0; i < 3; ++i) {  // 5 * 5 * 5 of them, in sequences of sequences
         lists =
             fmt::format(R"({{"type": "Sequence", "normalizers": [{0},{0},{0},{0},{0}]}})", lists);
       }
       return lists;
     }(),
     "64 stages"},
    {"word_piece_without_unk", "model",
     R"({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
         "max_input_chars_per_word": 100, "vocab": {"a": 0}})",
     R"("[UNK]")"},
    {"word_limit_is_negative", "model",
     R"({"type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##",
         "max_input_chars_per_word": -1, "vocab": {"a": 0}})",
     "max_input_chars_per_word"},
    {"unigram_without_scores", "model", R"({"type": "Unigram", "vocab": ["a"]})", "vocab[0]"},
    {"score_is_text", "model", R"({"type": "Unigram", "vocab": [["a", "b"]]})", "vocab[0]"},
    {"piece_is_null", "model", R"({"type": "Unigram", "vocab": [null]})", "vocab[0]"},
    {"piece_twice", "model", R"({"type": "Unigram", "vocab": [["a", 0], ["a", 1]]})", R"("a")"},
    {"unk_id_over_the_vocabulary", "model",
     R"({"type": "Unigram", "unk_id": 1, "vocab": [["a", 0]]})", "unk_id"},
    {"unk_id_is_negative", "model", R"({"type": "Unigram", "unk_id": -1, "vocab": [["a", 0]]})",
     "unk_id"},
    {"piece_of_a_kilobyte", "model",
     R"({"type": "Unigram", "vocab": [[")" + std::string(1024, 'x') + R"(", 0]]})", "512"},
    {"piece_without_a_score", "model", R"({"type": "Unigram", "vocab": [["a"]]})", "vocab[0]"},
    {"user_defined_without_token", "model",
     R"({"type": "SentencePieceBPE", "vocab": [["a", 0]], "user_defined": [1]})",
     "user_defined[0]"},
    {"template_without_text", "post_processor", TemplateJson("", ""), "$.post_processor.single"},
    {"template_with_a_second_text", "post_processor",
     TemplateJson(R"({"Sequence": {"id": "B", "type_id": 0}})", ""), "single[0]"},
    {"template_with_an_unknown_token", "post_processor",
     TemplateJson(std::string(kBegin) + std::string(kText), ""), R"("<s>")"},
    {"template_with_an_id_without_token", "post_processor",
     TemplateJson(std::string(kBegin) + std::string(kText),
                  R"("<s>": {"id": "<s>", "ids": [999], "tokens": ["<s>"]})"),
     "999"},
};

// What another tokenizer library may do, and this one does not.
const Lie kUnsupported[] = {
    {"version", "version", R"("2.0")", R"($.version: "2.0")"},
    {"model", "model.type", R"("Viterbi")", R"($.model: the type "Viterbi")"},
    {"normalizer", "normalizer", R"({"type": "Upper"})", R"("Upper")"},
    {"pre_tokenizer", "pre_tokenizer", R"({"type": "Cut"})", R"("Cut")"},
    {"post_processor", "post_processor", R"({"type": "T5Processing"})", R"("T5Processing")"},
    {"decoder", "decoder", R"({"type": "Unigram"})", R"($.decoder: the type "Unigram")"},
    {"stage_of_a_sequence", "normalizer",
     R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Upper"}]})",
     R"($.normalizer.normalizers[1]: the type "Upper")"},
    {"prepend_scheme", "decoder",
     R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"})", R"("last")"},
    {"dropout", "model.dropout", "0.1", "dropout"},
    {"regex", "pre_tokenizer", SplitJson(R"({"Regex": "(?R) "})", "Isolated"),
     "$.pre_tokenizer.pattern.Regex"},
    {"behavior", "pre_tokenizer", SplitJson(R"({"String": "a"})", "Shuffled"), R"("Shuffled")"},
};

Error ErrorOfLie(const Lie& lie) {
  Json json = SmallTokenizer();
  Json* part = &json;
  std::string_view path = lie.path;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    part = &Part(*part, {path.substr(0, dot)});
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  *part = *ParseJson(lie.value);
  const Result<Tokenizer> tokenizer = TryLoad(json);
  CHECK(!tokenizer.ok() || (ADD_FAILURE() << "it was believed", false));
  EXPECT_NE(tokenizer.error().message.find(lie.message), std::string::npos)
      << tokenizer.error().message;
  return tokenizer.error();
}

class Lies : public testing::TestWithParam<Lie> {};
TEST_P(Lies, AreInvalidByName) {
  EXPECT_EQ(ErrorOfLie(GetParam()).code, ErrorCode::kInvalid);
}
INSTANTIATE_TEST_SUITE_P(, Lies, testing::ValuesIn(kInvalid),
                         [](const auto& info) { return info.param.name; });

class Strangers : public testing::TestWithParam<Lie> {};
TEST_P(Strangers, AreUnsupportedByName) {
  EXPECT_EQ(ErrorOfLie(GetParam()).code, ErrorCode::kUnsupported);
}
INSTANTIATE_TEST_SUITE_P(, Strangers, testing::ValuesIn(kUnsupported),
                         [](const auto& info) { return info.param.name; });

TEST(TokenizerFile, OfTheWrongKindIsRefused) {
  for (const char* text : {"", "[]", "null", "{", "{}", R"({"model": {"a": 1, "a": 2}})"}) {
    const Result<Tokenizer> tokenizer = Tokenizer::FromJson(text);
    ASSERT_FALSE(tokenizer.ok()) << text;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalid) << text;
  }
}

TEST(TokenizerFile, ATokenOfAMegabyteIsRefused) {
  Json json = SmallTokenizer();
  Part(json, {"model", "vocab"}).Set(std::string(1 << 20, 'x'), 50);
  const Result<Tokenizer> tokenizer = TryLoad(json);
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_LT(tokenizer.error().message.size(), 500u);
}

TEST(TokenizerFile, ALargeLonelyIdCostsNoTable) {
  Json json = SmallTokenizer();
  Part(json, {"model", "vocab"}).Set("x", Tokenizer::kMaxTokenId);
  EXPECT_EQ(Load(json).vocabulary_size(), Tokenizer::kMaxTokenId + 1);
}

TEST(TokenizerFile, APatternThatExplodesIsAnErrorOfEncodeNotAHang) {
  Json json = SmallTokenizer();
  json.Set("pre_tokenizer", *ParseJson(R"({"type": "Split", "pattern": {"Regex": "(?:a|a)+[xy]"},
                                          "behavior": "Isolated", "invert": false})"));
  const Tokenizer tokenizer = Load(json);
  const double begin = CpuSeconds();
  const Result<std::vector<std::int32_t>> ids = tokenizer.Encode(std::string(10000, 'a'));
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, ErrorCode::kExhausted);
  EXPECT_LT(CpuSeconds() - begin, 20);
}

// Of a few bytes of a file, thousands of a text each time that a token is decoded.
TEST(TokenizerFile, StagesThatMultiplyWhatIsDecodedAreRefused) {
  const auto decoder = [](std::string_view pattern, int stages, std::string_view content) {
    const std::string stage =
        fmt::format(R"({{"type": "Replace", "pattern": {}, "content": "{}"}})", pattern, content);
    std::string list = stage;
    for (int i = 1; i < stages; ++i) {
      list += "," + stage;
    }
    Json json = SmallTokenizer();
    json.Set("decoder",
             *ParseJson(fmt::format(R"({{"type": "Sequence", "decoders": [{}]}})", list)));
    return TryLoad(json);
  };
  for (const char* pattern : {R"({"String": "a"})", R"({"Regex": "a*"})"}) {
    const std::string content(50, 'a');
    EXPECT_TRUE(decoder(pattern, 1, content).ok());
    const Result<Tokenizer> twice = decoder(pattern, 2, content);
    ASSERT_FALSE(twice.ok());
    EXPECT_EQ(twice.error().code, ErrorCode::kInvalid);
    EXPECT_NE(twice.error().message.find("$.decoder"), std::string::npos) << twice.error().message;
  }
  EXPECT_FALSE(decoder(R"({"String": "aa"})", 64, "aaa").ok()) << "one half more, 64 times";
}

TEST(TokenizerFile, StagesThatMultiplyTheTextEndInAnError) {
  Json json = SmallTokenizer();
  const std::string stage =
      fmt::format(R"({{"type": "Replace", "pattern": {{"String": "a"}}, "content": "{}"}})",
                  std::string(1000, 'a'));
  json.Set("normalizer",
           *ParseJson(fmt::format(R"({{"type": "Sequence", "normalizers": [{0}, {0}, {0}, {0}]}})",
                                  stage)));
  const Result<std::vector<std::int32_t>> ids = Load(json).Encode("a");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace ashlar::internal
