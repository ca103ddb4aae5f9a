#include "ashlar/text/gguf_vocabulary.h"

#include <cmath>

#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/text/gguf_pre_tokenizers.h"
#include "ashlar/text/internal/test_charsmap.h"
#include "ashlar/text/internal/test_tokenizer.h"
#include "ashlar/text/public_tokenizer.h"

namespace ashlar::internal {
namespace {

namespace fs = std::filesystem;
using GgufIds = std::vector<std::int32_t>;

// ---- llama.cpp's vocabularies of well-known networks, with its own test's texts and ids.

// The metadata of a GGUF file, as far as a vocabulary needs it. For tests: it trusts the file.
class Metadata {
 public:
  explicit Metadata(const std::string& file) : reader_(AsBytes(file)) {
    (void)*reader_.ReadBytes(16, "header");
    for (auto pairs = *reader_.Read<std::uint64_t>("pairs"); pairs > 0; --pairs) {
      const std::string key = Text();
      Value(key, *reader_.Read<std::uint32_t>("type"));
    }
  }
  GgufVocabulary vocabulary;

 private:
  std::string Text() {
    return std::string(*reader_.ReadText(*reader_.Read<std::uint64_t>("length"), "text"));
  }

  void Value(const std::string& key, std::uint32_t type) {
    GgufVocabulary& v = vocabulary;
    const auto is = [&](const char* name) { return key == std::string("tokenizer.ggml.") + name; };
    if (type == 9) {
      const auto element = *reader_.Read<std::uint32_t>("element type");
      for (auto count = *reader_.Read<std::uint64_t>("count"); count > 0; --count) {
        Value(key, element);
      }
    } else if (type == 8) {
      const std::string text = Text();
      if (is("tokens") || is("merges")) {
        (is("tokens") ? v.tokens : v.merges).push_back(text);
      } else if (is("model") || is("pre") || key == "general.name") {
        (is("model") ? v.model : is("pre") ? v.pre : v.name) = text;
      }
    } else if (type == 6) {
      const auto number = *reader_.Read<float>("float");
      if (is("scores")) {
        v.scores.push_back(number);
      }
    } else if (type == 4 || type == 5) {
      const auto number = *reader_.Read<std::int32_t>("integer");
      if (is("token_type")) {
        v.token_types.push_back(number);
      }
      (is("bos_token_id") || is("cls_token_id") ? v.bos
       : is("eos_token_id")                     ? v.eos
       : is("unknown_token_id")                 ? v.unknown
       : is("seperator_token_id")               ? v.separator
                                                : ignored_) = number;
    } else if (type == 7) {
      const bool flag = *reader_.Read<std::uint8_t>("flag") != 0;
      (is("add_bos_token") ? v.add_bos : is("add_eos_token") ? v.add_eos : ignored_flag_) = flag;
    } else {
      (void)*reader_.ReadBytes(type < 2 ? 1 : type < 4 ? 2 : 8, "number");
    }
  }

