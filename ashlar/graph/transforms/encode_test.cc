// What encode does to tensors.
#include <limits>
#include <set>

#include "ashlar/base/test_floats.h"
#include "ashlar/graph/describe.h"
#include "ashlar/graph/stored_tensor.h"
#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Must;
using testing::ToyNetwork;

class EncodeTest : public testing::GraphTest {
 protected:
  // The names of the tensors that have this codec.
  std::vector<std::string> In(const Network& network, std::string_view codec) {
    std::vector<std::string> names;
    for (const NamedTensor& tensor : NamedTensors(network)) {
      if (tensor.manifest->codec->short_name == codec) {
        names.push_back(tensor.name);
      }
    }
    return names;
  }
  std::vector<float> Values(const TensorManifest& tensor) {
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
    const Blob blob = Must(store_->Get(tensor.levels[0].blob));
    DecodeTensor(*tensor.codec, tensor.shape,
                 blob.bytes().subspan(tensor.levels[0].offset, tensor.levels[0].length),
                 values.data());
    return values;
  }
  const TensorManifest& TensorOf(const Network& network, int node, std::string_view name) {
    return network.BlockOf(node).tensors.find(name)->second;
  }
  // Gives tensor `name` of `node` these values.
  void SetTensor(Network& network, int node, const std::string& name, const Shape& shape,
                 const std::vector<float>& values) {
    Block block = network.BlockOf(node);
    const auto bytes = std::as_bytes(std::span<const float>(values));
    block.tensors.at(name) = {.shape = shape,
                              .codec = *FindCodec("f32"),
                              .levels = {{Must(store_->Put(bytes)), 0, bytes.size()}}};
    network.nodes[node].block = network.AddBlock(std::move(block));
  }

  Network base_ = ToyNetwork(*store_, {.layers = 2});
};

TEST_F(EncodeTest, WithoutPatternsAllMatricesAreEncodedAndVectorsAreNot) {
  const Network derived = Derived(base_, "encode --codec q8");
  EXPECT_THAT(
      In(derived, "f32"),
      ElementsAre("layers.0.attention.norm.weight", "layers.0.mlp.norm.weight",
                  "layers.1.attention.norm.weight", "layers.1.mlp.norm.weight", "norm.weight"));
  EXPECT_TRUE(remarks_.empty());
}

TEST_F(EncodeTest, PatternsChooseAndExceptKeeps) {
  EXPECT_THAT(
      In(Derived(base_, "encode --codec q4 --tensors layers.?.mlp.*,layers.1.attention.q"), "q4"),
      ElementsAre("layers.0.mlp.up", "layers.0.mlp.down", "layers.1.attention.q", "layers.1.mlp.up",
                  "layers.1.mlp.down"));
  EXPECT_THAT(In(Derived(base_, "encode --codec q4 --tensors *.mlp.* --except layers.0.*"), "q4"),
              ElementsAre("layers.1.mlp.up", "layers.1.mlp.down"));
}

TEST_F(EncodeTest, TheValuesAreThoseOfTheCodec) {
  const Network derived = Derived(base_, "encode --codec q8 --tensors layers.0.mlp.up");
  const std::vector<float> before = Values(TensorOf(base_, 2, "up"));
  const std::vector<float> after = Values(TensorOf(derived, 2, "up"));
  EXPECT_GT(RelativeError(before, after), 0);
  EXPECT_LT(RelativeError(before, after), (*FindCodec("q8"))->max_rms_error);
}

TEST_F(EncodeTest, WhatIsWrittenInPartsIsWhatIsEncodedAtOnce) {
  // More than the 2^20 numbers that are encoded at once, and no whole number of such parts.
  const Shape shape = {2500, 512};
  const Block block = testing::ToyBlocks(*store_, 5)
                          .Make(testing::kToyEmbed, {{"width", 512}, {"vocabulary", 2500}});
  Network network = ToyNetwork(*store_, {.layers = 1, .width = 512, .vocabulary = 2500});
  network.nodes[0].block = network.AddBlock(block);
  for (const std::string_view codec_name : {"q8", "q4", "f16"}) {
    const Codec& codec = **FindCodec(codec_name);
    const Network derived =
        Derived(network, fmt::format("encode --codec {} --tensors embed.weight", codec_name));
    std::vector<std::byte> expected(Must(PackedBytes(codec, shape)));
    codec.encode(Values(block.tensors.at("weight")).data(), 2500, 512, expected.data());
    EXPECT_EQ(TensorOf(derived, 0, "weight").levels[0].blob, Sha256(expected)) << codec_name;
    EXPECT_EQ(TensorOf(derived, 0, "weight").levels[0].length, expected.size());
  }
}

