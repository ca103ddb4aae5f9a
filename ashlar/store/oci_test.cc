#include "ashlar/store/oci.h"

#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using namespace internal;

constexpr std::string_view kEmptyDigest =
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

TEST(Oci, TheEmptyBlobIsTheSpecifications) {
  EXPECT_EQ(OciEmptyDescriptor().digest.ToString(), kEmptyDigest);
  EXPECT_EQ(OciEmptyDescriptor().size, 2u);
}

// A literal manifest has literal bytes: identity stands on this.
TEST(Oci, AManifestIsCanonicalJson) {
  const OciManifest manifest{
      .artifact_type = "application/vnd.test.block",
      .config = OciEmptyDescriptor(),
      .layers = {{.media_type = "text/plain", .digest = Sha256("abc"), .size = 3}},
      .subject = Descriptor{.media_type = "text/plain", .digest = Sha256(""), .size = 0},
      .annotations = {{"b", "2"}, {"a", "é\n"}}};
  const std::string text = WriteOciManifest(manifest);
  EXPECT_EQ(
      text,
      R"({"annotations":{"a":"é\n","b":"2"},"artifactType":"application/vnd.test.block",)"
      R"("config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",)"
      R"("mediaType":"application/vnd.oci.empty.v1+json","size":2},)"
      R"("layers":[{"digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",)"
      R"("mediaType":"text/plain","size":3}],)"
      R"("mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,)"
      R"("subject":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",)"
      R"("mediaType":"text/plain","size":0}})");
  const OciManifest back = Must(ParseOciManifest(text));
  EXPECT_EQ(back.artifact_type, manifest.artifact_type);
  EXPECT_EQ(back.config, manifest.config);
  EXPECT_EQ(back.layers, manifest.layers);
  EXPECT_EQ(back.subject, manifest.subject);
  EXPECT_EQ(back.annotations, manifest.annotations);
  EXPECT_EQ(WriteOciManifest(back), text);
}

// The worked example of docs/formats/store.md.
TEST(Oci, TheDocumentedManifestHasTheDocumentedDigest) {
  const std::string text = WriteOciManifest(
      {.artifact_type = "application/vnd.test.block",
       .config = OciEmptyDescriptor(),
       .layers = {{.media_type = "text/plain", .digest = Sha256("abc"), .size = 3}}});
  EXPECT_EQ(text.size(), 401u);
  EXPECT_EQ(Sha256(text).Hex(), "1f51e0bc6f222987b4238322dadb186c85dcad2a99f57ec43cf080c0e0b3be23");
}

TEST(Oci, AManifestWithoutLayersGetsTheEmptyOne) {
  const OciManifest back =
      Must(ParseOciManifest(WriteOciManifest({.config = OciEmptyDescriptor()})));
  EXPECT_EQ(back.layers, std::vector{OciEmptyDescriptor()});
}

TEST(Oci, AnIndexIsCanonicalJson) {
  const OciIndex index{.artifact_type = "application/vnd.test.network",
                       .manifests = {{.media_type = std::string(kOciManifest),
                                      .digest = Sha256("abc"),
                                      .size = 3,
                                      .artifact_type = "application/vnd.test.block",
                                      .annotations = {{"role", "layer 0"}}}}};
  const std::string text = WriteOciIndex(index);
  EXPECT_EQ(
      text,
      R"({"artifactType":"application/vnd.test.network","manifests":[{"annotations":{"role":"layer 0"},)"
      R"("artifactType":"application/vnd.test.block",)"
      R"("digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",)"
      R"("mediaType":"application/vnd.oci.image.manifest.v1+json","size":3}],)"
      R"("mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2})");
  EXPECT_EQ(Must(ParseOciIndex(text)).manifests, index.manifests);
}

TEST(Oci, MembersThatAreNotOursArePassedOver) {
  const OciManifest manifest = Must(ParseOciManifest(
      R"({"schemaVersion":2,"config":{"mediaType":"a/b","digest":")" + Sha256("").ToString() +
      R"(","size":0,"platform":{"os":"linux"},"urls":["x"],"data":""},"layers":[],"future":[1.5]})"));
  EXPECT_EQ(manifest.config.media_type, "a/b");
  EXPECT_TRUE(manifest.layers.empty());
}

struct Lie {
  const char* name;
  std::string text;
  ErrorCode code;
  const char* message;  // a part of it
};
void PrintTo(const Lie& lie, std::ostream* out) {
  *out << lie.name;
}

std::string ManifestWith(std::string_view config) {
  return fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[]}})", config);
}
std::string DescriptorWith(std::string_view digest, std::string_view size) {
  return fmt::format(R"({{"mediaType":"a/b","digest":"{}","size":{}}})", digest, size);
}
const std::string kGood = Sha256("").ToString();

class HostileManifest : public testing::TestWithParam<Lie> {};

TEST_P(HostileManifest, GivesItsError) {
  const auto manifest = ParseOciManifest(GetParam().text);
  EXPECT_EQ(CodeOf(manifest), GetParam().code);
  EXPECT_NE(Failure(manifest).find(GetParam().message), std::string::npos) << Failure(manifest);
}

