// Chat templates with names as tokenizer_config.json lists them, which is where they are kept
// whatever they came in.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json.h"

namespace ashlar::internal {

inline constexpr std::string_view kTokenizerConfig = "tokenizer_config.json";

inline constexpr std::size_t kMostTemplates = 100;  // of one network: chats read no more

struct NamedTemplate {
  std::string name;
  std::string text;
};

// Whether to keep it: a list refuses all chats when one of its templates cannot be read, so such a
// one is left out, which a remark says. The default one is always kept: without it, a chat would be
// told in another form than the network's, and not why.
bool KeepTemplate(const NamedTemplate& each, std::vector<std::string>& remarks);

// tokenizer_config.json with these templates too, in order; one that it has is replaced. kInvalid
// when its `chat_template` is neither a text nor a list of names and texts, and when there are more
// than kMostTemplates then.
Result<Json> WithTemplates(const Json& tokenizer_config, std::span<const NamedTemplate> templates);

}  // namespace ashlar::internal