TEST_F(EncodeTest, ATiedTensorIsEncodedOnceAndStaysTied) {
  std::uint64_t total = 0;
  const TransformContext context = {.catalog = catalog_,
                                    .progress = [&](std::uint64_t done, std::uint64_t all) {
                                      EXPECT_LE(done, all);
                                      total = all;
                                    }};
  const Network derived = Must(Apply(*Must(FindTransform("encode")), base_,
                                     {{"codec", "q8"}, {"tensors", "embed.*,head.*"}}, context));
  EXPECT_EQ(total, 96u * 64u * 4u);
  EXPECT_EQ(TensorOf(derived, 0, "weight"), TensorOf(derived, 6, "weight"));
  EXPECT_EQ(TensorOf(derived, 0, "weight").codec->short_name, "q8");
}

TEST_F(EncodeTest, ATiedTensorCanBeUntied) {
  const Network derived = Derived(base_, "encode --codec q8 --tensors head.weight");
  EXPECT_EQ(TensorOf(derived, 0, "weight").codec->short_name, "f32");
  EXPECT_EQ(TensorOf(derived, 6, "weight").codec->short_name, "q8");
}

TEST_F(EncodeTest, ABlockThatSeveralNodesUseStaysOneWhenAllItsUsesAreChosen) {
  const Network repeated = Derived(base_, "repeat --layers 0");
  const Network both = Derived(repeated, "encode --codec q8 --tensors *.mlp.*");
  EXPECT_EQ(both.nodes[2].block, both.nodes[4].block);
  const Network one = Derived(repeated, "encode --codec q8 --tensors layers.1.mlp.*");
  EXPECT_EQ(one.nodes[2].block, repeated.nodes[2].block);
  EXPECT_NE(one.nodes[4].block, repeated.nodes[4].block);
}

TEST_F(EncodeTest, SlicesStay) {
  const Network derived =
      Derived(base_, "slice --channels 75% then encode --codec q4 --tensors *.mlp.*");
  EXPECT_EQ(derived.nodes[2].slice, (Slice{{"channels", 96}}));
  EXPECT_EQ(TensorOf(derived, 2, "down").shape, (Shape{64, 128})) << "all that is stored";
}

TEST_F(EncodeTest, WhatDoesNotFitIsKeptAndReportedUnlessItWasNamed) {
  // Columns that no group of 32 divides: heads of 10 floats.
  const Network odd = ToyNetwork(*store_, {.layers = 1, .head_dim = 10});
  const Network derived = Derived(odd, "encode --codec q8");
  EXPECT_THAT(remarks_, ElementsAre("kept as they are, since their shapes do not fit q8.1: "
                                    "layers.0.attention.o"));
  EXPECT_EQ(TensorOf(derived, 1, "o").codec->short_name, "f32");
  EXPECT_EQ(TensorOf(derived, 1, "q").codec->short_name, "q8");
  EXPECT_THAT(ErrorOf(odd, "encode --codec q8 --tensors layers.0.attention.o"),
              HasSubstr("encode: layers.0.attention.o: codec q8.1 packs columns by"));
  EXPECT_THAT(ErrorOf(odd, "encode --codec q8 --tensors norm.weight"),
              HasSubstr("encode: norm.weight: codec q8.1 holds matrices only"));
}

TEST_F(EncodeTest, ManyTensorsThatDoNotFitAreCounted) {
  Derived(ToyNetwork(*store_, {.layers = 11, .head_dim = 10}), "encode --codec q8");
  ASSERT_EQ(remarks_.size(), 1u);
  EXPECT_THAT(remarks_[0], HasSubstr("layers.7.attention.o, and 3 more"));
}

TEST_F(EncodeTest, AVectorIsEncodedWhenItIsNamedAndTheCodecHoldsVectors) {
  EXPECT_THAT(In(Derived(base_, "encode --codec bf16 --tensors norm.weight"), "bf16"),
              ElementsAre("norm.weight"));
}

TEST_F(EncodeTest, NumbersThatAreNotFiniteAreAnError) {
  std::vector<float> values(64 * 128, 1.0f);
  values[5 * 128 + 7] = std::numeric_limits<float>::quiet_NaN();
  SetTensor(base_, 2, "down", {64, 128}, values);
  EXPECT_EQ(ErrorOf(base_, "encode --codec q8"),
            "encode: layers.0.mlp.down: row 5, column 7 is nan: only finite numbers can be "
            "encoded");
}