  ByteReader reader_;
  std::optional<std::int64_t> ignored_;
  std::optional<bool> ignored_flag_;
};

std::vector<std::string> SplitAt(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (std::size_t at = text.find(separator); at != text.npos; at = text.find(separator)) {
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.emplace_back(text);
  return parts;
}

TEST(GgufVocabulary, GivesTheIdsThatLlamaCppGives) {
  const Path folder = SharedFixtures() / "fixtures/tokenizers";
  if (!fs::exists(folder)) {
    GTEST_SKIP() << "no fixtures in " << folder;
  }
  int vocabularies = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") {
      continue;
    }
    SCOPED_TRACE(entry.path().filename());
    const std::string name = entry.path();
    const GgufVocabulary vocabulary = Metadata(*ReadTextFile(name, 64u << 20)).vocabulary;
    const Result<std::string> json = GgufTokenizerJson(vocabulary);
    ASSERT_TRUE(json.ok()) << json.error().message;
    const Tokenizer tokenizer = *Tokenizer::FromJson(*json);
    // Tokens with scores by a list of merges too, so that every program reads them.
    const std::optional<std::string> for_all = *PublicTokenizerJson(*json);
    EXPECT_EQ(for_all.has_value(), vocabulary.model == "llama");
    const Tokenizer other = *Tokenizer::FromJson(for_all.value_or(*json));
    const auto texts = SplitAt(*ReadTextFile(name + ".inp"), "\n__ggml_vocab_test__\n");
    const auto lines = SplitAt(*ReadTextFile(name + ".out"), "\n");
    ASSERT_GE(lines.size(), texts.size());
    Tally tally;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      GgufIds expected;
      for (const std::string& id : SplitAt(lines[i], " ")) {
        if (!id.empty()) {
          expected.push_back(std::stoi(id));
        }
      }
      const GgufIds found =
          *tokenizer.Encode(texts[i], {.add_special_tokens = false, .parse_special_tokens = false});
      EXPECT_EQ(found, expected) << texts[i];
      EXPECT_EQ(*other.Encode(texts[i]), *tokenizer.Encode(texts[i])) << texts[i];
      EXPECT_EQ(other.Decode(found), tokenizer.Decode(found)) << texts[i];
      tally.Count(found == expected);
    }
    const std::string file = "fixtures/tokenizers/" + entry.path().filename().string();
    Record(
        {"Vocabularies in GGUF files", vocabulary.model, file, tally.text("lines"), tally.all()});
    if (vocabulary.model == "gpt2") {  // all names of a row mean the same
      for (const std::string& pre : SplitAt((*FindGgufPreTokenizer(vocabulary.pre))->names, " ")) {
        Record({"Pre-tokenizers of GGUF files", pre, file, tally.text("lines"), tally.all()});
      }
    }
    ++vocabularies;
  }
  EXPECT_GE(vocabularies, 6);
}

// ---- Small vocabularies of each kind.

Tokenizer LoadGguf(const GgufVocabulary& vocabulary) {
  const Result<std::string> json = GgufTokenizerJson(vocabulary);
  CHECK(json.ok() || (ADD_FAILURE() << json.error().message, false));
  EXPECT_EQ(*json, CanonicalJson(*ParseJson(*json)));
  return *Tokenizer::FromJson(*json);
}

