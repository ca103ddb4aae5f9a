// Arbitrary bytes as a safetensors file: refused, or its tensors tile the file and each can be read
// whole.
#include "ashlar/formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = SafetensorsFile::Parse(bytes, "fuzz");
  if (!file.ok()) {
    CHECK(!file.error().message.empty());
    return 0;
  }
  std::size_t total = 0;
  unsigned sum = 0;
  for (const SafetensorsEntry& entry : file->entries()) {
    CHECK(file->Find(entry.name) == &entry);
    total += entry.bytes.size();
    for (const std::byte byte : entry.bytes) {  // the sanitizer watches
      sum += static_cast<unsigned>(byte);
    }
  }
  CHECK(total + 8 <= size);
  CHECK(sum <= 255 * total);
  return 0;
}
