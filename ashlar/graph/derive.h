// Deriving: transforms applied to a stored network, and the result stored with its provenance.
#pragma once

#include <span>
#include <string_view>

#include "ashlar/graph/transform.h"

namespace ashlar {

struct DeriveOptions {
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress = nullptr;
  std::function<void(std::string_view remark)> remark = nullptr;
  Saving saving = Saving::kReplace;
};

struct Derived {
  Network base;
  Network network;
  Digest digest;              // the new network's
  std::uint64_t added_bytes;  // manifests that the store did not have; encode's blobs not counted
};

// Loads `base`, applies the steps in order, and saves the result as `name`, whose provenance is the
// base's and one step for each transform:
//   {"transform":"swap","arguments":{"layers":"3","with":"other"},"from":["sha256:...", ...]}
// where "from" is the network that it was applied to, then the other networks that it read. Holds a
// writing lease meanwhile.
Result<Derived> Derive(Catalog& catalog, std::string_view name, std::string_view base,
                       std::span<const TransformStep> steps, const DeriveOptions& options = {});

}  // namespace ashlar
