// Cards of made-up networks, for tests of what is pure: a tokenizer and a template, no weights.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "ashlar/base/check.h"
#include "ashlar/base/file.h"
#include "ashlar/server/service/network_cards.h"

namespace ashlar {

// For gtest's messages.
inline void PrintTo(const Json& json, std::ostream* os) {
  *os << WriteJson(json);
}

}  // namespace ashlar

namespace ashlar::testing_api {

// A tokenizer of bytes: each one a token of its own, 0 to 255 as they are; further tokens from 256
// on, of which those in <| |> are special.
inline Tokenizer ByteTokenizer(std::initializer_list<std::string_view> further = {}) {
  // The letters that byte-level vocabularies write bytes as.
  const auto letter = [](int byte) {
    static int shifted[256];
    if (shifted[0] == 0) {
      int next = 256;
      for (int i = 0; i < 256; ++i) {
        const bool plain = (i >= '!' && i <= '~') || (i >= 0xa1 && i <= 0xac) || i >= 0xae;
        shifted[i] = plain ? i : next++;
      }
    }
    const int code = shifted[byte];
    std::string text;
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else {
      text += static_cast<char>(0xc0 | code >> 6);
      text += static_cast<char>(0x80 | (code & 63));
    }
    return text;
  };
  Json vocabulary = Json::Object();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary.Set(letter(byte), byte);
  }
  Json added = Json::Array();
  int id = 256;
  for (const std::string_view content : further) {
    added.Append(Json::Of({{"id", id++},
                           {"content", content},
                           {"single_word", false},
                           {"lstrip", false},
                           {"rstrip", false},
                           {"normalized", false},
                           {"special", content.starts_with("<|")}}));
  }
  const Json json = Json::Of({{"version", "1.0"},
                              {"truncation", nullptr},
                              {"padding", nullptr},
                              {"added_tokens", added},
                              {"normalizer", nullptr},
                              {"pre_tokenizer", Json::Of({{"type", "ByteLevel"},
                                                          {"add_prefix_space", false},
                                                          {"trim_offsets", true},
                                                          {"use_regex", false}})},
                              {"post_processor", nullptr},
                              {"decoder", Json::Of({{"type", "ByteLevel"},
                                                    {"add_prefix_space", true},
                                                    {"trim_offsets", true},
                                                    {"use_regex", true}})},
                              {"model", Json::Of({{"type", "BPE"},
                                                  {"dropout", nullptr},
                                                  {"unk_token", nullptr},
                                                  {"continuing_subword_prefix", nullptr},
                                                  {"end_of_word_suffix", nullptr},
                                                  {"fuse_unk", false},
                                                  {"byte_fallback", false},
                                                  {"ignore_merges", false},
                                                  {"vocab", vocabulary},
                                                  {"merges", Json::Array()}})}});
  Result<Tokenizer> tokenizer = Tokenizer::FromJson(WriteJson(json));
  CHECK(tokenizer.ok());
  return *std::move(tokenizer);
}

// With tools as Hermes writes them.
inline constexpr std::string_view kToolTemplate =
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}"
    "Write <tool_call>{\"name\", \"arguments\"}</tool_call><|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "{% if message.tool_calls %}{% for call in message.tool_calls %}<tool_call>\n"
    "{\"name\": {{ call.function.name | tojson }}, \"arguments\": "
    "{{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

struct CardSpec {
  std::string_view chat_template = {};  // "": none of its own
  std::initializer_list<std::string_view> further_tokens = {"<|im_start|>", "<|im_end|>"};
  std::int64_t context = 512;
  std::int64_t hidden_width = 4;
};

inline std::shared_ptr<const NetworkCard> MakeCard(const CardSpec& spec = {}) {
  auto card = std::make_shared<NetworkCard>();
  card->name = "net";
  card->tokenizer = std::make_shared<const Tokenizer>(ByteTokenizer(spec.further_tokens));
  card->network.vocabulary = card->tokenizer->vocabulary_size();
  card->network.metadata.context_length = spec.context;
  card->logits = card->network.vocabulary;
  card->token_limit = card->network.vocabulary;
  card->position_limit = 1 << 20;
  card->hidden_width = spec.hidden_width;
  ChatFiles files;
  if (!spec.chat_template.empty()) {
    files.chat_template = std::string(spec.chat_template);
  }
  Result<ChatStyle> chat = ChooseChatStyle(files, *card->tokenizer);
  CHECK(chat.ok());
  card->chat = *std::move(chat);
  return card;
}

}  // namespace ashlar::testing_api
