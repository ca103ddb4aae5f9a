// What every importer is told and tells.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/graph/catalog.h"

namespace ashlar {

struct ImportProgress {
  std::string_view tensor;  // being read
  std::uint64_t done_bytes;
  std::uint64_t total_bytes;
};

struct ImportReport {
  Digest network;
  std::int64_t parameters = 0;
  std::uint64_t source_bytes = 0;  // of all tensors read
  std::uint64_t added_bytes = 0;   // that the store did not have, manifests included
  std::uint64_t found_bytes =
      0;  // tensors that the store had: shared, or left by an earlier import
  std::vector<std::string> remarks;  // what of the source is not in the network, in a sentence each
};

}  // namespace ashlar
