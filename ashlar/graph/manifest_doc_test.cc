// The examples of docs/formats/manifests.md are what they say.
#include "ashlar/base/file.h"
#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using testing::Must;

// The digest of a manifest or a tensor after parsing it, by its type.
Digest DigestOf(const Json& json) {
  const Json* type = json.Find("type");
  const std::string text = CanonicalJson(json);
  if (type == nullptr) {
    return Sha256(CanonicalJson(ToJson(Must(ParseTensorManifest(JsonCursor(json))))));
  }
  if (*type == Json("block")) {
    return Must(ParseBlock(text, testing::ToyKinds())).digest();
  }
  return *type == Json("overlay") ? Must(ParseOverlay(text)).digest()
                                  : Must(ParseNetwork(text)).digest();
}

TEST(ManifestDocument, EachExampleParsesAndHasTheDigestBelowIt) {
  const std::string document = Must(ReadTextFile(ASHLAR_SOURCE_DIR "/docs/formats/manifests.md"));
  constexpr std::string_view kBegin = "```json\n";
  constexpr std::string_view kEnd = "```\ndigest: `";
  int examples = 0;
  for (std::size_t at = document.find(kBegin); at != document.npos;
       at = document.find(kBegin, at + 1)) {
    const std::size_t begin = at + kBegin.size();
    const std::size_t end = document.find(kEnd, begin);
    ASSERT_NE(end, document.npos);
    const Json json = Must(ParseJson(std::string_view(document).substr(begin, end - begin)));
    const std::size_t digest = end + kEnd.size();
    EXPECT_EQ(document.substr(digest, document.find('`', digest) - digest),
              DigestOf(json).ToString());
    ++examples;
  }
  EXPECT_EQ(examples, 4);
}

}  // namespace
}  // namespace ashlar
