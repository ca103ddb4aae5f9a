// Validation, names, sizes and Merkle keys of networks.
#include <algorithm>
#include <cmath>
#include <functional>

#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using testing::ChainNode;
using ::testing::HasSubstr;
using testing::MessageOf;
using testing::Must;
using testing::ToyBlocks;
using testing::ToyNetwork;

// In the toy network of two layers: 0 embed, 1 attention, 2 mlp, 3 attention, 4 mlp, 5 norm, 6
// head.
class NetworkTest : public testing::GraphTest {
 protected:
  NetworkTest() : network_(ToyNetwork(*store_, {.layers = 2})) {}

  Digest Add(const BlockKind& kind, std::map<std::string, AttributeValue, std::less<>> values) {
    return network_.AddBlock(ToyBlocks(*store_, 7).Make(kind, std::move(values)));
  }
  std::string Error() const { return MessageOf(Validate(network_)); }

  Network network_;
};

TEST_F(NetworkTest, AnHonestNetworkIsValid) {
  EXPECT_EQ(Error(), "ok");
}

TEST_F(NetworkTest, ItsManifestParsesToTheSameDigest) {
  EXPECT_EQ(Must(ParseNetwork(network_.CanonicalManifest())).digest(), network_.digest());
}

TEST_F(NetworkTest, WidthsThatDisagreeNameBothNodesAndBothWidths) {
  network_.nodes[4].block = Add(testing::kToyMlp, {{"width", 32}, {"channels", 64}});
  EXPECT_EQ(Error(), "layers.1.mlp reads 32 floats per row, and layers.1.attention gives 64");
  network_.nodes[4].block = Add(testing::kToyLinear, {{"width_in", 64}, {"width_out", 32}});
  EXPECT_EQ(Error(), "layers.1.linear carries 32 floats per row, and layers.1.attention gives 64");
}

TEST_F(NetworkTest, ReferencesForwardOrToItselfAreErrors) {
  network_.nodes[3].inputs["x"] = {{4, 1.0}};
  EXPECT_EQ(Error(),
            "layers.1.attention is node 3 and reads node 4; a node refers to earlier ones only");
  network_.nodes[3].inputs["x"] = {{2, 1.0}};
  network_.nodes[3].carry = {{3, 1.0}};
  EXPECT_EQ(Error(),
            "layers.1.attention is node 3 and carries node 3; a node refers to earlier ones only");
  network_.nodes[3].carry = {{-1, 1.0}};
  EXPECT_THAT(Error(), HasSubstr("carries node -1"));
}

TEST_F(NetworkTest, CombinationsAreCanonical) {
  network_.nodes[3].carry = {{2, 1.0}, {1, 1.0}};
  EXPECT_THAT(Error(), HasSubstr("carries node 1 after node 2"));
  network_.nodes[3].carry = {{2, 0.0}};
  EXPECT_THAT(Error(), HasSubstr("with the coefficient 0; it must be finite and not 0"));
  network_.nodes[3].carry = {{2, std::nan("")}};
  EXPECT_THAT(Error(), HasSubstr("with the coefficient nan"));
  network_.nodes[3].carry = {{2, INFINITY}};
  EXPECT_THAT(Error(), HasSubstr("with the coefficient inf"));
}

TEST_F(NetworkTest, InputsAreThoseOfTheKind) {
  network_.nodes[1].inputs["y"] = {{0, 1.0}};
  EXPECT_EQ(Error(), "layers.0.attention has an unknown input \"y\"; its input is \"x\"");
  network_.nodes[1].inputs = {};
  EXPECT_EQ(Error(),
            "layers.0.attention reads 64 floats per row, and its input \"x\" names no node");
  network_ = ToyNetwork(*store_, {.layers = 2});
  network_.nodes[0].inputs["x"] = {};
  EXPECT_EQ(Error(), "embed reads token ids, and has an input \"x\"");
}

