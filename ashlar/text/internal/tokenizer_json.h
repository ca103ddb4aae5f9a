// Pieces of tokenizer.json, for what writes one.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ashlar/base/json.h"
#include "ashlar/base/result.h"
#include "ashlar/text/checked_tokenizer.h"

namespace ashlar::internal {

struct NamedId {
  std::string_view content;
  std::int32_t id;
};

// An element of "added_tokens". `special`: found only where special tokens are looked for.
Json AddedTokenJson(const NamedId& token, bool special, bool strip_right = false);

// TemplateProcessing with these tokens around the text; null without any.
Json TemplateJson(const std::vector<NamedId>& before, const std::vector<NamedId>& after);

// A stage that writes "▁" for spaces.
Json SpacesToMarksJson();
// How text becomes sentencepiece's tokens: so, and with a space in front if asked.
Json MarkedSpacesJson(bool space_prefix);

// How sentencepiece's tokens become text: "▁" is a space, `<0x..>` tokens are bytes, and the space
// goes that was added in front.
Json SentencePieceDecoderJson(bool drop_first_space);

// A Sequence of the stages, under the role's key `members`; null of none.
Json SequenceJson(std::string_view members, std::vector<Json> stages);

// The canonical text of the document, which Tokenizer::FromJson has read without an error.
Result<CheckedTokenizer> MakeTokenizer(Json normalizer, Json pre_tokenizer, Json model,
                                       Json post_processor, Json decoder, Json added_tokens);

}  // namespace ashlar::internal
