// TOML: what is read can be written as JSON, and read again as the same text.
#include <cstddef>
#include <cstdint>

#include "ashlar/server/config/toml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = ashlar::ParseToml({reinterpret_cast<const char*>(data), size});
  if (read.ok()) {
    const auto again = ashlar::ParseJson(ashlar::WriteJson(*read));
    CHECK(again.ok());
    CHECK(ashlar::WriteJson(*again) == ashlar::WriteJson(*read));
  }
  return 0;
}
