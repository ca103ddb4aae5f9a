// Manifests: identity, and what parsing refuses.
#include <cmath>

#include <gmock/gmock.h>

#include "ashlar/graph/internal/manifest_json.h"
#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;
using testing::MessageOf;
using testing::Must;

constexpr std::string_view kBlob =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const std::string kTensorText = R"({"codec":"f32.1","levels":[{"blob":")" + std::string(kBlob) +
                                R"(","length":16384,"offset":64}],"shape":[64,64]})";
const std::string kBlockText =
    R"({"attributes":{"width_in":64,"width_out":64},"kind":"linear","schema":1,"tensors":{"weight":)" +
    kTensorText + R"(},"type":"block"})";
const std::string kMlpText = [] {
  const auto tensor = [](std::string_view shape, int length) {
    return fmt::format(
        R"({{"codec":"f32.1","levels":[{{"blob":"{}","length":{},"offset":0}}],"shape":{}}})",
        kBlob, length, shape);
  };
  return fmt::format(
      R"({{"attributes":{{"channels":32,"multiplier":"0.5","width":64}},"kind":"mlp","schema":1,)"
      R"("tensors":{{"down":{},"norm.weight":{},"up":{}}},"type":"block"}})",
      tensor("[64,32]", 8192), tensor("[64]", 256), tensor("[32,64]", 8192));
}();
const std::string kOverlayText =
    R"({"kind":"lora","parameters":{"alpha":"16","rank":8},"schema":1,"targets":{"weight":{"a":)" +
    kTensorText + R"(,"b":)" + kTensorText + R"(}},"type":"overlay"})";
const std::string kNetworkText = fmt::format(
    R"({{"files":{{"tokenizer.json":{{"blob":"{0}","length":7}}}},)"
    R"("metadata":{{"bos_token":0,"context_length":512,"eos_tokens":[1,2]}},)"
    R"("nodes":[{{"block":"{0}"}},)"
    R"({{"block":"{0}","carry":[[0,"1"]],"inputs":{{"x":[[0,"1"]]}},"layer":0}},)"
    R"({{"block":"{0}","carry":[[0,"0.5"],[1,"1"]],"inputs":{{"x":[[1,"1"]]}},"layer":0,)"
    R"("overlays":["{0}"],"slice":{{"channels":32}},"state_of":1}}],)"
    R"("schema":1,"type":"network","vocabulary":96}})",
    kBlob);

// ---- Identity. These digests name what is stored: they must hold for ever.

TEST(ManifestIdentity, TheDigestOfALiteralTensorIsGolden) {
  const Json json = Must(ParseJson(kTensorText));
  const TensorManifest tensor = Must(ParseTensorManifest(JsonCursor(json)));
  EXPECT_EQ(CanonicalJson(ToJson(tensor)), kTensorText);
  EXPECT_EQ(Sha256(CanonicalJson(ToJson(tensor))).Hex(),
            "d8f050f04dcf7a6aea7fa0b4510eadb1bc300e70b0880833307d974d29a601cb");
}

TEST(ManifestIdentity, TheDigestsOfLiteralBlocksAreGolden) {
  const Block linear = Must(ParseBlock(kBlockText, testing::ToyKinds()));
  EXPECT_EQ(linear.CanonicalManifest(), kBlockText);
  EXPECT_EQ(linear.digest().Hex(),
            "0c52bdbb6bc204c7c4ae13929b694965c6b41bc5d6c882525c54b2050e4e3422");
  const Block mlp = Must(ParseBlock(kMlpText, testing::ToyKinds()));
  EXPECT_EQ(mlp.CanonicalManifest(), kMlpText);
  EXPECT_EQ(mlp.digest().Hex(), "1cc4cb86ec3cf678aa45b9563bc5855eaba5b2a089dc5b768d58a880b09e9f32");
}

TEST(ManifestIdentity, TheDigestOfALiteralOverlayIsGolden) {
  const Overlay overlay = Must(ParseOverlay(kOverlayText));
  EXPECT_EQ(overlay.CanonicalManifest(), kOverlayText);
  EXPECT_EQ(overlay.digest().Hex(),
            "caf4034ce9d8afb7810ad3dec9ee89ef6f4046e1f1a7020dc0e5d5bcaf0733ad");
}