TEST_F(NetworkTest, BlocksArePresentAndAreWhatTheirDigestsSay) {
  const Digest mlp = network_.nodes[2].block;
  const auto other = network_.blocks.at(network_.nodes[4].block);
  network_.blocks[mlp] = other;
  EXPECT_EQ(Error(), fmt::format("layers.0.mlp: the block named {} has the digest {}",
                                 mlp.ToString(), other->digest().ToString()));
  network_.blocks.erase(mlp);
  EXPECT_EQ(Error(),
            fmt::format("node 2: its block {} is not among the network's blocks", mlp.ToString()));
}

TEST_F(NetworkTest, ABlockWithAWrongTensorIsNamed) {
  Block block = network_.BlockOf(2);
  block.tensors.at("up") = ToyBlocks(*store_, 3).Tensor({128, 32});
  network_.nodes[2].block = network_.AddBlock(std::move(block));
  EXPECT_THAT(Error(), HasSubstr("tensor \"up\" has shape [128, 32], and the block's attributes "
                                 "make it [128, 64]"));
}

TEST_F(NetworkTest, SlicesAreWholePackingUnitsAndErrorsNameTheNearestSizes) {
  network_.nodes[2].slice = {{"channels", 96}};
  EXPECT_EQ(Error(), "ok");
  network_.nodes[2].slice = {{"channels", 100}};
  EXPECT_EQ(Error(),
            "layers.0.mlp: slice channels 100: tensor \"down\" would use 100 of its 128 columns, "
            "which is no multiple of 32; the nearest sizes are 96 and 128");
  network_.nodes[2].slice = {{"channels", 5}};
  EXPECT_THAT(Error(), HasSubstr("the nearest sizes are 32"));
  network_.nodes[2].slice = {{"channels", 128}};
  EXPECT_EQ(Error(), "layers.0.mlp: slice channels 128 is all of it, and is left out then");
  network_.nodes[2].slice = {{"channels", 160}};
  EXPECT_EQ(Error(), "layers.0.mlp: slice channels 160 is not from 1 to 128");
  network_.nodes[2].slice = {{"heads", 1}};
  EXPECT_EQ(Error(),
            "layers.0.mlp: blocks of kind mlp cannot be sliced along \"heads\"; known axes: "
            "channels");
  network_.nodes[2].slice = {};
  network_.nodes[5].slice = {{"width", 32}};
  EXPECT_THAT(Error(), HasSubstr("known axes: none"));
}

TEST_F(NetworkTest, AStateSlotIsThatOfAnEarlierNodeThatOwnsOneOfTheSameShape) {
  network_.nodes[3].state_of = 1;
  EXPECT_EQ(Error(), "ok");
  network_.nodes[3].state_of = 2;
  EXPECT_EQ(Error(), "layers.1.attention uses the state of layers.0.mlp, which is stateless");
  network_.nodes[3].state_of = 5;
  EXPECT_THAT(Error(), HasSubstr("is node 3 and uses the state of node 5"));
  network_.nodes[3].state_of = std::nullopt;
  network_.nodes[4].state_of = 1;
  EXPECT_EQ(Error(), "layers.1.mlp is stateless, and uses the state of layers.0.attention");
  network_.nodes[4].state_of = std::nullopt;
  network_.nodes[3].state_of = 1;
  network_.nodes[3].slice = {{"kv_heads", 1}};
  EXPECT_EQ(Error(),
            "layers.1.attention uses a state of kv:1x16, and that of layers.0.attention is "
            "kv:2x16");
}

TEST_F(NetworkTest, AStateThatIsCarriedIsOfOneNode) {
  const auto width = network_.BlockOf(1).attributes.Integer("width");
  Block scan{.kind = &testing::kToyScan,
             .attributes = *Attributes::Make(testing::kToyScan.attributes, {{"width", width}})};
  scan.tensors["decay"] = {.shape = {width},
                           .codec = *FindCodec("f32"),
                           .levels = {{Sha256("decay"), 0, static_cast<std::uint64_t>(4 * width)}}};
  network_.nodes[1].block = network_.nodes[3].block = network_.AddBlock(std::move(scan));
  network_.Prune();
  EXPECT_EQ(Error(), "ok");
  network_.nodes[3].state_of = 1;
  EXPECT_THAT(Error(), HasSubstr("a state that is carried from position to position cannot be "
                                 "shared"));
}

