// What concerns the server as a whole: which networks there are and which are loaded, how it does,
// how it ends.
#pragma once

#include "ashlar/server/api/endpoint.h"

namespace ashlar {

// The network that the parameter "model" names. Errors name the parameter.
Result<std::shared_ptr<const NetworkCard>> FindNamed(const ServerContext& context,
                                                     const std::string& name);

Result<Json> ListModels(const Parameters& parameters, const ServerContext& context);
Result<Json> ShowModel(const Parameters& parameters, const ServerContext& context);

Result<Json> ShowLive(const Parameters& parameters, const ServerContext& context);
// kExhausted while the server drains.
Result<Json> ShowReady(const Parameters& parameters, const ServerContext& context);

// For Prometheus.
Result<Json> ShowMetrics(const Parameters& parameters, const ServerContext& context);

extern const ParameterPart kLoadParameters;
extern const ParameterPart kUnloadParameters;
extern const ParameterPart kPinParameters;
extern const ParameterPart kDeriveParameters;
extern const ParameterPart kBudgetParameters;
extern const ParameterPart kDrainParameters;
Result<Json> ListNetworks(const Parameters& parameters, const ServerContext& context);
Result<Json> ShowStatus(const Parameters& parameters, const ServerContext& context);
Result<Json> LoadNetwork(const Parameters& parameters, const ServerContext& context);
Result<Json> UnloadNetwork(const Parameters& parameters, const ServerContext& context);
Result<Json> PinNetwork(const Parameters& parameters, const ServerContext& context);
Result<Json> DeriveNetwork(const Parameters& parameters, const ServerContext& context);
Result<Json> ShowBudget(const Parameters& parameters, const ServerContext& context);
Result<Json> SetBudget(const Parameters& parameters, const ServerContext& context);
Result<Json> DrainServer(const Parameters& parameters, const ServerContext& context);

}  // namespace ashlar