TEST(ManifestIdentity, TheDigestOfALiteralNetworkIsGolden) {
  const Network network = Must(ParseNetwork(kNetworkText));
  EXPECT_EQ(network.CanonicalManifest(), kNetworkText);
  EXPECT_EQ(network.digest().Hex(),
            "05f6b0b214902683334669cec21e79f80a34904a2a44d7bd8d3e5da11fb1d6f5");
}

TEST(ManifestIdentity, AnAttributeWithItsDefaultIsLeftOut) {
  Block block = Must(ParseBlock(kMlpText, testing::ToyKinds()));
  const Digest before = block.digest();
  block.attributes = Must(Attributes::Make(
      block.kind->attributes,
      {{"width", 64}, {"channels", 32}, {"multiplier", 0.5}, {"activation", "silu"}}));
  EXPECT_EQ(block.digest(), before);
  block.attributes = Must(Attributes::Make(
      block.kind->attributes,
      {{"width", 64}, {"channels", 32}, {"multiplier", 0.5}, {"activation", "gelu"}}));
  EXPECT_NE(block.digest(), before);
}

TEST(ManifestIdentity, CombinationsAreSummedAndSortedByNode) {
  EXPECT_EQ(Canonical({{3, 1.0}, {1, 0.25}, {3, 0.5}, {2, 1.0}, {2, -1.0}}),
            (Combination{{1, 0.25}, {3, 1.5}}));
}

TEST(ManifestIdentity, AnOverlaysRealIsTheTextOfTheReal) {
  Overlay overlay = Must(ParseOverlay(kOverlayText));
  overlay.parameters["alpha"] = 16.0;
  EXPECT_EQ(overlay.CanonicalManifest(), kOverlayText);
}

// ---- Lies

struct Lie {
  std::string name;     // of the lie
  std::string pattern;  // what is replaced in the honest manifest, once
  std::string with;
  std::string error;  // part of the message
};
void PrintTo(const Lie& lie, std::ostream* out) {
  *out << lie.name;
}

std::string Told(const std::string& honest, const Lie& lie) {
  const std::size_t at = honest.find(lie.pattern);
  CHECK(at != honest.npos);
  std::string text = honest;
  return text.replace(at, lie.pattern.size(), lie.with);
}