GgufVocabulary Spm() {
  return {.model = "llama",
          .tokens = {"<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "▁a", "aa", "<x>", "b"},
          .scores = {0, 0, 0, 0, -5, -6, -1, -2, 0, -7},
          .token_types = {2, 3, 3, 6, 1, 1, 1, 1, 4, 1}};
}

TEST(GgufVocabulary, OfLlamaJoinsByScoreBehindASpace) {
  GgufVocabulary vocabulary = Spm();
  const Tokenizer tokenizer = LoadGguf(vocabulary);
  EXPECT_EQ(*tokenizer.Encode("aaa\nx"), (GgufIds{1, 6, 7, 3, 0}));
  EXPECT_EQ(*tokenizer.Encode(" a"), (GgufIds{1, 4, 6})) << "the text's own space, and one more";
  EXPECT_EQ(*tokenizer.Encode("a<x>a</s>"), (GgufIds{1, 6, 8, 6, 2}));
  EXPECT_EQ(*tokenizer.Encode("</s>", {.parse_special_tokens = false}), (GgufIds{1, 4, 0}));
  EXPECT_EQ(tokenizer.Decode({{1, 6, 7, 4, 3}}), "aaa \n");
  EXPECT_TRUE(tokenizer.IsSpecial(0) && tokenizer.IsSpecial(2) && !tokenizer.IsSpecial(8));

  vocabulary.add_space_prefix = false;
  vocabulary.add_bos = false;
  vocabulary.add_eos = true;
  EXPECT_EQ(*LoadGguf(vocabulary).Encode("a"), (GgufIds{5, 2}));
}

// The one thing that a name decides: Phi-3's markers take the white space behind them away.
TEST(GgufVocabulary, OfPhi3StripsBehindItsMarkers) {
  GgufVocabulary vocabulary = Spm();
  EXPECT_EQ(*LoadGguf(vocabulary).Encode("<x> \na"), (GgufIds{1, 8, 4, 4, 3, 5}));
  vocabulary.name = "Phi-3 mini";
  EXPECT_EQ(*LoadGguf(vocabulary).Encode("<x> \na"), (GgufIds{1, 8, 6}));
}

TEST(GgufVocabulary, OfGpt2CutsByName) {
  const GgufVocabulary vocabulary{.model = "gpt2",
                                  .pre = "llama-bpe",
                                  .tokens = {"a", "b", "Ġ", "1", "ab", "Ġab", "11", "111", "<s>"},
                                  .token_types = {1, 1, 1, 1, 1, 1, 1, 1, 3},
                                  .merges = {"a b", "Ġ ab", "1 1"},
                                  .bos = 8};
  EXPECT_EQ(*LoadGguf(vocabulary).Encode("ab ab1111"), (GgufIds{8, 4, 5, 7, 3}))
      << "three digits at a time, and 111 is a token without merges";
  GgufVocabulary other = vocabulary;
  other.pre = "qwen2";
  EXPECT_EQ(*LoadGguf(other).Encode("ab ab11"), (GgufIds{4, 5, 3, 3}));
  EXPECT_EQ(LoadGguf(other).Decode({{5, 6}}), " ab11");
}

TEST(GgufVocabulary, OfBertIsAVocabTxt) {
  const GgufVocabulary vocabulary{.model = "bert",
                                  .tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁un", "a", "▁a"},
                                  .token_types = {3, 3, 3, 3, 1, 1, 1},
                                  .bos = 2,
                                  .unknown = 1,
                                  .separator = 3};
  const Tokenizer tokenizer = LoadGguf(vocabulary);
  EXPECT_EQ(*tokenizer.Encode("Una  áa b[SEP]"), (GgufIds{2, 4, 5, 6, 5, 1, 3, 3}));
  EXPECT_EQ(tokenizer.Decode({{2, 4, 5, 6}}), "una a");
}

TEST(GgufVocabulary, OfT5NormalizesAndTakesTheGreatestSum) {
  const GgufVocabulary vocabulary{
      .model = "t5",
      .tokens = {"<pad>", "</s>", "<unk>", "▁", "▁a", "b", "ab", "▁ab", "e"},
      .scores = {0, 0, 0, -2, -3, -4, -4.5, -9, -1},
      .token_types = {3, 3, 2, 1, 1, 1, 1, 1, 1},
      .add_space_prefix = true,
      .remove_extra_whitespaces = true,
      .precompiled_charsmap = CharsmapWriter::Write({{"é", "e"}, {"\t", " "}})};
  EXPECT_EQ(*LoadGguf(vocabulary).Encode(" ab\t éxx "), (GgufIds{3, 6, 3, 8, 2, 1}));
  EXPECT_EQ(LoadGguf(vocabulary).Decode({{4, 5, 3, 8}}), "ab e");
}

TEST(GgufPreTokenizers, EveryNameIsAWayToCut) {
  for (const std::string name : {"",
                                 "default",
                                 "gpt-2",
                                 "mpt",
                                 "olmo",
                                 "starcoder",
                                 "refact",
                                 "command-r",
                                 "smollm",
                                 "falcon",
                                 "llama-bpe",
                                 "dbrx",
                                 "smaug-bpe",
                                 "qwen2",
                                 "stablelm2",
                                 "qwen35",
                                 "tekken",
                                 "gpt-4o",
                                 "llama4",
                                 "deepseek-llm",
                                 "deepseek-coder",
                                 "deepseek-v3",
                                 "bloom",
                                 "poro-chat",
                                 "viking",
                                 "chameleon",
                                 "jais-2",
                                 "tiny_aya",
                                 "superbpe",
                                 "bailingmoe",
                                 "seed-coder",
                                 "exaone",
                                 "exaone-moe",
                                 "minicpm5",
                                 "laguna",
                                 "ufakzeka",
                                 "granite-embed-multi-97m",
                                 "spark2_5",
                                 "afmoe",
                                 "youtu",
                                 "kimi-k2"}) {
    const GgufVocabulary vocabulary{
        .model = "gpt2", .pre = name, .tokens = {"a", "b"}, .add_bos = false};
    EXPECT_EQ(*LoadGguf(vocabulary).Encode("ab"), (GgufIds{0, 1})) << name;
    // A name found by what it means means the same.
    const GgufPreTokenizer& row = **FindGgufPreTokenizer(name);
    const std::vector<std::string> patterns(row.patterns.begin(), row.patterns.end());
    const auto found = GgufPreTokenizerName(patterns, row.ignore_merges);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*FindGgufPreTokenizer(*found), &row) << name;
  }
  EXPECT_EQ(FindGgufPreTokenizer("qwen9").error().code, ErrorCode::kUnsupported);
}

