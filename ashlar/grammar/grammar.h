// A Grammar is a language: the set of texts that an answer may be. It is written as GBNF, as a
// regular expression or as a JSON schema, and is held as a context-free grammar over bytes.
//
// Whatever the source asks for is honoured or refused by name; nothing in it is passed over. A
// Grammar derives at least one text. Immutable, thread-safe, cheap to copy.
//
// Errors: kInvalid for what no reader of the notation can understand, kUnsupported for what this
// version does not enforce, kExhausted for a limit of size. Each says where: line and column for
// GBNF, the character for a regular expression, the JSON pointer for a schema.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

namespace grammar {
struct Rules;
}  // namespace grammar

class Grammar {
 public:
  // What one grammar may take, whatever its source: some 20 MB.
  static constexpr std::size_t kMaxSourceBytes = 1u << 20;
  static constexpr int kMaxNesting = 64;  // of groups in the source
  static constexpr std::uint32_t kMaxStates = 1u << 18;
  static constexpr std::uint32_t kMaxEdges = 1u << 20;

  // Of `rules` that are trimmed (grammar/internal/rules.h).
  explicit Grammar(std::shared_ptr<const grammar::Rules> rules) : rules_(std::move(rules)) {}
  const grammar::Rules& rules() const { return *rules_; }
  std::size_t bytes() const;

 private:
  std::shared_ptr<const grammar::Rules> rules_;
};

// A grammar that others are made of, by this name.
struct NamedGrammar {
  std::string name;
  Grammar grammar;
};

// GBNF as llama.cpp reads it: rules `name ::= alternatives`, of which `root` is the answer; "text",
// [sets], `.`, groups, `*`, `+`, `?`, `{m,n}`, comments. Left recursion is allowed here.
Result<Grammar> ParseGbnf(std::string_view text);
// The same, where the rules `given` are there already.
Result<Grammar> ParseGbnfWith(std::string_view text, std::span<const NamedGrammar> given);

// A regular expression of ECMAScript (with its flag `u`), which the whole answer matches. Refused
// by name: look-around, back references, \b, \p. Lazy quantifiers match what greedy ones do.
Result<Grammar> GrammarFromRegex(std::string_view pattern);

// The JSON texts of the values that a JSON schema allows; README.md lists what is honoured.
Result<Grammar> GrammarFromJsonSchema(std::string_view schema);

// The same, where `escaped`, a printing character of ASCII that only strings have, is written as
// \uXXXX: for JSON within other text that it could end.
Result<Grammar> GrammarFromJsonSchemaEscaping(std::string_view schema, char escaped);

// Any JSON object: OpenAI's response format `json_object`.
Grammar GrammarForAnyJsonObject();

// Bytes that are held to nothing, whole characters or not, as far as the first `mark`.
struct FreeText {
  std::string_view mark;            // not empty
  std::string_view not_first = {};  // bytes that none of it begins with, behind any blanks
};
// With the mark at its end.
Grammar FreeTextUpToMark(const FreeText& text);
// Without one.
Grammar FreeTextWithoutMark(const FreeText& text);

}  // namespace ashlar
