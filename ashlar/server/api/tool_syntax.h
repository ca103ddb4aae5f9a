// How networks write calls of tools into their answers: one row for each way. Which one a network
// was taught is seen from what its chat template writes of earlier calls, never from its name.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "ashlar/base/json.h"
#include "ashlar/server/api/tag_scanner.h"
#include "ashlar/text/chat_format.h"

namespace ashlar {

enum class ToolBody : std::uint8_t {
  kObject,  // {"name": "f", "arguments": {...}}; "parameters" means the same
  kList,    // [{...}, {...}] of such
  kNamed,   // f MARK {...}
  kTags,    // the arguments in tags, as `tags` says
};

struct ToolSyntax {
  std::string_view name;
  std::string_view mark;  // in what the template writes of a call; the first row that fits is it
  std::string_view opener;
  std::string_view closer;
  ToolBody body = ToolBody::kObject;
  std::string_view argument_mark = {};  // kNamed: between the name and the arguments
  std::string_view arguments_key = "arguments";
  bool bare = false;  // an answer that begins with { is a call without the opener
  CallTags tags = {};
};

std::span<const ToolSyntax> AllToolSyntaxes();

// Null where the template passes over tools, or writes calls in a way that has no row. A call is
// written into a made-up conversation for it, with `tools`, which says all that is needed.
const ToolSyntax* FindToolSyntax(const ChatFormat& format, const Json& tools);

}  // namespace ashlar
