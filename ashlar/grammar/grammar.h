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
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar {

namespace grammar {
struct Rules;
}  // namespace grammar

struct SourceWork;

class Grammar {
 public:
  // What one grammar may take, whatever its source: some 20 MB.
  static constexpr std::size_t kMaxSourceBytes = 1u << 20;
  static constexpr int kMaxNesting = 64;  // of groups in the source
  static constexpr std::uint32_t kMaxStates = 1u << 18;
  static constexpr std::uint32_t kMaxEdges = 1u << 20;
  // In all sets of characters together, each as often as it is drawn: they take time and no edges
  // of their own.
  static constexpr std::uint32_t kMaxRanges = 1u << 22;

  // What the rule `root` of `rules` derives, which are trimmed (grammar/internal/rules.h) and may
  // be other grammars' too.
  Grammar(std::shared_ptr<const grammar::Rules> rules, std::uint32_t root)
      : rules_(std::move(rules)), root_(root) {}
  const grammar::Rules& rules() const { return *rules_; }
  std::uint32_t root() const { return root_; }
  // What it takes, with what it shares.
  std::size_t states() const;
  std::size_t edges() const;
  std::size_t bytes() const;

 private:
  std::shared_ptr<const grammar::Rules> rules_;
  std::uint32_t root_;
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
// The same out of the work that several sources may take together.
Result<Grammar> GrammarFromJsonSchemaWith(std::string_view schema, SourceWork& work);

// The same for values within: one grammar for each of `names` among the `properties` of the root of
// `schema`, of which nothing else is looked at but where references lead. They share their rules.
// `escaped`, a printing character of ASCII that only strings have, is written as \uXXXX: for JSON
// within other text that it could end.
Result<std::vector<Grammar>> GrammarsOfProperties(std::string_view schema,
                                                  std::span<const std::string> names, char escaped,
                                                  SourceWork& work);

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
