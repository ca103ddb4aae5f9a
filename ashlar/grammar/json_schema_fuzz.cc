// A JSON schema and an answer to it, separated by a zero byte.
#include <cstddef>
#include <cstdint>

#include "ashlar/grammar/internal/fuzz_grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ashlar::grammar::CheckGrammar({reinterpret_cast<const char*>(data), size},
                                ashlar::GrammarFromJsonSchema);
  return 0;
}
