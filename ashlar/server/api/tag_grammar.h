// A call of a tool whose arguments are written in tags, as GBNF: the other side of tag_scanner.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/server/api/tag_scanner.h"

namespace ashlar {

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
                                     std::vector<NamedGrammar>& given);

}  // namespace ashlar
