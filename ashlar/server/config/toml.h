// TOML (v1.0.0) as Json, so that what is written by people is read by the same JsonCursor as all
// else that comes from outside, and its errors name the path.
#pragma once

#include <string_view>

#include "ashlar/base/file.h"
#include "ashlar/base/json.h"

namespace ashlar {

// kInvalid with line and column: not TOML, a date or a time (which nothing here has), a NaN or an
// infinity, more than 1 MiB, more than 64 levels.
Result<Json> ParseToml(std::string_view text);

// A file of settings: JSON when its name ends in ".json", else TOML. The error names the file.
Result<Json> ReadSettingsFile(const Path& path);

}  // namespace ashlar
