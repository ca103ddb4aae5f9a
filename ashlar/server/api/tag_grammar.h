// A call of a tool whose arguments are written in tags, as a grammar: the other side of
// tag_scanner.h.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ashlar/base/json.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/server/api/tag_scanner.h"

namespace ashlar {

// `text` as a literal of GBNF.
std::string GbnfText(std::string_view text);

// What one call may be: `rule` in GBNF, of the rules `given`, `blank` (as the grammars of JSON
// schemas have blanks) and `space` (as readers of calls have them). kExhausted when it is too
// large.
Result<Grammar> GrammarOfCallRule(std::string_view rule, std::span<const NamedGrammar> given);

// A call of the tool `name`; null `schema`: whatever its arguments are. Arguments come in the order
// of the schema's properties. An argument that may be any text is free up to its tag, one that is
// some texts is written as they are, and others are JSON without the tag's first character.
//
// kUnsupported for what cannot be held in tags, kExhausted for what is too large: a schema of more
// than Grammar::kMaxSourceBytes, too, or whose arguments list more than that between them, and one
// that takes more than what is left of `work`.
Result<Grammar> GrammarOfTaggedCall(const CallTags& tags, const std::string& name,
                                    const Json& schema, SourceWork& work);

}  // namespace ashlar
