// What a step of decoding reads of the weights.
#pragma once

#include <functional>

#include "ashlar/graph/network.h"
#include "ashlar/graph/precision.h"

namespace ashlar::cli {

// Calls `visit` with the tensors of every node, again when a block stands at several, and the share
// of each that is read: not an embedding, of which it is the rows of few tokens; of experts those
// that `batch` tokens are sent to, drawn evenly; all of the others.
void VisitReads(const Network& network, std::int64_t batch,
                const std::function<void(const TensorManifest& tensor, double share)>& visit);

// Bytes of the tensor and its base at that precision.
double ResidentBytesOf(const TensorManifest& tensor, const Precision& precision);

// Bytes that a step of `batch` sequences reads.
double WeightBytesPerStep(const Network& network, const Precision& precision, std::int64_t batch);

}  // namespace ashlar::cli
