// A ChatStyle is how turns with a network are written, and what ends an answer besides its
// end-of-text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ashlar/text/chat_format.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {

struct ChatStyle {
  ChatFormat format;
  bool own = true;   // the network's own template
  std::string name;  // for people: "its own chat template"
  std::vector<std::int32_t> stop_tokens;
  std::vector<std::string> stop_strings;
};

// The network's own template; without one, ChatML where the vocabulary has its marks, else a plain
// transcript. Errors are of a template that is there and cannot be read.
Result<ChatStyle> ChooseChatStyle(const ChatFiles& files, const Tokenizer& tokenizer);

}  // namespace ashlar
