// A file and a text, separated by a zero byte.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ashlar/text/internal/fuzz_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(input.find('\0'), input.size());
  ashlar::internal::CheckTokenizer(input.substr(0, cut),
                                   input.substr(std::min(cut + 1, input.size())));
  return 0;
}