class BlockLies : public ::testing::TestWithParam<Lie> {};
TEST_P(BlockLies, AreNamedErrors) {
  EXPECT_THAT(MessageOf(ParseBlock(Told(kMlpText, GetParam()), testing::ToyKinds())),
              HasSubstr(GetParam().error));
}
INSTANTIATE_TEST_SUITE_P(
    Manifest, BlockLies,
    ::testing::Values(
        Lie{"no_json", "{\"attributes\"", "{attributes", "byte"},
        Lie{"another_type", "\"type\":\"block\"", "\"type\":\"network\"",
            "$.type: expected \"block\", found \"network\""},
        Lie{"another_schema", "\"schema\":1", "\"schema\":2",
            "$.schema: this version reads schema 1, found 2"},
        Lie{"unknown_key", "\"schema\":1", "\"schema\":1,\"comment\":\"x\"", "comment"},
        Lie{"duplicate_key", "\"schema\":1", "\"schema\":1,\"schema\":1", "schema"},
        Lie{"unknown_kind", "\"kind\":\"mlp\"", "\"kind\":\"mpl\"",
            "$.kind: unknown block kind \"mpl\"; known kinds: embed, attention, mlp"},
        Lie{"unknown_attribute", "\"channels\":32", "\"channles\":32",
            "$.attributes: unknown attribute \"channles\""},
        Lie{"missing_attribute", "\"channels\":32,", "",
            "$.attributes: attribute \"channels\" is missing"},
        Lie{"mistyped_attribute", "\"channels\":32", "\"channels\":\"32\"",
            "$.attributes.channels: expected an integer, found string"},
        Lie{"absurd_attribute", "\"channels\":32", "\"channels\":1000000000000",
            "$.attributes.channels: expected an integer from 1 to"},
        Lie{"nan_attribute", "\"0.5\"", "\"nan\"",
            "$.attributes.multiplier: expected a finite real number in quotes, found \"nan\""},
        Lie{"infinite_attribute", "\"0.5\"", "\"1e999\"", "expected a finite real number"},
        Lie{"real_outside_quotes", "\"0.5\"", "0.5",
            "$.attributes.multiplier: expected a string, found real"},
        Lie{"real_in_long_form", "\"0.5\"", "\"0.50\"", "in its shortest form \"0.5\""},
        Lie{"default_spelled_out", "\"channels\":32", "\"activation\":\"silu\",\"channels\":32",
            "not in canonical form"},
        Lie{"unknown_choice", "\"channels\":32", "\"activation\":\"relu\",\"channels\":32",
            "must be one of silu, gelu, found \"relu\""},
        Lie{"unknown_codec", "\"f32.1\"", "\"f33.1\"",
            "$.tensors.down.codec: unknown codec \"f33.1\""},
        Lie{"short_codec_name", "\"f32.1\"", "\"f32\"",
            "expected the codec's full name \"f32.1\", found \"f32\""},
        Lie{"vector_in_a_matrix_codec", "\"norm.weight\":{\"codec\":\"f32.1\"",
            "\"norm.weight\":{\"codec\":\"q8.1\"", "holds matrices only"},
        Lie{"no_levels", "\"levels\":[", "\"levels\":[],\"levels_\":[", "levels_"},
        Lie{"wrong_level_length", "\"length\":8192", "\"length\":8188",
            "$.tensors.down.levels[0]: f32.1 of [64, 32] takes 8192 bytes, the level has 8188"},
        Lie{"offset_past_any_file", "\"offset\":0", "\"offset\":9007199254740991",
            "expected an integer from 0 to"},
        Lie{"unaligned_offset", "\"offset\":0", "\"offset\":32", "no multiple of 64"},
        Lie{"negative_length", "\"length\":8192", "\"length\":-1", "expected an integer from 1"},
        Lie{"digest_that_is_a_path", std::string(kBlob), "../../x",
            "$.tensors.down.levels[0].blob"},
        Lie{"upper_case_digest", "0123456789abcdef", "0123456789ABCDEF",
            "$.tensors.down.levels[0].blob"},
        Lie{"wrong_shape", "\"length\":8192,\"offset\":0}],\"shape\":[64,32]",
            "\"length\":8192,\"offset\":0}],\"shape\":[32,64]",
            "tensor \"down\" has shape [32, 64], and the block's attributes make it [64, 32]"},
        Lie{"zero_in_a_shape", "\"shape\":[64,32]", "\"shape\":[64,0]",
            "expected an integer from 1"},
        Lie{"rank_five", "\"shape\":[64,32]", "\"shape\":[64,32,1,1,1]", "at most 4 elements"},
        Lie{"shape_whose_product_overflows", "\"shape\":[64,32]",
            "\"shape\":[281474976710656,281474976710656]", "elements"},
        Lie{"missing_tensor", "\"up\":", "\"upp\":", "tensor \"up\" [32, 64] is missing"},
        Lie{"tensor_name_that_is_a_path", "\"up\":", "\"../up\":", "\"../up\" is no name"},
        Lie{"base_of_a_vector", "\"norm.weight\":{\"codec\"",
            "\"norm.weight\":{\"base\":{\"codec\":\"f32.1\",\"levels\":[{\"blob\":\"" +
                std::string(kBlob) + "\",\"length\":256,\"offset\":0}],\"shape\":[64]},\"codec\"",
            "tensor \"norm.weight\" is a vector"},
        Lie{"white_space", "\"kind\":\"mlp\"", "\"kind\": \"mlp\"",
            "not in canonical form: at byte"}),
    [](const auto& info) { return info.param.name; });

