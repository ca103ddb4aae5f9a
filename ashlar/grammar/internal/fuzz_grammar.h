// For fuzzers: reads a source, and answers the grammar that it gives by the bytes that follow it,
// each of which chooses among the tokens that are allowed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/grammar/constraint.h"

namespace ashlar::grammar {

// `data`: a source, a zero byte, choices.
template <class ReadSource>
void CheckGrammar(std::string_view data, ReadSource read) {
  static const auto vocabulary = [] {
    std::vector<std::string> tokens(257);  // the bytes, and one that ends
    for (int byte = 0; byte < 256; ++byte) {
      tokens[byte] = std::string(1, static_cast<char>(byte));
    }
    for (const char* token : {"{\"", "\":", "\"}", "ab", "12", "], ", "\xC3", "\xA9x", "true"}) {
      tokens.emplace_back(token);
    }
    return std::make_shared<const TokenVocabulary>(tokens);
  }();
  const std::size_t cut = std::min(data.find('\0'), data.size());
  const Result<Grammar> grammar = read(data.substr(0, cut));
  if (!grammar.ok()) {
    CHECK(grammar.error().code != ErrorCode::kIo);
    CHECK_LT(grammar.error().message.size(), 3000u);
    return;
  }
  const std::int32_t ends[] = {256};
  const auto masks = std::make_shared<GrammarMasks>(*grammar, vocabulary, ends);
  Constraint constraint(masks);
  constexpr std::size_t kMostTokens = 16;
  for (const char choice : data.substr(std::min(cut + 1, data.size())).substr(0, kMostTokens)) {
    const auto mask = constraint.Allowed();
    if (!mask.ok()) {
      CHECK(mask.error().code == ErrorCode::kExhausted);
      return;
    }
    std::vector<std::int32_t> allowed;
    for (std::int32_t token = 0; token < vocabulary->size(); ++token) {
      if (((*mask)[token / 64] >> (token % 64) & 1) != 0) {
        allowed.push_back(token);
      }
    }
    CHECK(!allowed.empty());
    // What the mask has is accepted; the rest is not.
    const std::int32_t other = static_cast<std::uint8_t>(choice);
    Constraint copy = constraint;
    const Status status = copy.Accept(other);
    CHECK(status.ok() == std::ranges::binary_search(allowed, other) ||
          status.error().code == ErrorCode::kExhausted);
    const std::int32_t token = allowed[static_cast<std::uint8_t>(choice) % allowed.size()];
    const Status accepted = constraint.Accept(token);
    CHECK(accepted.ok() || accepted.error().code == ErrorCode::kExhausted);
    if (!accepted.ok() || constraint.ended()) {
      return;
    }
  }
}

}  // namespace ashlar::grammar
