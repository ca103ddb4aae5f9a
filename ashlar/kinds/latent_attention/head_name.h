#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace ashlar::internal {

// "heads.3": what the tensors of one head are named under.
inline std::string HeadName(std::int64_t head) {
  return fmt::format("heads.{}", head);
}

}  // namespace ashlar::internal
