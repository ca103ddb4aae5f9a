// Where llama.cpp ends a text: at the tokens that a file's keys name, and at those whose text alone
// says so, which many files rely on (src/llama-vocab.cpp, llama_vocab::impl::load).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/formats/gguf_read.h"

namespace ashlar::internal {

// Keys under "tokenizer.ggml." that name a token at which texts end.
inline constexpr std::string_view kGgufEndKeys[] = {"eos_token_id", "eot_token_id", "eom_token_id"};

// Each id once: those of kGgufEndKeys in their order, then those of names by id. A key may name an
// id without a token; kInvalid when one holds something else than an id.
Result<std::vector<std::int64_t>> ReadGgufEnds(const GgufFields& fields);

// Which of a network's `ends` llama.cpp does not know by a file of these metadata, and which others
// it has: a sentence each, with the ids and their tokens.
Result<std::vector<std::string>> RemarksOnGgufEnds(const GgufMetadata& metadata,
                                                   std::span<const std::int64_t> ends);

}  // namespace ashlar::internal
