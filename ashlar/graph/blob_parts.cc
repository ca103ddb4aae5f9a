#include "ashlar/graph/blob_parts.h"

#include <algorithm>
#include <iterator>

namespace ashlar {

std::vector<Level> PartsInUse(std::span<const Network* const> networks,
                              const Precision& precision) {
  std::vector<Level> parts;
  for (const Network* const network : networks) {
    for (const auto& [digest, block] : network->blocks) {
      for (const auto& [name, tensor] : block->tensors) {
        std::ranges::move(ResidentParts(tensor, precision), std::back_inserter(parts));
      }
    }
  }
  std::ranges::sort(parts);
  std::vector<Level> apart;  // what overlaps or touches is one part
  for (const Level& part : parts) {
    if (part.length == 0) {
      continue;
    }
    if (!apart.empty() && apart.back().blob == part.blob &&
        part.offset <= apart.back().offset + apart.back().length) {
      Level& before = apart.back();
      before.length =
          std::max(before.offset + before.length, part.offset + part.length) - before.offset;
    } else {
      apart.push_back(part);
    }
  }
  return apart;
}

std::vector<Level> PartsBeyond(std::span<const Level> parts, std::span<const Level> others) {
  std::vector<Level> beyond;
  auto other = others.begin();
  for (const Level& part : parts) {
    std::uint64_t at = part.offset;
    const std::uint64_t end = part.offset + part.length;
    while (other != others.end() &&
           (other->blob < part.blob ||
            (other->blob == part.blob && other->offset + other->length <= at))) {
      ++other;
    }
    for (auto cut = other; cut != others.end() && cut->blob == part.blob && cut->offset < end;
         ++cut) {
      if (cut->offset > at) {
        beyond.push_back({part.blob, at, cut->offset - at});
      }
      at = std::max(at, cut->offset + cut->length);
    }
    if (at < end) {
      beyond.push_back({part.blob, at, end - at});
    }
  }
  return beyond;
}

}  // namespace ashlar