TEST_F(NetworkTest, AStateSlotIsNamedByItsOwner) {
  Network network = ToyNetwork(*store_, {.layers = 3});
  network.nodes[3].state_of = 1;
  network.nodes[5].state_of = 3;
  EXPECT_EQ(MessageOf(Validate(network)),
            "layers.2.attention uses the state of layers.1.attention, which itself uses that of "
            "layers.0.attention");
}

TEST_F(NetworkTest, OverlaysArePresentAndTheirTargetsExist) {
  const TensorManifest a = ToyBlocks(*store_, 3).Tensor({8, 64});
  auto overlay = std::make_shared<Overlay>();
  overlay->kind = "lora";
  overlay->targets["up"]["a"] = a;
  network_.nodes[2].overlays = {overlay->digest()};
  EXPECT_THAT(Error(), HasSubstr("layers.0.mlp: its overlay sha256:"));
  network_.overlays[overlay->digest()] = overlay;
  EXPECT_EQ(Error(), "ok");
  network_.nodes[1].overlays = {overlay->digest()};
  EXPECT_EQ(Error(), fmt::format("layers.0.attention: overlay {} has the target \"up\", and the "
                                 "block has no such tensor",
                                 overlay->digest().Short()));
}

TEST_F(NetworkTest, TheLastNodeGivesLogits) {
  network_.nodes.pop_back();
  EXPECT_EQ(Error(), "the last node, norm, gives 64 floats per row and not logits");
  network_.nodes.resize(1);
  EXPECT_EQ(Error(), "the last node, embed, gives 64 floats per row and not logits");
  network_.nodes.clear();
  EXPECT_EQ(Error(), "the network has no nodes");
}

TEST_F(NetworkTest, EveryNodeIsUsed) {
  network_.nodes[5].inputs["x"] = {{3, 1.0}};
  EXPECT_EQ(Error(), "layers.1.mlp (node 4) is used by no later node, and is not the last");
}

TEST_F(NetworkTest, TheVocabularyFitsEmbeddingAndHead) {
  network_.vocabulary = 97;
  EXPECT_EQ(Error(), "embed knows 96 token ids, and the tokenizer gives 97");
  network_.vocabulary = 96;
  network_.nodes[6].block = Add(testing::kToyHead, {{"width", 64}, {"vocabulary", 64}});
  EXPECT_EQ(Error(), "head knows 64 token ids, and the tokenizer gives 96");
  network_.vocabulary = 0;
  EXPECT_EQ(Error(), "ok");
  network_.metadata.eos_tokens = {64};
  EXPECT_EQ(Error(), "the metadata name token 64, and head knows 64 token ids");
}

TEST_F(NetworkTest, LayersAreNumberedInOrderOfFirstAppearance) {
  network_.nodes[1].layer = network_.nodes[2].layer = 1;
  network_.nodes[3].layer = network_.nodes[4].layer = 0;
  EXPECT_THAT(Error(), HasSubstr("node 1 is of layer 1, and none stand before it"));
  RenumberLayers(network_);
  EXPECT_EQ(Error(), "ok");
  network_.nodes[4].layer = 2;
  EXPECT_EQ(Error(), "ok") << "a layer may have one node";
  network_.nodes[4].layer = 3;
  EXPECT_THAT(Error(), HasSubstr("node 4 is of layer 3, and layers 0 to 1 stand before it"));
}

// ---- Names and sizes

TEST_F(NetworkTest, NodesAreNamedByLayerAndKindAndNamesAreDistinct) {
  network_.nodes.insert(network_.nodes.begin() + 6,
                        ChainNode(network_.nodes[5].block, 5, false, std::nullopt));
  network_.nodes[4].block = network_.nodes[3].block;
  EXPECT_THAT(
      NodeNames(network_),
      ::testing::ElementsAre("embed", "layers.0.attention", "layers.0.mlp", "layers.1.attention",
                             "layers.1.attention_2", "node 5 (norm)", "node 6 (norm)", "head"));
  EXPECT_EQ(NodeName(network_, 4), "layers.1.attention_2");
}