TEST_F(EncodeTest, ABlobThatIsTooShortIsAnError) {
  Block block = base_.BlockOf(2);
  block.tensors.at("down").levels[0].offset = 64;
  base_.nodes[2].block = base_.AddBlock(std::move(block));
  EXPECT_THAT(ErrorOf(base_, "encode --codec q8"),
              HasSubstr("claims 32768 bytes at offset 64, past the end of its 32768 bytes"));
}

TEST_F(EncodeTest, ATensorOfLevelsIsDecodedFromAllOfThemAndADifferenceIsAddedToItsBase) {
  const TensorManifest base = TensorOf(base_, 2, "down");
  const std::vector<float> values = Values(base);
  std::vector<float> halves(values.size());
  std::ranges::transform(values, halves.begin(), [](float value) { return value / 2; });
  const Codec& codec = **FindCodec("bitplane");
  TensorManifest difference{.shape = base.shape, .codec = &codec};
  std::vector<std::vector<std::byte>> levels;
  std::vector<std::byte*> to;
  for (int level = 0; level < codec.levels(); ++level) {
    to.push_back(levels.emplace_back(Must(LevelBytes(codec, base.shape, level))).data());
  }
  codec.residual->encode(halves.data(), base.shape[0], base.shape[1], to);
  for (const std::vector<std::byte>& level : levels) {
    difference.levels.push_back({Must(store_->Put(level)), 0, level.size()});
  }
  std::vector<float> decoded(values.size());
  codec.residual->decode(std::vector<const std::byte*>(to.begin(), to.end()), base.shape[0],
                         base.shape[1], 0, base.shape[0], decoded.data());
  const auto encoded = [&](const TensorManifest& tensor) {
    Network network = base_;
    Block block = network.BlockOf(2);
    block.tensors.at("down") = tensor;
    network.nodes[2].block = network.AddBlock(std::move(block));
    return Values(TensorOf(Derived(network, "encode --codec f32"), 2, "down"));
  };
  EXPECT_EQ(encoded(difference), decoded);
  difference.base = std::make_shared<const TensorManifest>(base);
  for (std::size_t i = 0; i < values.size(); ++i) {
    decoded[i] += values[i];
  }
  EXPECT_EQ(encoded(difference), decoded);
}

TEST_F(EncodeTest, LevelsOfAPageFollowEachOtherInOneBlobAndLargerOnesHaveTheirOwn) {
  const auto levels_of = [&](std::initializer_list<std::size_t> sizes) {
    std::vector<std::vector<std::byte>> levels;
    for (const std::size_t size : sizes) {
      levels.emplace_back(size, static_cast<std::byte>(levels.size()));
    }
    const std::vector<Level> stored = Must(PutLevels(*store_, levels));
    std::set<Digest> blobs;
    for (std::size_t i = 0; i < levels.size(); ++i) {
      EXPECT_EQ(stored[i].length, levels[i].size());
      EXPECT_EQ(stored[i].offset % 64, 0u);
      const Blob blob = Must(store_->Get(stored[i].blob));
      EXPECT_TRUE(
          std::ranges::equal(blob.bytes().subspan(stored[i].offset, stored[i].length), levels[i]));
      blobs.insert(stored[i].blob);
    }
    return blobs.size();
  };
  EXPECT_EQ(levels_of({1000, 100, 100}), 1u);
  EXPECT_EQ(levels_of({300 << 10, 300 << 10}), 2u);
  EXPECT_EQ(levels_of({2000, 1000, 1000, 500}), 2u);
  EXPECT_EQ(levels_of({4000, 90}), 2u) << "a level begins at a multiple of 64";
  EXPECT_EQ(levels_of({1}), 1u);
}

TEST_F(EncodeTest, TypingErrorsAreNamed) {
  EXPECT_THAT(ErrorOf(base_, "encode --codec q9"), HasSubstr("--codec: unknown codec \"q9\""));
  EXPECT_THAT(ErrorOf(base_, "encode --codec q8 --tensors layers.0.mlp.dwon"),
              HasSubstr("\"layers.0.mlp.dwon\" matches no tensor; did you mean "
                        "\"layers.0.mlp.down\""));
  EXPECT_THAT(ErrorOf(base_, "encode --codec q8 --tensors foo.*"), HasSubstr("matches no tensor"));
  EXPECT_THAT(ErrorOf(base_, "encode --codec q8 --except foo.*"), HasSubstr("matches no tensor"));
}

}  // namespace
}  // namespace ashlar
