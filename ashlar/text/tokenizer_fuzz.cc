// A file and a text, separated by a zero byte. The file is refused with a short error, or it is a
// tokenizer that encodes the text and whose streams decode to what the whole decodes to.
#include <cstddef>
#include <cstdint>

#include "ashlar/base/check.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(input.find('\0'), input.size());
  const std::string_view text = input.substr(std::min(cut + 1, input.size()));

  const Result<Tokenizer> tokenizer = Tokenizer::FromJson(input.substr(0, cut));
  if (!tokenizer.ok()) {
    CHECK_LT(tokenizer.error().message.size(), 2000u);
    return 0;
  }
  for (const bool special : {false, true}) {
    const EncodeOptions options{.add_special_tokens = special, .parse_special_tokens = special};
    const Result<std::vector<std::int32_t>> ids = tokenizer->Encode(text, options);
    if (!ids.ok()) {
      CHECK(ids.error().code == ErrorCode::kExhausted);
      continue;
    }
    for (const std::int32_t id : *ids) {
      CHECK(id >= 0 && id < tokenizer->vocabulary_size());
      CHECK(tokenizer->TokenId(tokenizer->TokenContent(id)) == id);
      (void)tokenizer->TokenBytes(id);
    }
    StreamDecoder decoder(*tokenizer, {.skip_special_tokens = special});
    std::string decoded;
    for (const std::int32_t id : *ids) {
      const std::string part = decoder.Push(id);
      CHECK(internal::IsUtf8(part));
      decoded += part;
    }
    decoded += decoder.Finish();
    CHECK(decoded == tokenizer->Decode(*ids, {.skip_special_tokens = special}));
  }
  return 0;
}