TEST(Manifest, ATensorMayBeTheDifferenceFromAWholeOneOfItsShape) {
  Block block = Must(ParseBlock(kMlpText, testing::ToyKinds()));
  const Digest without = block.digest();
  TensorManifest& up = block.tensors.at("up");
  const TensorManifest whole = up;
  up.base = std::make_shared<const TensorManifest>(whole);
  EXPECT_NE(block.digest(), without);
  EXPECT_NE(up, whole);
  const Block parsed = Must(ParseBlock(block.CanonicalManifest(), testing::ToyKinds()));
  EXPECT_EQ(parsed.tensors.at("up"), up);
  EXPECT_EQ(parsed.tensors.at("up").all_levels(),
            (std::vector<Level>{whole.levels[0], whole.levels[0]}));

  const auto with_base = [&](TensorManifest base) {
    up.base = std::make_shared<const TensorManifest>(std::move(base));
    return MessageOf(ParseBlock(block.CanonicalManifest(), testing::ToyKinds()));
  };
  TensorManifest other = whole;
  other.shape = {64, 32};
  EXPECT_THAT(with_base(other), HasSubstr("$.tensors.up.base: its shape is [64, 32], and that of "
                                          "the difference from it is [32, 64]"));
  other = whole;
  other.base = std::make_shared<const TensorManifest>(whole);
  EXPECT_THAT(with_base(other), HasSubstr("this one has a base itself"));
}

TEST(Manifest, ATensorThatTheKindDoesNotKnowIsAnError) {
  Block block = Must(ParseBlock(kBlockText, testing::ToyKinds()));
  block.tensors.emplace("bias", block.tensors.at("weight"));
  EXPECT_THAT(MessageOf(ParseBlock(block.CanonicalManifest(), testing::ToyKinds())),
              HasSubstr("tensor \"bias\" is unknown to blocks of kind linear"));
}

class NetworkLies : public ::testing::TestWithParam<Lie> {};
TEST_P(NetworkLies, AreNamedErrors) {
  EXPECT_THAT(MessageOf(ParseNetwork(Told(kNetworkText, GetParam()))), HasSubstr(GetParam().error));
}
INSTANTIATE_TEST_SUITE_P(
    Manifest, NetworkLies,
    ::testing::Values(
        Lie{"unknown_key_of_a_node", "\"layer\":0", "\"layr\":0", "$.nodes[1]"},
        Lie{"forward_reference", "\"x\":[[1,\"1\"]]", "\"x\":[[3,\"1\"]]",
            "$.nodes[2].inputs.x[0][0]: node 2 refers to node 3; a node refers to earlier ones"},
        Lie{"cycle", "\"x\":[[1,\"1\"]]", "\"x\":[[2,\"1\"]]", "node 2 refers to node 2"},
        Lie{"cyclic_state", "\"state_of\":1", "\"state_of\":2",
            "$.nodes[2].state_of: node 2 refers to node 2"},
        Lie{"negative_reference", "\"x\":[[1,\"1\"]]", "\"x\":[[-1,\"1\"]]",
            "expected an integer from 0"},
        Lie{"unsorted_terms", "[[0,\"0.5\"],[1,\"1\"]]", "[[1,\"1\"],[0,\"0.5\"]]",
            "node 0 stands after node 1; terms ascend"},
        Lie{"repeated_term", "[[0,\"0.5\"],[1,\"1\"]]", "[[0,\"0.5\"],[0,\"1\"]]",
            "each node stands once"},
        Lie{"zero_coefficient", "\"0.5\"", "\"0\"", "coefficient 0 is left out"},
        Lie{"negative_zero", "\"0.5\"", "\"-0\"", "shortest form \"0\""},
        Lie{"nan_coefficient", "\"0.5\"", "\"NaN\"", "expected a finite real number"},
        Lie{"infinite_coefficient", "\"0.5\"", "\"inf\"", "expected a finite real number"},
        Lie{"bare_coefficient", "\"0.5\"", "0.5", "expected a string, found real"},
        Lie{"term_of_three", "[0,\"0.5\"]", "[0,\"0.5\",1]", "found 3 elements"},
        Lie{"empty_combination", "\"x\":[[1,\"1\"]]", "\"x\":[]", "empty combination is left out"},
        Lie{"absurd_layer", "\"layer\":0", "\"layer\":4000000000", "expected an integer from 0 to"},
        Lie{"zero_slice", "\"channels\":32", "\"channels\":0", "expected an integer from 1"},
        Lie{"digest_that_is_a_path", std::string(kBlob), "../../x",
            "$.files[\"tokenizer.json\"].blob"},
        Lie{"file_that_is_a_path", "\"tokenizer.json\"", "\"../tokenizer.json\"", "is no name"},
        Lie{"hidden_file", "\"tokenizer.json\"", "\".profile\"", "is no name"},
        Lie{"unsorted_eos_tokens", "[1,2]", "[2,1]", "not in canonical form"},
        Lie{"negative_vocabulary", "\"vocabulary\":96", "\"vocabulary\":-1",
            "$.vocabulary: expected an integer from 0"},
        Lie{"another_schema", "\"schema\":1", "\"schema\":7", "found 7"}),
    [](const auto& info) { return info.param.name; });

