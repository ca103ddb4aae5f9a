// Vocabularies of GGUF files: the input's bytes choose the kind, the tables' sizes and what is in
// them, and what is left of them is the text.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "ashlar/text/gguf_vocabulary.h"
#include "ashlar/text/internal/fuzz_tokenizer.h"

namespace {

constexpr std::string_view kModels[] = {"gpt2", "gemma4", "llama",     "bert",
                                        "t5",   "rwkv",   "whitespace"};
constexpr std::string_view kPre[] = {"",          "default", "gpt-2",  "llama-bpe",   "qwen2",
                                     "smollm",    "falcon",  "tekken", "deepseek-v3", "gpt-4o",
                                     "superbpe",  "bloom",   "nix",    "gemma4",      "sarvam-moe",
                                     "whitespace"};
constexpr std::string_view kTokens[] = {"<unk>", "<s>",    "</s>",   "▁",     "a", "▁a",
                                        "ab",    "<0x-1>", "<0x0A>", "[UNK]", "Ġ", "b",
                                        "##",    "\xFF",   "",       "▁▁"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto take = [&](std::size_t bytes) {
    const std::string_view taken = input.substr(0, bytes);
    input.remove_prefix(taken.size());
    return taken;
  };
  const auto below = [&](std::size_t end) {
    const std::string_view byte = take(1);
    return byte.empty() ? 0 : static_cast<std::uint8_t>(byte[0]) % end;
  };
  const auto flag = [&] {
    const std::size_t chosen = below(3);
    return chosen == 2 ? std::nullopt : std::optional(chosen == 1);
  };
  const auto id = [&] {
    const auto chosen = static_cast<std::int64_t>(below(24));
    return chosen == 23 ? std::nullopt : std::optional(chosen - 1);
  };
  GgufVocabulary vocabulary{.model = std::string(kModels[below(std::size(kModels))]),
                            .pre = std::string(kPre[below(std::size(kPre))])};
  const std::size_t tokens = below(24);
  for (std::size_t i = 0; i < tokens; ++i) {
    vocabulary.tokens.push_back(std::string(kTokens[below(std::size(kTokens))]) +
                                (below(2) == 0 ? "" : std::string(take(1))));
  }
  for (std::size_t i = below(4) == 0 ? below(8) : tokens; i > 0; --i) {
    float score = 0;
    const std::string_view bytes = take(sizeof(score));
    std::memcpy(&score, bytes.data(), bytes.size());
    vocabulary.scores.push_back(score);
    vocabulary.token_types.push_back(static_cast<std::int32_t>(below(8)) - 1);
  }
  for (std::size_t i = below(4); i > 0; --i) {
    vocabulary.merges.push_back(std::string(kTokens[below(std::size(kTokens))]) +
                                (below(8) == 0 ? "" : " ") +
                                std::string(kTokens[below(std::size(kTokens))]));
  }
  vocabulary.bos = id();
  vocabulary.eos = id();
  vocabulary.unknown = id();
  vocabulary.separator = id();
  vocabulary.add_bos = flag();
  vocabulary.add_eos = flag();
  vocabulary.add_space_prefix = flag();
  vocabulary.remove_extra_whitespaces = flag();
  vocabulary.precompiled_charsmap = take(below(40));
  vocabulary.name = below(2) == 0 ? "" : "Phi-3";
  const Result<std::string> json = GgufTokenizerJson(vocabulary);
  if (!json.ok()) {
    CHECK_LT(json.error().message.size(), 2000u);
    return 0;
  }
  CHECK(Tokenizer::FromJson(*json).ok());
  internal::CheckTokenizer(*json, input);
  return 0;
}
