// Where the tests find models to import: the one in the repository, and the larger fixtures that
// some machines have beside it.
#pragma once

#include <cstdlib>
#include <optional>

#include "ashlar/base/file.h"

namespace ashlar::testing {

inline Path DemoModel() {
  return Path(ASHLAR_SOURCE_DIR) / "demo";
}

// $ASHLAR_SHARED, or `shared` beside the repository. Nothing when there is none: the test skips.
inline std::optional<Path> SharedFiles() {
  const char* given = std::getenv("ASHLAR_SHARED");
  const Path path = given != nullptr ? Path(given) : Path(ASHLAR_SOURCE_DIR) / "../shared";
  return std::filesystem::exists(path / "fixtures") ? std::optional(path) : std::nullopt;
}

}  // namespace ashlar::testing

#define ASHLAR_NEED_SHARED_FILES(path)                                                 \
  const std::optional<::ashlar::Path> path##_found = ::ashlar::testing::SharedFiles(); \
  if (!path##_found) {                                                                 \
    GTEST_SKIP() << "needs the fixtures directory: ../shared, or $ASHLAR_SHARED";      \
  }                                                                                    \
  const ::ashlar::Path& path = *path##_found