TEST_F(NetworkTest, ParametersAreThoseOfDistinctTensorsAfterSlices) {
  const std::int64_t attention = 64 + 64 * 64 + 2 * 32 * 64 + 64 * 64;
  const std::int64_t mlp = 64 + 2 * 64 * 128;
  const std::int64_t rest = 96 * 64 + 64;  // the head is tied
  EXPECT_EQ(network_.parameters(), rest + 2 * attention + 2 * mlp);
  network_.nodes[2].slice = {{"channels", 96}};
  EXPECT_EQ(network_.parameters(), rest + 2 * attention + 2 * mlp - 2 * 64 * 32);
  network_.nodes[4].block = network_.nodes[2].block;
  EXPECT_EQ(network_.parameters(), rest + 2 * attention + mlp) << "the largest part counts";
}

TEST_F(NetworkTest, PruneForgetsWhatNoNodeNames) {
  const std::size_t blocks = network_.blocks.size();
  Add(testing::kToyNorm, {{"width", 8}, {"eps", 1e-6}});
  EXPECT_EQ(network_.blocks.size(), blocks + 1);
  network_.Prune();
  EXPECT_EQ(network_.blocks.size(), blocks);
}

TEST_F(NetworkTest, WhereItCameFromIsNoPartOfItsIdentity) {
  Network other = network_;
  Add(testing::kToyNorm, {{"width", 8}, {"eps", 1e-6}});  // not named by a node
  EXPECT_EQ(other.digest(), network_.digest());
  other.metadata.eos_tokens = {2, 1};
  EXPECT_EQ(other.digest(), network_.digest());
  other.metadata.eos_tokens = {2};
  EXPECT_NE(other.digest(), network_.digest());
}

// ---- Merkle keys

constexpr auto kOptions = [](std::string_view kv, std::string_view kernels) {
  return MerkleOptions{.kv_format = std::string(kv), .kernel_form = std::string(kernels)};
};

class MerkleTest : public NetworkTest {
 protected:
  MerkleKeys Keys(const Network& network) {
    return ComputeMerkleKeys(network, kOptions("f32", "avx2.1"));
  }
  // The first node whose value has another key than in the unchanged network; -1 when none has.
  int FirstChange(const std::function<void(Network&)>& change) {
    Network changed = network_;
    change(changed);
    const MerkleKeys before = Keys(network_);
    const MerkleKeys after = Keys(changed);
    const auto [a, b] = std::ranges::mismatch(before.value, after.value);
    for (auto rest = std::pair(a, b); rest.first != before.value.end();
         ++rest.first, ++rest.second) {
      EXPECT_NE(*rest.first, *rest.second) << "what stands after a change has another key";
    }
    return a == before.value.end() ? -1 : static_cast<int>(a - before.value.begin());
  }
};

TEST_F(MerkleTest, EverythingUpstreamIsInTheKey) {
  EXPECT_EQ(FirstChange([](Network&) {}), -1);
  EXPECT_EQ(FirstChange([](Network& n) { n.nodes[2].block = n.nodes[4].block; }), 2);
  EXPECT_EQ(FirstChange([](Network& n) { n.nodes[2].slice = {{"channels", 96}}; }), 2);
  EXPECT_EQ(FirstChange([](Network& n) { n.nodes[3].inputs["x"] = {{1, 1.0}}; }), 3);
  EXPECT_EQ(FirstChange([](Network& n) { n.nodes[3].inputs["x"] = {{2, 0.5}}; }), 3);
  EXPECT_EQ(FirstChange([](Network& n) { n.nodes[3].carry = {{2, 0.5}}; }), 3);
  EXPECT_EQ(FirstChange([](Network& n) { n.nodes[3].state_of = 1; }), 3);
  EXPECT_EQ(FirstChange([](Network& n) { n.nodes[4].overlays = {Digest()}; }), 4);
}

TEST_F(MerkleTest, FilesMetadataAndLayerNumbersAreNot) {
  EXPECT_EQ(FirstChange([](Network& n) {
              n.files.clear();
              n.metadata = {};
              n.nodes[3].layer = 0;
            }),
            -1);
}

