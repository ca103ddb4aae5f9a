// What is read from texts without writing any: embeddings, and how well texts go together.
#pragma once

#include "ashlar/server/api/generation_parameters.h"

namespace ashlar {

extern const ParameterPart kEmbeddingParameters;
Result<Work> ReadEmbeddings(const Parameters& parameters, const RequestSetting& setting);

extern const ParameterPart kRerankParameters;
Result<Work> ReadRerank(const Parameters& parameters, const RequestSetting& setting);

extern const ParameterPart kScoreParameters;
Result<Work> ReadScore(const Parameters& parameters, const RequestSetting& setting);

// Divides by the length, summed in f64; a vector of length 0 stays.
void Normalize(std::vector<float>& vector);
// RFC 4648, with padding.
std::string Base64(std::span<const std::byte> bytes);

}  // namespace ashlar