class OverlayLies : public ::testing::TestWithParam<Lie> {};
TEST_P(OverlayLies, AreNamedErrors) {
  EXPECT_THAT(MessageOf(ParseOverlay(Told(kOverlayText, GetParam()))), HasSubstr(GetParam().error));
}
INSTANTIATE_TEST_SUITE_P(
    Manifest, OverlayLies,
    ::testing::Values(Lie{"no_kind", "\"kind\":\"lora\"", "\"kind\":\"\"",
                          "$.kind: \"\" is no name"},
                      Lie{"bare_real", "\"alpha\":\"16\"", "\"alpha\":0.5",
                          "$.parameters.alpha: expected an integer or a string, found real"},
                      Lie{"integer_beyond_double", "\"rank\":8", "\"rank\":9007199254740993",
                          "$.parameters.rank"},
                      Lie{"target_that_is_a_path", "\"weight\"", "\"a/b\"", "\"a/b\" is no name"},
                      Lie{"unknown_key", "\"schema\":1", "\"schema\":1,\"x\":1", "\"x\""}),
    [](const auto& info) { return info.param.name; });

TEST(Manifest, AnOverlayWithoutTargetsIsAnError) {
  EXPECT_THAT(MessageOf(ParseOverlay(
                  R"({"kind":"lora","parameters":{},"schema":1,"targets":{},"type":"overlay"})")),
              HasSubstr("$.targets: an overlay has at least one target"));
}

TEST(Manifest, AbsurdCountsAreRefusedAtOnce) {
  std::string nodes;
  for (std::size_t i = 0; i <= internal::kMaxNodes; ++i) {
    nodes += nodes.empty() ? "{}" : ",{}";
  }
  EXPECT_THAT(
      MessageOf(ParseNetwork("{\"nodes\":[" + nodes + "],\"schema\":1,\"type\":\"network\"}")),
      HasSubstr("expected at most 65536 elements, found 65537"));
  std::string deep(100000, '[');
  EXPECT_NE(MessageOf(ParseNetwork("{\"nodes\":" + deep)), "ok");
}

TEST(Attributes, MakeNamesWhatIsWrong) {
  const auto make = [](std::map<std::string, AttributeValue, std::less<>> values) {
    return MessageOf(Attributes::Make(testing::kToyMlpAttributes, std::move(values)));
  };
  EXPECT_EQ(make({{"width", 8}, {"channels", 8}}), "ok");
  EXPECT_EQ(make({{"width", 8}}), "attribute \"channels\" is missing");
  EXPECT_EQ(make({{"width", 8}, {"channels", 0}}),
            "attribute \"channels\" must be from 1 to 1048576, found 0");
  EXPECT_EQ(make({{"width", 8}, {"channels", 8.0}}),
            "attribute \"channels\" is an integer, not a real");
  EXPECT_EQ(make({{"width", 8}, {"channels", 8}, {"multiplier", std::nan("")}}),
            "attribute \"multiplier\" must be finite, found nan");
}

TEST(Attributes, MinusZeroIsZero) {
  const Attributes attributes = Must(Attributes::Make(
      testing::kToyMlpAttributes, {{"width", 8}, {"channels", 8}, {"multiplier", -0.0}}));
  EXPECT_FALSE(std::signbit(attributes.Real("multiplier")));
}

}  // namespace
}  // namespace ashlar