TEST_F(MerkleTest, FormatsOfStateAndKernelsAreInTheKey) {
  const MerkleKeys base = ComputeMerkleKeys(network_, kOptions("f32", "avx2.1"));
  EXPECT_NE(base.value, ComputeMerkleKeys(network_, kOptions("f16", "avx2.1")).value);
  EXPECT_NE(base.value, ComputeMerkleKeys(network_, kOptions("f32", "avx2.2")).value);
}

TEST_F(MerkleTest, ThePrecisionOfATensorIsInTheKeysFromItsNodeOn) {
  const TensorManifest& up = network_.BlockOf(2).tensors.at("up");
  const std::int64_t rows = up.shape[0];
  TensorManifest residual = up;
  residual.codec = *FindCodec("bitplane");
  residual.levels.clear();
  for (int level = 0; level < residual.codec->levels(); ++level) {
    residual.levels.push_back({Sha256("levels"), static_cast<std::uint64_t>(level) << 20,
                               Must(LevelBytes(*residual.codec, residual.shape, level))});
  }
  Block block = network_.BlockOf(2);
  block.tensors.at("up") = residual;
  network_.nodes[2].block = network_.AddBlock(std::move(block));
  const auto keys_at = [&](const Precision& precision) {
    MerkleOptions options = kOptions("f32", "avx2.1");
    options.precision = &precision;
    return ComputeMerkleKeys(network_, options);
  };
  const MerkleKeys whole = Keys(network_);
  EXPECT_EQ(keys_at({}).value, whole.value);
  EXPECT_EQ(keys_at({{residual.levels[0], {{rows, residual.codec->levels()}}}}).value, whole.value)
      << "all levels are all levels, named or not";
  const MerkleKeys less = keys_at({{residual.levels[0], {{rows, 2}}}});
  for (int i = 0; i < static_cast<int>(network_.nodes.size()); ++i) {
    EXPECT_EQ(less.value[i] == whole.value[i], i < 2) << i;
  }
  EXPECT_EQ(less.state[1], whole.state[1]);
  EXPECT_NE(less.state[3], whole.state[3]);
  EXPECT_NE(keys_at({{residual.levels[0], {{rows, 3}}}}).value[2], less.value[2]);
}

TEST_F(MerkleTest, AStateKeyHasWhatTheNodeReadsAndNotWhatItCarries) {
  const MerkleKeys base = Keys(network_);
  Network changed = network_;
  changed.nodes[3].carry = {{1, 1.0}};
  EXPECT_EQ(Keys(changed).state[3], base.state[3]);
  EXPECT_NE(Keys(changed).value[3], base.value[3]);
  changed = network_;
  changed.nodes[3].inputs["x"] = {{1, 1.0}};
  EXPECT_NE(Keys(changed).state[3], base.state[3]);
}

TEST_F(MerkleTest, OnlyOwnersOfStateHaveStateKeysOfTheirOwn) {
  network_.nodes[3].state_of = 1;
  const MerkleKeys keys = Keys(network_);
  EXPECT_NE(keys.state[1], Digest());
  EXPECT_EQ(keys.state[3], keys.state[1]);
  for (const int stateless : {0, 2, 4, 5, 6}) {
    EXPECT_EQ(keys.state[stateless], Digest()) << stateless;
  }
}

TEST_F(MerkleTest, NetworksThatShareTheirLowerHalfShareItsKeys) {
  const Network full = ToyNetwork(*store_, {.layers = 6});
  const Network dropped = Derived(full, "drop --layers 3");
  const MerkleKeys a = Keys(full);
  const MerkleKeys b = Keys(dropped);
  for (int i = 0; i < static_cast<int>(b.value.size()); ++i) {
    EXPECT_EQ(a.value[i] == b.value[i], i < 7) << NodeName(dropped, i);
    EXPECT_EQ(a.state[i] == b.state[i] && a.state[i] != Digest(), i < 7 && i % 2 == 1);
  }
}

}  // namespace
}  // namespace ashlar
