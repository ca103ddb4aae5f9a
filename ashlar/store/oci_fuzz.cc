// Arbitrary bytes as a manifest, an index and index.json: each is parsed or refused, and what was
// parsed can be written, and reads back as the same.
#include "ashlar/base/byte_reader.h"
#include "ashlar/store/internal/tag_index.h"
#include "ashlar/store/oci.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto manifest = ParseOciManifest(text); manifest.ok()) {
    const std::string written = WriteOciManifest(*manifest);
    const auto again = ParseOciManifest(written);
    CHECK(again.ok());
    CHECK(WriteOciManifest(*again) == written);
  }
  if (const auto index = ParseOciIndex(text); index.ok()) {
    const std::string written = WriteOciIndex(*index);
    const auto again = ParseOciIndex(written);
    CHECK(again.ok());
    CHECK(WriteOciIndex(*again) == written);
  }
  if (auto tags = internal::TagIndex::Parse(text); tags.ok()) {
    CHECK(tags->Replace(tags->tags()).ok());
    const auto again = internal::TagIndex::Parse(tags->ToText());
    CHECK(again.ok());
    CHECK(again->tags() == tags->tags());
    CHECK(again->roots() == tags->roots());
    CHECK(tags->Replace({}).ok());
    CHECK(tags->tags().empty());
  }
  return 0;
}
