// Texts and tokens, without running a network.
#pragma once

#include "ashlar/server/api/generation_parameters.h"

namespace ashlar {

extern const ParameterPart kTokenizeParameters;
Result<Json> Tokenize(const Parameters& parameters, const RequestSetting& setting);

extern const ParameterPart kDetokenizeParameters;
Result<Json> Detokenize(const Parameters& parameters, const RequestSetting& setting);

// The prompt that a conversation becomes, as text.
Result<Json> ApplyTemplate(const Parameters& parameters, const RequestSetting& setting);

}  // namespace ashlar
