// For tests: vocabularies and answers to a grammar.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/grammar/constraint.h"

namespace ashlar {

inline bool IsAllowed(std::span<const std::uint64_t> mask, std::int32_t token) {
  return (mask[static_cast<std::size_t>(token) / 64] >> (token % 64) & 1) != 0;
}

// Token i is the byte i; token 256 ends.
inline constexpr std::int32_t kByteEnd = 256;
inline std::shared_ptr<const TokenVocabulary> ByteVocabulary() {
  static const auto vocabulary = [] {
    std::vector<std::string> tokens(257);
    for (int byte = 0; byte < 256; ++byte) {
      tokens[byte] = std::string(1, static_cast<char>(byte));
    }
    return std::make_shared<const TokenVocabulary>(tokens);
  }();
  return vocabulary;
}

inline std::shared_ptr<GrammarMasks> ByteMasks(const Grammar& grammar) {
  const std::int32_t ends[] = {kByteEnd};
  return std::make_shared<GrammarMasks>(grammar, ByteVocabulary(), ends);
}

// Whether `text` is a sentence; and when not, how many of its bytes begin one.
struct Reading {
  bool whole;
  std::size_t bytes;
};
inline Reading Read(const Grammar& grammar, std::string_view text) {
  Constraint constraint(ByteMasks(grammar));
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!constraint.Accept(static_cast<std::uint8_t>(text[i])).ok()) {
      return {false, i};
    }
  }
  return {constraint.may_end(), text.size()};
}

// The bytes of JSON texts, and what often stands together in them, as a tokenizer has it.
inline std::shared_ptr<const TokenVocabulary> JsonVocabulary() {
  static const auto vocabulary = [] {
    std::vector<std::string> tokens(257);
    for (int byte = 0; byte < 256; ++byte) {
      tokens[byte] = std::string(1, static_cast<char>(byte));
    }
    for (const char* token :
         {"{\"",   "\":",  "\": \"", "\",\"",  "\"}",      "\"]",      "[{",   "}]",    "},{",
          "\": [", "\":{", "[]",     "{}",     ", ",       ",\n",      "\n  ", "  ",    "true",
          "false", "null", "tr",     "ue",     "12",       "345",      "00",   "0.",    ".5",
          "e+",    "-1",   "name",   "id",     "the",      " of",      "\\n",  "\\\"",  "\\u00",
          "é",     "😀",    "\xC3",   "\xA9\"", "\xF0\x9F", "\x98\x80", "ab",   "abc",   "2024-",
          "-01",   "T",    ":00",    "@a",     "\"a",      "\"b\":",   "a\",", "b\"]}", "x\":1",
          "1,",    "1]",   "null,",  "\"\"",   "0,0"}) {
      tokens.emplace_back(token);
    }
    return std::make_shared<const TokenVocabulary>(tokens);
  }();
  return vocabulary;
}

inline std::shared_ptr<GrammarMasks> JsonMasks(const Grammar& grammar) {
  const std::int32_t ends[] = {kByteEnd};
  return std::make_shared<GrammarMasks>(grammar, JsonVocabulary(), ends);
}

// An answer drawn token by token among those allowed. After `wander` tokens it hurries: it ends
// when it may, and closes what is open. Fails the test when it gets stuck.
inline std::optional<std::string> RandomAnswer(const std::shared_ptr<GrammarMasks>& masks,
                                               std::mt19937_64& random, int wander) {
  Constraint constraint(masks);
  const TokenVocabulary& vocabulary = masks->vocabulary();
  std::string text;
  std::vector<std::int32_t> tokens;
  for (int step = 0; step < wander + 2000; ++step) {
    const auto mask = constraint.Allowed();
    if (!mask.ok()) {
      ADD_FAILURE() << mask.error().message << "\nafter: " << text;
      return std::nullopt;
    }
    tokens.clear();
    for (std::int32_t token = 0; token < vocabulary.size(); ++token) {
      if (IsAllowed(*mask, token)) {
        tokens.push_back(token);
      }
    }
    std::int32_t token = tokens[random() % tokens.size()];
    const bool hurry = step >= wander;
    if (IsAllowed(*mask, kByteEnd) && (hurry || random() % 4 == 0)) {
      token = kByteEnd;
    } else if (hurry && random() % 3 != 0) {
      // Which of them closes something is not known here: "}" may be a letter of a string.
      const auto close = static_cast<std::uint8_t>("}]\""[random() % 3]);
      token = IsAllowed(*mask, close) ? close : token;
    } else if (token >= 0x80 && token < 0x100 && random() % 8 != 0) {
      continue;  // fewer parts of characters, which are most of the tokens
    }
    const Status accepted = constraint.Accept(token);
    if (!accepted.ok()) {
      ADD_FAILURE() << accepted.error().message << "\nafter: " << text;
      return std::nullopt;
    }
    if (constraint.ended()) {
      return text;
    }
    text += vocabulary.Bytes(token);
  }
  return std::nullopt;  // a language without an end in sight
}

}  // namespace ashlar
