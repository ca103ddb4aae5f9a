// Chat templates with names as tokenizer_config.json lists them, which is where they are kept
// whatever they came in.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ashlar/base/json.h"

namespace ashlar::internal {

inline constexpr std::string_view kTokenizerConfig = "tokenizer_config.json";

inline constexpr std::size_t kMostTemplates = 100;  // of one network

struct NamedTemplate {
  std::string name;
  std::string text;
};

// tokenizer_config.json with these templates too, in order; one that it has is replaced. kInvalid
// when its `chat_template` is neither a text nor a list of names and texts.
Result<Json> WithTemplates(const Json& tokenizer_config, std::span<const NamedTemplate> templates);

}  // namespace ashlar::internal
