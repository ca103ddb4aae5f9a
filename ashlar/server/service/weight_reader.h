// Brings the weights of a network from disk into memory before an engine maps them, so that no
// step waits for a disk.
#pragma once

#include "ashlar/graph/network.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

// Reads every blob of the network's tensors once; `verify`: and hashes it. kCorrupt when one is
// missing, cut short or (verify) not what its digest says.
Status ReadWeights(const Network& network, const BlobStore& store, bool verify);

}  // namespace ashlar::internal
