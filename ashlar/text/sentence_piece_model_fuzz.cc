// A tokenizer.model file and a text, separated by eight bytes of 0xFE, which no such file holds.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ashlar/text/internal/fuzz_tokenizer.h"
#include "ashlar/text/sentence_piece_model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  constexpr std::string_view kCut = "\xFE\xFE\xFE\xFE\xFE\xFE\xFE\xFE";
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(input.find(kCut), input.size());
  const Result<std::string> json =
      SentencePieceTokenizerJson(input.substr(0, cut), {.before = size % 2 == 0 ? "<s>" : ""});
  if (!json.ok()) {
    CHECK_LT(json.error().message.size(), 2000u);
    return 0;
  }
  CHECK(Tokenizer::FromJson(*json).ok());
  internal::CheckTokenizer(*json, input.substr(std::min(cut + kCut.size(), input.size())));
  return 0;
}