// Vocabularies of characters: spaces are marked and lines are pieces, or white space only
// separates.
TEST(GgufPreTokenizers, SpellInCharactersWhatIsNotOfBytes) {
  GgufVocabulary vocabulary{.model = "gpt2",
                            .tokens = {"a", "b", "▁", "▁a", "\n", "\n\n", "<0xC3>", "<0xA9>", "ab"},
                            .merges = {"▁ a", "a b"},
                            .add_bos = false};
  for (const char* name : {"gemma4", "granite-embed-multi-311m", "sarvam-moe"}) {
    vocabulary.pre = name;
    const bool whole = vocabulary.pre != "sarvam-moe";
    const Tokenizer tokenizer = LoadGguf(vocabulary);
    EXPECT_EQ(*tokenizer.Encode("ab a\n\nbé"),
              whole ? (GgufIds{8, 3, 5, 1, 6, 7}) : (GgufIds{8, 3, 4, 4, 1, 6, 7}))
        << name;
    EXPECT_EQ(tokenizer.Decode({{8, 3, 5, 1, 6, 7}}), "ab a\n\nbé");
  }
  vocabulary.pre = "whitespace";
  EXPECT_EQ(*LoadGguf(vocabulary).Encode("ab  a\tb"), (GgufIds{8, 0, 1}));
  vocabulary.model = "whitespace";
  vocabulary.lowercase = true;
  EXPECT_EQ(*LoadGguf(vocabulary).Encode("AB a"), (GgufIds{8, 0}));
  vocabulary.model = "gemma4";
  vocabulary.pre = "";
  vocabulary.lowercase.reset();
  EXPECT_EQ(*LoadGguf(vocabulary).Encode("a a"), (GgufIds{0, 3}));
}

// deepseek-llm: each character of a class of its own script, and what the classes leave out.
TEST(GgufPreTokenizers, DeepseekLlmKeepsCasedLettersTogether) {
  const GgufVocabulary vocabulary{.model = "gpt2",
                                  .pre = "deepseek-llm",
                                  .tokens = {"a", "b", "Ġ", "ab", "Ġa", "1", "11"},
                                  .merges = {"a b", "Ġ a", "1 1"},
                                  .add_bos = false};
  EXPECT_EQ(*LoadGguf(vocabulary).Encode("ab a11"), (GgufIds{3, 4, 6}));
}

// Words before a capital or not, and digits one by one, or in threes from the front or the end.
TEST(GgufPreTokenizers, CutAtCapitalsAndBetweenDigits) {
  const std::pair<const char*, GgufIds> cases[] = {{"afmoe", {6, 5, 0, 2}},
                                                   {"kimi-k2", {3, 7, 2, 0}},
                                                   {"youtu", {3, 7, 0, 0, 0, 0}},
                                                   {"spark2_5", {6, 5, 0, 0, 0, 0}}};
  for (const auto& [name, ids] : cases) {
    const GgufVocabulary vocabulary{.model = "gpt2",
                                    .pre = name,
                                    .tokens = {"1", "11", "111", "a", "B", "b", "aB", "Bb"},
                                    .merges = {"1 1", "11 1", "a B", "B b"},
                                    .add_bos = false};
    EXPECT_EQ(*LoadGguf(vocabulary).Encode("aBb1111"), ids) << name;
  }
}

