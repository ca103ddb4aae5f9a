// Server-sent events (WHATWG HTML, 9.2) as OpenAI's clients read them: `data: {...}` events, each
// ended by an empty line; the last is `data: [DONE]`.
#pragma once

#include <string>
#include <string_view>

#include "ashlar/base/json.h"

namespace ashlar {

inline constexpr std::string_view kEventStreamType = "text/event-stream; charset=utf-8";
// The last event.
inline constexpr std::string_view kEventStreamDone = "data: [DONE]\n\n";
// A comment, which clients skip: keeps proxies from closing a stream that is silent for long.
inline constexpr std::string_view kEventStreamKeepAlive = ": keep-alive\n\n";

// One event. JSON has no line ends, so it is one line. `name` is for streams of named events
// (`event: response.created`); "" for none.
std::string DataEvent(const Json& data, std::string_view name = "");

}  // namespace ashlar
