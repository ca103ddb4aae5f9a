// /v1/responses: the part of OpenAI's newer API that keeps nothing between requests.
#pragma once

#include "ashlar/server/api/generation_parameters.h"

namespace ashlar {

extern const ParameterPart kResponsesParameters;
Result<Work> ReadResponses(const Parameters& parameters, const RequestSetting& setting);

}  // namespace ashlar
