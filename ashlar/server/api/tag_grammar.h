// A call of a tool whose arguments are written in tags, as GBNF: the other side of tag_scanner.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/server/api/tag_scanner.h"

namespace ashlar {

// The grammars that one of calls is made of, no more in all than a grammar may be: each of a
// thousand tools may send one that large.
class GivenGrammars {
 public:
  // kExhausted when they are too large together.
  Status Add(std::string name, Grammar grammar);
  const std::vector<NamedGrammar>& all() const { return all_; }

 private:
  std::vector<NamedGrammar> all_;
  std::size_t bytes_ = 0;
};

// `text` as a literal of GBNF.
std::string GbnfText(std::string_view text);

// The alternative for calls of `name`; null `schema`: whatever its arguments are. Arguments come in
// the order of the schema's properties. An argument that may be any text is free up to its tag, one
// that is some texts is written as they are, and others are JSON without the tag's first character.
//
// Uses the rules `blank` and `space`; adds those it needs to `given`, their names beginning with
// `prefix`. kUnsupported for what cannot be held in tags.
Result<std::string> RuleOfTaggedCall(const CallTags& tags, const std::string& name,
                                     const Json& schema, const std::string& prefix,
                                     GivenGrammars& given);

}  // namespace ashlar
