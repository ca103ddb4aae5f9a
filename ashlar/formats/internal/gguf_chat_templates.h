// A network's chat templates as GGUF's metadata.
#pragma once

#include <string>
#include <vector>

#include "ashlar/formats/gguf.h"
#include "ashlar/graph/network.h"
#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

// The template lies in a file of its own, or in tokenizer_config.json: one, or a list of them. Of
// the list, a file of its own is the default. `remarks` says which are left out.
Status AddChatTemplates(const Network& network, const BlobStore& store, GgufMetadata& metadata,
                        std::vector<std::string>& remarks);

}  // namespace ashlar::internal
