// Encoding and decoding speed on one core, warm, with the demo network's tokenizer (BPE) and with
// small ones of the other models.
//
// The text is generated from words of a fixed list, so that the benchmark needs no file but
// demo/tokenizer.json; ASHLAR_BENCH_TEXT names a file to take instead.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include <benchmark/benchmark.h>

#include "ashlar/base/file.h"
#include "ashlar/text/gguf_vocabulary.h"
#include "ashlar/text/sentence_piece_model.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {
namespace {

constexpr std::size_t kTextBytes = 1 << 20;

const Tokenizer& DemoTokenizer() {
  static const Tokenizer tokenizer = [] {
    Result<std::string> json = ReadTextFile("demo/tokenizer.json");
    CHECK(json.ok());
    Result<Tokenizer> parsed = Tokenizer::FromJson(*json);
    CHECK(parsed.ok());
    return *std::move(parsed);
  }();
  return tokenizer;
}

std::string Prose() {
  if (const char* path = std::getenv("ASHLAR_BENCH_TEXT"); path != nullptr) {
    Result<std::string> text = ReadTextFile(path);
    CHECK(text.ok());
    return *std::move(text);
  }
  constexpr std::array<std::string_view, 24> kWords = {
      "the",     "of",    "and",    "house",    "stone",   "which",   "morning", "he",
      "said",    "river", "before", "children", "walls",   "nothing", "window",  "it's",
      "quietly", "1847",  "a",      "light",    "through", "seen",    "village", "remembered"};
  std::minstd_rand random(1);
  std::string text;
  while (text.size() < kTextBytes) {
    text += kWords[random() % kWords.size()];
    text += random() % 12 == 0 ? ".\n" : random() % 8 == 0 ? ", " : " ";
  }
  return text;
}

void ReportBytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes));
}

void EncodeText(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(DemoTokenizer().Encode(text));
  }
  ReportBytes(state, text.size());
}

void BM_EncodeProse(benchmark::State& state) {
  EncodeText(state, Prose());
}
BENCHMARK(BM_EncodeProse)->Unit(benchmark::kMillisecond);

// The worst case of the merges: the whole text is one piece.
void BM_EncodeOneWord(benchmark::State& state) {
  std::string text;
  std::minstd_rand random(2);
  while (text.size() < kTextBytes) {
    text.push_back(static_cast<char>('a' + random() % 26));
  }
  EncodeText(state, text);
}
BENCHMARK(BM_EncodeOneWord)->Unit(benchmark::kMillisecond);

void EncodeWith(benchmark::State& state, const Result<std::string>& tokenizer_json) {
  CHECK(tokenizer_json.ok());
  const Tokenizer tokenizer = *Tokenizer::FromJson(*tokenizer_json);
  const std::string text = Prose();
  for (auto _ : state) {
    benchmark::DoNotOptimize(tokenizer.Encode(text));
  }
  ReportBytes(state, text.size());
}

void BM_EncodeSentencePieceUnigram(benchmark::State& state) {
  EncodeWith(state,
             SentencePieceTokenizerJson(*ReadTextFile("ashlar/text/testdata/unigram.model")));
}
BENCHMARK(BM_EncodeSentencePieceUnigram)->Unit(benchmark::kMillisecond);

void BM_EncodeSentencePieceBpe(benchmark::State& state) {
  EncodeWith(state, SentencePieceTokenizerJson(*ReadTextFile("ashlar/text/testdata/bpe.model")));
}
BENCHMARK(BM_EncodeSentencePieceBpe)->Unit(benchmark::kMillisecond);

// Words that BERT would cut, over the letters of a vocabulary without words.
void BM_EncodeWordPiece(benchmark::State& state) {
  GgufVocabulary vocabulary{.model = "bert",
                            .tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"},
                            .token_types = {3, 3, 3, 3},
                            .bos = 2,
                            .unknown = 1,
                            .separator = 3};
  for (const std::string_view token : {"the", "of", "and", "st", "re", "in", "er", "ed"}) {
    for (const std::string_view mark : {"", "▁"}) {
      vocabulary.tokens.push_back(fmt::format("{}{}", mark, token));
      vocabulary.token_types.push_back(1);
    }
  }
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    for (const std::string_view mark : {"", "▁"}) {
      vocabulary.tokens.push_back(fmt::format("{}{}", mark, letter));
      vocabulary.token_types.push_back(1);
    }
  }
  EncodeWith(state, GgufTokenizerJson(vocabulary));
}
BENCHMARK(BM_EncodeWordPiece)->Unit(benchmark::kMillisecond);

void BM_EncodeShortPrompt(benchmark::State& state) {
  EncodeText(state, "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n");
}
BENCHMARK(BM_EncodeShortPrompt)->Unit(benchmark::kMicrosecond);

void BM_StreamDecode(benchmark::State& state) {
  const std::string text = Prose();
  const std::vector<std::int32_t> ids = *DemoTokenizer().Encode(text);
  for (auto _ : state) {
    StreamDecoder decoder(DemoTokenizer());
    for (const std::int32_t id : ids) {
      benchmark::DoNotOptimize(decoder.Push(id));
    }
    benchmark::DoNotOptimize(decoder.Finish());
  }
  ReportBytes(state, text.size());
}
BENCHMARK(BM_StreamDecode)->Unit(benchmark::kMillisecond);

void BM_Load(benchmark::State& state) {
  const std::string json = *ReadTextFile("demo/tokenizer.json");
  for (auto _ : state) {
    benchmark::DoNotOptimize(Tokenizer::FromJson(json));
  }
  ReportBytes(state, json.size());
}
BENCHMARK(BM_Load)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ashlar
