// Any bytes are statistics or a named error, and statistics that parse are their own canonical
// form.
#include <string_view>

#include "ashlar/graph/statistics.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto statistics = ashlar::ParseStatistics(text);
  if (!statistics.ok()) {
    CHECK(!statistics.error().message.empty());
    return 0;
  }
  CHECK(statistics->CanonicalManifest() == text);
  for (const ashlar::TensorStatistics& tensor : statistics->tensors) {
    CHECK(statistics->Find(tensor.tensor.levels.front()) == &tensor);
  }
  return 0;
}