// ---- Tables that lie. The names of the first say of which kind the published faults were.

struct GgufLie {
  const char* name;
  void (*tell)(GgufVocabulary& vocabulary);
  const char* message;
};

const GgufLie kGgufLies[] = {
    {"no tokens", [](GgufVocabulary& v) { v.tokens.clear(); }, "tokens"},
    {"fewer scores than tokens", [](GgufVocabulary& v) { v.scores.pop_back(); }, "scores"},
    {"fewer types than tokens", [](GgufVocabulary& v) { v.token_types.pop_back(); }, "token_type"},
    {"no scores", [](GgufVocabulary& v) { v.scores.clear(); }, "scores"},
    {"a score is no number", [](GgufVocabulary& v) { v.scores[4] = std::nanf(""); }, "scores[4]"},
    {"a type that there is not", [](GgufVocabulary& v) { v.token_types[4] = 7; }, "token_type[4]"},
    {"a negative type", [](GgufVocabulary& v) { v.token_types[4] = -1; }, "token_type[4]"},
    {"two tokens are one", [](GgufVocabulary& v) { v.tokens[5] = "▁"; }, "4 and 5"},
    {"a token is not UTF-8", [](GgufVocabulary& v) { v.tokens[5] = "\xFF"; }, "tokens[5]"},
    {"a token of a megabyte", [](GgufVocabulary& v) { v.tokens[5].assign(1 << 20, 'a'); }, "512"},
    {"a negative bos", [](GgufVocabulary& v) { v.bos = -1; }, "bos_token_id"},
    {"a bos past the end", [](GgufVocabulary& v) { v.bos = 10; }, "bos_token_id"},
    {"a huge unknown", [](GgufVocabulary& v) { v.unknown = 1LL << 40; }, "unknown_token_id"},
    {"a model that there is not", [](GgufVocabulary& v) { v.model = "rwkv"; }, "rwkv"},
    {"a merge without its space",
     [](GgufVocabulary& v) {
       v.model = "gpt2";
       v.merges = {"ab"};
     },
     "merges[0]"},
    {"a merge of tokens that are not there",
     [](GgufVocabulary& v) {
       v.model = "gpt2";
       v.merges = {"a zz"};
     },
     "zz"},
    {"a charsmap cut short",
     [](GgufVocabulary& v) {
       v.model = "t5";
       v.precompiled_charsmap = "\xFF\xFF\xFF\xFFxxxx";
     },
     "charsmap"},
};

TEST(GgufVocabulary, WhoseTablesLieIsRefusedByName) {
  for (const GgufLie& lie : kGgufLies) {
    GgufVocabulary vocabulary = Spm();
    lie.tell(vocabulary);
    const Result<std::string> json = GgufTokenizerJson(vocabulary);
    ASSERT_FALSE(json.ok()) << lie.name;
    EXPECT_NE(json.error().message.find(lie.message), std::string::npos)
        << lie.name << ": " << json.error().message;
    EXPECT_LT(json.error().message.size(), 600u) << lie.name;
  }
}

// `<0x-1>` and its like are tokens as any other: no byte, and no index.
TEST(GgufVocabulary, AByteTokenThatIsNoByteIsText) {
  GgufVocabulary vocabulary = Spm();
  vocabulary.tokens[3] = "<0x-1>";
  const Tokenizer tokenizer = LoadGguf(vocabulary);
  EXPECT_EQ(*tokenizer.Encode("\n"), (GgufIds{1, 4, 0}));
  EXPECT_EQ(tokenizer.Decode({{3}}), "<0x-1>");
}

}  // namespace
}  // namespace ashlar::internal
