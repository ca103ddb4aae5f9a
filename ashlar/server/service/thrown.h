// What a library throws (std::bad_alloc), as the failure of what was asked of it.
#pragma once

#include <exception>

#include "ashlar/base/result.h"

namespace ashlar::internal {

inline Error ErrorOf(const std::exception& exception) {
  return {ErrorCode::kIo, fmt::format("internal error: {}", exception.what())};
}

// The Result of `part`, or that.
template <class Part>
auto OrThrown(const Part& part) -> decltype(part()) {
  try {
    return part();
  } catch (const std::exception& exception) {
    return ErrorOf(exception);
  }
}

}  // namespace ashlar::internal
