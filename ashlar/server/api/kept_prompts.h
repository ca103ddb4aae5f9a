// What is kept of prompts at an administrator's word: prefixes that stay cached, and sessions that
// are saved to files and come back.
#pragma once

#include "ashlar/server/api/endpoint.h"

namespace ashlar {

extern const ParameterPart kPromptParameters;
extern const ParameterPart kScopeParameters;
extern const ParameterPart kSessionParameters;

Result<Json> PinPrefix(const Parameters& parameters, const ServerContext& context);
Result<Json> ListPrefixes(const Parameters& parameters, const ServerContext& context);
// The path's tail is its id.
Result<Json> UnpinPrefix(const Parameters& parameters, const ServerContext& context);

Result<Json> SaveSession(const Parameters& parameters, const ServerContext& context);
Result<Json> RestoreSession(const Parameters& parameters, const ServerContext& context);

}  // namespace ashlar
