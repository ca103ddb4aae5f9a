// /v1/completions: text in, what follows it out; and /infill, what stands between two texts.
#pragma once

#include "ashlar/server/api/generation_parameters.h"

namespace ashlar {

extern const ParameterPart kCompletionParameters;
Result<Work> ReadCompletion(const Parameters& parameters, const RequestSetting& setting);

extern const ParameterPart kInfillParameters;
Result<Work> ReadInfill(const Parameters& parameters, const RequestSetting& setting);

// A string, an array of strings, token ids, or an array of arrays of those: of each prompt its
// tokens, and its text. At most `most` of them.
struct TextPrompt {
  std::vector<std::int32_t> tokens;
  std::string text;
};
Result<std::vector<TextPrompt>> ReadPrompts(const JsonCursor& value, const NetworkCard& network,
                                            std::size_t most, bool add_special_tokens = true);
// kInvalid, naming the model, for a network without one.
Result<const Tokenizer*> RequireTokenizer(const NetworkCard& network);

}  // namespace ashlar
