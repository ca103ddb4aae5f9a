#include "ashlar/text/chat_style.h"

#include <utility>

namespace ashlar {

Result<ChatStyle> ChooseChatStyle(const ChatFiles& files, const Tokenizer& tokenizer) {
  Result<ChatFormat> own = ChatFormat::FromFiles(files);
  if (own.ok()) {
    ChatStyle style{.format = *std::move(own), .name = "its own chat template"};
    const auto end = style.format.special_tokens().find("eos_token");
    if (end != style.format.special_tokens().end()) {
      if (const auto id = tokenizer.TokenId(end->second)) {
        style.stop_tokens.push_back(*id);
      }
    }
    return style;
  }
  if (own.error().code != ErrorCode::kNotFound) {
    return own.error();
  }
  const auto mark_end = tokenizer.TokenId("<|im_end|>");
  if (mark_end && tokenizer.TokenId("<|im_start|>")) {
    ASHLAR_TRY(ChatFormat format, ChatFormat::FromTemplate(kChatMlTemplate));
    return ChatStyle{.format = std::move(format),
                     .own = false,
                     .name = "no chat template, turns in ChatML",
                     .stop_tokens = {*mark_end},
                     .stop_strings = {}};
  }
  ASHLAR_TRY(ChatFormat format, ChatFormat::FromTemplate(kTranscriptTemplate));
  return ChatStyle{.format = std::move(format),
                   .own = false,
                   .name = "no chat template, turns as a plain transcript",
                   .stop_tokens = {},
                   .stop_strings = {"\nuser:"}};
}

}  // namespace ashlar
