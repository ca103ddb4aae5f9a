// The files that came with a network and are kept beside its graph.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ashlar/graph/network.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

// The text of file `name` ("tokenizer_config.json"); nothing when the network has none. kCorrupt
// when the blob was cut while it was read.
Result<std::optional<std::string>> ReadNetworkFile(const Network& network, const BlobStore& store,
                                                   std::string_view name);

}  // namespace ashlar
