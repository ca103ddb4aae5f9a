// A ChatFormat makes the prompt of a conversation: the network's chat template, the special tokens
// that the template speaks of, and ids in which nobody's text can pose as a mark of the template.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"
#include "ashlar/text/chat_template.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {

// What a model says about chats: the texts of these files of its directory, where they are there.
struct ChatFiles {
  std::optional<std::string> chat_template;       // chat_template.jinja
  std::optional<std::string> tokenizer_config;    // tokenizer_config.json
  std::optional<std::string> special_tokens_map;  // special_tokens_map.json
  // The tokens around a text, "bos_token" and "eos_token" in a template where no file speaks of
  // them (null is a word too): a GGUF file has ids only.
  std::optional<std::string> begin = {};
  std::optional<std::string> end = {};
};

// Reads these files by `read`, which gives nothing for a file that is not there. `begin` and
// `ends`: the model's ids of tokens of `tokenizer`, the usual end first.
Result<ChatFiles> ReadChatFiles(
    const std::function<Result<std::optional<std::string>>(std::string_view)>& read,
    const Tokenizer& tokenizer, std::optional<std::int64_t> begin,
    std::span<const std::int64_t> ends);

// Immutable, thread-safe, movable.
class ChatFormat {
 public:
  // The templates of a directory: the file of its own, or tokenizer_config's `chat_template`, which
  // is one or a list of named ones. kNotFound when there is none; errors of a template name it.
  static Result<ChatFormat> FromFiles(const ChatFiles& files);
  // One template.
  static Result<ChatFormat> FromTemplate(std::string_view source);

  // `variables`: an object with messages [{"role", "content", ...}], and what else the template
  // reads (tools, documents, add_generation_prompt...). With tools, the template named "tool_use"
  // is taken where there is one.
  Result<std::string> Render(const Json& variables, const std::tm& now) const;

  // The ids of what is rendered. A special token that is spelled out in a message, a tool or a
  // document is text there: it never becomes the token that it spells.
  Result<std::vector<std::int32_t>> Encode(const Tokenizer& tokenizer, const Json& variables,
                                           const std::tm& now) const;

  // "bos_token", "eos_token"...: as tokenizer_config.json has them, or else
  // special_tokens_map.json, or else the model itself.
  const std::map<std::string, std::string, std::less<>>& special_tokens() const { return tokens_; }

 private:
  ChatFormat() = default;
  Status AddTemplate(std::string name, std::string_view source);
  Status ReadTemplates(const JsonCursor& config);

  std::map<std::string, ChatTemplate, std::less<>> templates_;  // by name; one is "default"
  std::map<std::string, std::string, std::less<>> tokens_;
};

// For networks that came without a template. ChatML, for vocabularies that have its marks:
extern const std::string_view kChatMlTemplate;
// "user: ...", "assistant: ...", a line each.
extern const std::string_view kTranscriptTemplate;

}  // namespace ashlar
