#include "ashlar/server/http/event_stream.h"

namespace ashlar {

std::string DataEvent(const Json& data, std::string_view name) {
  std::string event;
  if (!name.empty()) {
    event.append("event: ").append(name).append("\n");
  }
  return event.append("data: ").append(WriteJson(data)).append("\n\n");
}

}  // namespace ashlar
