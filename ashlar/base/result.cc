#include "ashlar/base/result.h"

#include <system_error>

namespace ashlar {

const char* ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kExhausted:
      return "exhausted";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kIo:
      return "io";
  }
  CHECK(false);
}

Error Error::In(std::string_view context) const& {
  return {code, fmt::format("{}: {}", context, message)};
}

Error internal::FormatError(ErrorCode code, fmt::string_view format, fmt::format_args args) {
  return {code, fmt::vformat(format, args)};
}

std::string ErrnoText(int errno_value) {
  return std::generic_category().message(errno_value);
}

}  // namespace ashlar
