// What a step of decoding takes: how much it reads of the weights, and how much it computes.
#pragma once

#include "ashlar/graph/network.h"

namespace ashlar::cli {

// Bytes of the weights that are read, at that precision: those of every node, again when a block
// stands at several; but of an embedding only the rows of its tokens, and of experts those that
// `batch` tokens are sent to, drawn evenly.
double WeightBytesPerStep(const Network& network, const Precision& precision, std::int64_t batch);

// Operations for one token, attention to its context left out.
double OperationsPerToken(const Network& network);

}  // namespace ashlar::cli
