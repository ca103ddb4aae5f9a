// The calls of tools that an answer may write, as a grammar.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/result.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/source_work.h"
#include "ashlar/server/api/tool_syntax.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {

// A tool that may be called, and the JSON schema of its arguments; null: any object.
struct CallableTool {
  std::string name;
  Json arguments;
};

std::string SchemaTextOf(const CallableTool& tool);

enum class CallPlace : std::uint8_t {
  kWhole,       // the answer is a call (a list of them), behind the opener
  kWithinText,  // text that is held to nothing; what an opener begins is a call
  kInstead,     // calls and nothing else, or JSON that another grammar holds
};

// Tools as text, which is all that GrammarOfCalls needs to know. `parallel`: whether one list may
// have several calls.
std::string WriteCallableTools(const std::vector<CallableTool>& tools, bool parallel);

// Whether such calls can be told from JSON that stands in their place.
bool CallsAreNoJson(const ToolSyntax& syntax);

// kUnsupported, naming the tool, for schemas that cannot be enforced. Requires: `tools` was written
// by WriteCallableTools; for kInstead, CallsAreNoJson and `json`.
Result<Grammar> GrammarOfCalls(const ToolSyntax& syntax, CallPlace place, std::string_view tools,
                               const std::optional<Grammar>& json = std::nullopt);
// The same out of what is left of `work`.
Result<Grammar> GrammarOfCallsWith(const ToolSyntax& syntax, CallPlace place,
                                   std::string_view tools, SourceWork& work,
                                   const std::optional<Grammar>& json = std::nullopt);

// The special tokens that such an answer writes as text: the marks of its calls.
std::vector<std::int32_t> MarksOfCalls(const ToolSyntax& syntax, CallPlace place,
                                       const Tokenizer& tokenizer);
// Whether a special token of this content, where it is part of the text, may make an opener of what
// stands beside it, which only the network's own may.
bool MayMakeAnOpener(const ToolSyntax& syntax, std::string_view content);

}  // namespace ashlar
