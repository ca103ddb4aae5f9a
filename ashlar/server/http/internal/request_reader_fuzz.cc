// The bytes of a connection: what they are read as does not depend on how they are cut, unless a
// limit on headers is passed, which may be noticed sooner or later.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ashlar/server/http/internal/request_reader.h"

namespace {

std::string ReadAs(std::string_view bytes, std::size_t piece) {
  ashlar::internal::RequestReader reader(4096, 4096);
  std::string all;
  while (!bytes.empty() && reader.stage() != ashlar::internal::RequestStage::kRefused) {
    reader.Append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    while (reader.Advance() == ashlar::internal::RequestStage::kWhole) {
      const auto received = reader.Take();
      CHECK_LE(received.request.body.size(), 4096u);
      CHECK(received.request.path.starts_with('/') || received.request.path == "*");
      all += received.request.method + " " + received.request.path + "?" + received.request.query +
             " " + received.request.id + (received.keep_alive ? " k " : " c ") +
             received.request.body;
      for (const auto& [name, value] : received.request.headers) {
        CHECK(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
        all += name + ":" + value + "\n";
      }
    }
    CHECK_LE(reader.buffered(), 4096u + piece + 8);
  }
  if (reader.stage() == ashlar::internal::RequestStage::kRefused) {
    all += reader.refusal().body;
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = ReadAs(bytes, std::max<std::size_t>(size, 1));
  for (const std::size_t piece : {1, 7}) {
    const std::string pieces = ReadAs(bytes, piece);
    CHECK(pieces == whole || pieces.find("header_too_large") != std::string::npos);
  }
  return 0;
}
