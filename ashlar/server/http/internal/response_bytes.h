// An answer as the bytes of HTTP/1.1 (RFC 9112).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ashlar/server/http/http.h"

namespace ashlar::internal {

// What every answer to one request has in common.
struct ResponseFrame {
  bool http_1_0 = false;    // its client knows no chunks
  bool head_only = false;   // the request was HEAD: framing as if there was a body, and none
  bool keep_alive = true;   // the connection can serve another request
  std::string request_id;   // X-Request-Id
  std::string cors_origin;  // Access-Control-Allow-Origin; "": none
};

// All of an answer up to its body. `body_bytes` none: a stream, which is chunked, or for HTTP/1.0
// ends with the connection. Characters that would end a header's line become spaces.
std::string ResponseHead(const ResponseFrame& frame, int status, std::string_view content_type,
                         const HttpHeaders& headers, std::optional<std::size_t> body_bytes);

// One chunk of a stream. Requires: bytes, since an empty chunk ends the stream.
void AppendChunk(std::string& out, std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace ashlar::internal