INSTANTIATE_TEST_SUITE_P(
    , HostileManifest,
    testing::Values(
        Lie{"empty", "", ErrorCode::kInvalid, "JSON"},
        Lie{"an_array", "[]", ErrorCode::kInvalid, "$"},
        Lie{"cut_short", R"({"schemaVersion":2,)", ErrorCode::kInvalid, ""},
        Lie{"too_deep", std::string(100'000, '['), ErrorCode::kInvalid, "deep"},
        Lie{"duplicate_key", R"({"schemaVersion":2,"schemaVersion":2})", ErrorCode::kInvalid,
            "duplicate"},
        Lie{"no_version", "{}", ErrorCode::kInvalid, "schemaVersion"},
        Lie{"version_1", R"({"schemaVersion":1})", ErrorCode::kUnsupported, "not 1"},
        Lie{"version_is_text", R"({"schemaVersion":"2"})", ErrorCode::kInvalid, "schemaVersion"},
        Lie{"another_media_type", R"({"schemaVersion":2,"mediaType":"text/plain"})",
            ErrorCode::kInvalid, "text/plain"},
        Lie{"no_config", R"({"schemaVersion":2,"layers":[]})", ErrorCode::kInvalid, "config"},
        Lie{"no_layers", R"({"schemaVersion":2,"config":)" + DescriptorWith(kGood, "0") + "}",
            ErrorCode::kInvalid, "layers"},
        Lie{"layers_is_an_object",
            R"({"schemaVersion":2,"layers":{},"config":)" + DescriptorWith(kGood, "0") + "}",
            ErrorCode::kInvalid, "$.layers"},
        Lie{"config_is_null", ManifestWith("null"), ErrorCode::kInvalid, "$.config"},
        Lie{"no_media_type", ManifestWith(R"({"digest":")" + kGood + R"(","size":0})"),
            ErrorCode::kInvalid, "mediaType"},
        Lie{"empty_media_type",
            ManifestWith(R"({"mediaType":"","digest":")" + kGood + R"(","size":0})"),
            ErrorCode::kInvalid, "mediaType"},
        Lie{"digest_climbs_out", ManifestWith(DescriptorWith("sha256:../../x", "0")),
            ErrorCode::kInvalid, "$.config.digest"},
        Lie{"digest_of_another_algorithm",
            ManifestWith(DescriptorWith("sha512:" + std::string(128, 'a'), "0")),
            ErrorCode::kUnsupported, "sha512"},
        Lie{"negative_size", ManifestWith(DescriptorWith(kGood, "-1")), ErrorCode::kInvalid,
            "$.config.size"},
        Lie{"absurd_size", ManifestWith(DescriptorWith(kGood, "9007199254740992")),
            ErrorCode::kInvalid, "$.config.size"},
        Lie{"size_past_64_bits", ManifestWith(DescriptorWith(kGood, "99999999999999999999")),
            ErrorCode::kInvalid, "$.config.size"},
        Lie{"real_size", ManifestWith(DescriptorWith(kGood, "1.5")), ErrorCode::kInvalid,
            "$.config.size"},
        Lie{"annotation_is_a_number",
            ManifestWith(R"({"mediaType":"a/b","digest":")" + kGood +
                         R"(","size":0,"annotations":{"n":1}})"),
            ErrorCode::kInvalid, "$.config.annotations.n"}),
    [](const auto& info) { return std::string(info.param.name); });

// ---- References

TEST(Oci, AManifestRefersToItsConfigAndLayers) {
  const auto store = NewMemoryStore();
  const Descriptor manifest = PutManifest(*store, {"one", "two"});
  std::vector<std::string> found;
  for (const Descriptor& reference : Must(References(*store, manifest))) {
    found.push_back(TextOf(*store, reference.digest));
  }
  EXPECT_EQ(found, (std::vector<std::string>{"{}", "one", "two"}));
}

TEST(Oci, AnIndexRefersToItsManifests) {
  const auto store = NewMemoryStore();
  const std::vector<Descriptor> manifests = {PutManifest(*store, {"one"}),
                                             PutManifest(*store, {"two"})};
  EXPECT_EQ(Must(References(*store, PutIndex(*store, manifests))), manifests);
}

TEST(Oci, ABlobOfAnotherTypeRefersToNothingWhateverItHolds) {
  const auto store = NewMemoryStore();
  Descriptor manifest = PutManifest(*store, {"one"});
  manifest.media_type = "application/json";
  EXPECT_TRUE(Must(References(*store, manifest)).empty());
}

TEST(Oci, DockersManifestsAreReadToo) {
  const auto store = NewMemoryStore();
  const Descriptor layer = PutText(*store, "layer");
  const Descriptor manifest = PutText(
      *store,
      R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",)"
      R"("config":)" +
          DescriptorWith(kGood, "0") + R"(,"layers":[)" + WriteJson(layer.ToJson()) + "]}",
      "application/vnd.docker.distribution.manifest.v2+json");
  EXPECT_EQ(Must(References(*store, manifest)).at(1), layer);
}

TEST(Oci, AManifestThatIsNoneIsNamedInTheError) {
  const auto store = NewMemoryStore();
  const Descriptor manifest = PutText(*store, "weights", kOciManifest);
  EXPECT_NE(Failure(References(*store, manifest)).find(manifest.digest.ToString()),
            std::string::npos);
}

}  // namespace
}  // namespace ashlar
