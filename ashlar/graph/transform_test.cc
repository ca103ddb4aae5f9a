// Transforms: what people type, and what holds for every one of them.
#include "ashlar/graph/transform.h"

#include <random>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/graph/derive.h"
#include "ashlar/graph/testing_fixture.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MessageOf;
using testing::Must;
using ::testing::Pair;
using testing::ToyNetwork;
using testing::Words;

// ---- What people type

TEST(ParseIndices, TakesNumbersAndRangesInTheOrderTyped) {
  EXPECT_THAT(Must(ParseIndices("3,4,8-11", 12)), ElementsAre(3, 4, 8, 9, 10, 11));
  EXPECT_THAT(Must(ParseIndices("5,0-1", 6)), ElementsAre(5, 0, 1));
  EXPECT_THAT(Must(ParseIndices("2-2", 3)), ElementsAre(2));
}

TEST(ParseIndices, SaysWhatIsWrong) {
  for (const std::string_view text : {"", ",", "3,", "x", "3-", "-3", "5-3", "3 4", "1-2-3",
                                      "99999999999999999999", "0x1", "1.5"}) {
    EXPECT_THAT(MessageOf(ParseIndices(text, 8)),
                HasSubstr("expected numbers and ranges such as 3,4,8-11, found"))
        << text;
  }
  EXPECT_EQ(MessageOf(ParseIndices("8", 8)), "there is no 8: they are numbered 0 to 7");
  EXPECT_EQ(MessageOf(ParseIndices("0-2000000000", 8)),
            "there is no 2000000000: they are numbered 0 to 7");
  EXPECT_EQ(MessageOf(ParseIndices("0", 0)), "there is no 0: there are none at all");
  EXPECT_EQ(MessageOf(ParseIndices("3,1-4", 8)), "3 is named twice in \"3,1-4\"");
}

TEST(ParseAmount, TakesNumbersAndPercentages) {
  EXPECT_EQ(Must(ParseAmount("576", 768)).value, 576);
  EXPECT_FALSE(Must(ParseAmount("576", 768)).is_percentage);
  EXPECT_EQ(Must(ParseAmount("75%", 768)).value, 576);
  EXPECT_TRUE(Must(ParseAmount("75%", 768)).is_percentage);
  EXPECT_EQ(Must(ParseAmount("33.3%", 768)).value, 255);
  EXPECT_EQ(Must(ParseAmount("29%", 100)).value, 29);
  EXPECT_EQ(Must(ParseAmount("0.01%", 768)).value, 1);
  EXPECT_EQ(Must(ParseAmount("100%", 768)).value, 768);
}

TEST(ParseAmount, SaysWhatIsWrong) {
  for (const std::string_view text : {"0%", "-5%", "101%", "%", "x%", "nan%", "inf%"}) {
    EXPECT_THAT(MessageOf(ParseAmount(text, 768)), HasSubstr("expected a percentage above 0%"))
        << text;
  }
  for (const std::string_view text : {"", "0", "-1", "769", "7x", "1e2"}) {
    EXPECT_THAT(MessageOf(ParseAmount(text, 768)), HasSubstr("expected a number from 1 to 768"))
        << text;
  }
}

TEST(ParseTransformSteps, SplitsAChainAtThen) {
  const auto steps =
      Must(ParseTransformSteps(Words("drop --layers 3,4 then slice --channels=75% --layers 0")));
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].transform->name, "drop");
  EXPECT_THAT(steps[0].arguments, ElementsAre(Pair("layers", "3,4")));
  EXPECT_EQ(steps[1].transform->name, "slice");
  EXPECT_THAT(steps[1].arguments, ElementsAre(Pair("channels", "75%"), Pair("layers", "0")));
}

TEST(ParseTransformSteps, SaysWhatIsWrong) {
  const auto error = [](const std::string& text) {
    return MessageOf(ParseTransformSteps(Words(text)));
  };
  EXPECT_EQ(error(""), "expected a transform");
  EXPECT_EQ(error("drop --layers 3 then"), "expected a transform after \"then\"");
  EXPECT_THAT(error("dorp --layers 3"), HasSubstr("unknown transform \"dorp\"; known: drop, keep"));
  EXPECT_EQ(error("drop --layers"), "drop: --layers needs a value");
  EXPECT_EQ(error("drop --layers="), "drop: --layers needs a value");
  EXPECT_EQ(error("drop --layers --nodes 3"), "drop: --layers needs a value");
  EXPECT_EQ(error("drop --layers then keep"), "drop: --layers needs a value");
  EXPECT_EQ(error("drop --layers 3 --layers 4"), "drop: --layers is given twice");
  EXPECT_EQ(error("drop layers 3"),
            "drop: expected an argument such as --layers, or \"then\", found \"layers\"");
  EXPECT_EQ(error("drop -- 3"),
            "drop: expected an argument such as --layers, or \"then\", found \"--\"");
}

// ---- What holds for every transform

class AnyTransform : public testing::GraphTest,
                     public ::testing::WithParamInterface<const Transform*> {
 protected:
  AnyTransform() : base_(ToyNetwork(*store_, {.layers = 8})) {
    Save(base_, "base");
    Save(ToyNetwork(*store_, {.layers = 8, .seed = 2}), "OTHER");  // as the examples call it
  }
  const Transform& transform() const { return *GetParam(); }
  std::string Example() const { return std::string(transform().example); }
  // The example without one of its arguments ("--name value").
  std::string Without(std::string_view name) const {
    std::string text = Example();
    const std::size_t at = text.find(fmt::format(" --{} ", name));
    if (at != text.npos) {
      text.erase(at, text.find(" --", at + 1) - at);
    }
    return text;
  }

  Network base_;
};

TEST_P(AnyTransform, IsDescribedForHelp) {
  EXPECT_FALSE(transform().summary.empty());
  for (const ArgumentSpec& spec : ArgumentsOf(transform(), kinds_)) {
    EXPECT_FALSE(spec.name.empty());
    EXPECT_FALSE(spec.value.empty()) << spec.name;
    EXPECT_FALSE(spec.doc.empty()) << spec.name;
  }
  EXPECT_EQ(Must(FindTransform(transform().name)), &transform());
}

TEST_P(AnyTransform, ItsExampleMakesAnotherValidNetwork) {
  const Network derived = Derived(base_, Example());
  EXPECT_EQ(MessageOf(Validate(derived)), "ok");
  EXPECT_NE(derived.digest(), base_.digest());
  EXPECT_EQ(derived.files, base_.files);
  EXPECT_EQ(derived.vocabulary, base_.vocabulary);
  EXPECT_EQ(derived.metadata, base_.metadata);
  EXPECT_EQ(Must(ParseNetwork(derived.CanonicalManifest())).digest(), derived.digest());
}

TEST_P(AnyTransform, LeavesItsBaseAsItIs) {
  const std::string before = base_.CanonicalManifest();
  const std::size_t blocks = base_.blocks.size();
  Derived(base_, Example());
  EXPECT_EQ(base_.CanonicalManifest(), before);
  EXPECT_EQ(base_.blocks.size(), blocks);
}

TEST_P(AnyTransform, GivesTheSameNetworkTwice) {
  EXPECT_EQ(Derived(base_, Example()).digest(), Derived(base_, Example()).digest());
}

TEST_P(AnyTransform, WritesBlobsOnlyWhenItSaysSo) {
  const std::size_t blobs = Must(store_->List()).size();
  Derived(base_, Example());
  EXPECT_EQ(Must(store_->List()).size() > blobs, transform().writes_blobs);
}

TEST_P(AnyTransform, IsDerivedSavedAndLoaded) {
  Must(Derive(catalog_, "derived", "base", Must(ParseTransformSteps(Words(Example())))));
  EXPECT_EQ(Must(catalog_.Load("derived")).digest(), Derived(base_, Example()).digest());
  const Provenance provenance = Must(catalog_.LoadProvenance("derived"));
  ASSERT_EQ(provenance.array()->size(), 1u);
  EXPECT_EQ(*provenance.array()->front().Find("transform"), Json(transform().name));
}

TEST_P(AnyTransform, RefusesUnknownAndMissingArguments) {
  EXPECT_THAT(ErrorOf(base_, Example() + " --colour red"),
              HasSubstr(fmt::format("{}: unknown argument --colour", transform().name)));
  for (const ArgumentSpec& spec : transform().arguments) {
    if (spec.required) {
      EXPECT_THAT(ErrorOf(base_, Without(spec.name)),
                  HasSubstr(fmt::format("{}: --{} {} is missing", transform().name, spec.name,
                                        spec.value)));
    }
  }
}

TEST_P(AnyTransform, RefusesLayersThatAreNotThere) {
  for (const ArgumentSpec& spec : transform().arguments) {
    if (spec.name == "layers") {
      EXPECT_THAT(ErrorOf(base_, Without("layers") + " --layers 8"),
                  HasSubstr("--layers: there is no 8: they are numbered 0 to 7"));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, AnyTransform, ::testing::ValuesIn(AllTransforms()),
                         [](const auto& info) { return std::string(info.param->name); });

// ---- Compositions

class Composition : public testing::GraphTest {};

TEST_F(Composition, OneNetworkDerivedInTwoWaysHasOneDigest) {
  const Network base = ToyNetwork(*store_, {.layers = 8});
  Save(base, "base");
  const struct {
    std::string one, other;
  } pairs[] = {
      {"drop --layers 3 then drop --layers 3", "drop --layers 3,4"},
      {"drop --layers 4 then drop --layers 3", "drop --layers 3-4"},
      {"keep --layers 0-2,5-7", "drop --layers 3,4"},
      {"keep --layers 5-7,0-2", "drop --layers 3,4"},
      {"stack --ranges 0-2,5-7", "drop --layers 3,4"},
      {"drop --nodes 7,8", "drop --layers 3"},
      {"repeat --layers 3", "stack --ranges 0-3,3-7"},
      {"repeat --layers 3 --times 3", "repeat --layers 3 then repeat --layers 3"},
      {"repeat --layers 2-4", "stack --ranges 0-4,2-7"},
      {"repeat --layers 3 then drop --layers 4", "stack --ranges 0-7"},
      {"repeat --layers 3 then share --layers 2,3,4", "share --layers 2,3 then repeat --layers 3"},
      {"slice --channels 75% then drop --layers 3", "drop --layers 3 then slice --channels 96"},
      {"slice --channels 96 then slice --channels 64", "slice --channels 50%"},
      {"rewire --form parallel then keep --layers 0-3",
       "keep --layers 0-3 then rewire --form parallel"},
      {"rewire --form parallel then repeat --layers 0",
       "repeat --layers 0 then rewire --form parallel"},
      {"rewire --form ladder then stack --ranges 0-5,3-7",
       "stack --ranges 0-5,3-7 then rewire --form ladder"},
      {"swap --layers 3 --with base --from-layers 4", "share --layers 3 --with 4"},
      {"stack --ranges base:0-3,base:4-7", "drop --layers 3 then stack --ranges 0-2,base:3,3-6"},
      {"encode --codec q8 then drop --layers 3", "drop --layers 3 then encode --codec q8"},
  };
  for (const auto& [one, other] : pairs) {
    EXPECT_EQ(Derived(base, one).digest(), Derived(base, other).digest()) << one << " | " << other;
  }
}

TEST_F(Composition, WhatChangesNothingGivesTheSameDigest) {
  const Network base = ToyNetwork(*store_, {.layers = 8});
  Save(base, "base");
  for (const char* const steps :
       {"keep --layers 0-7", "stack --ranges 0-7", "repeat --layers 3 --times 1",
        "share --layers 3", "swap --layers 2-5 --with base", "swap --nodes 0,18 --with base",
        "slice --channels 100%", "slice --channels 128 --kv_heads 2", "rewire --form sequential",
        "rewire --form parallel then rewire --form sequential",
        "rewire --form ladder then rewire --form sequential", "encode --codec f32",
        "slice --channels 50% then slice --channels 128"}) {
    EXPECT_EQ(Derived(base, steps).digest(), base.digest()) << steps;
  }
}

TEST_F(Composition, RandomChainsAreValidOrNamedErrors) {
  Network base = ToyNetwork(*store_, {.layers = 5});
  Save(base, "base");
  Save(ToyNetwork(*store_, {.layers = 3, .seed = 2}), "other");
  std::mt19937_64 random(TestSeed());
  const auto below = [&](int limit) { return static_cast<int>(random() % limit); };
  const auto step = [&](const Network& network) {
    const int layers = network.layers();
    const int a = below(layers + 1);  // may be one too many
    const int b = a + below(3);
    switch (below(10)) {
      case 0:
        return fmt::format("drop --layers {}-{}", a, b);
      case 1:
        return fmt::format("drop --nodes {}", below(static_cast<int>(network.nodes.size())));
      case 2:
        return fmt::format("keep --layers 0-{}", b);
      case 3:
        return fmt::format("repeat --layers {}-{} --times {}", a, b, 1 + below(3));
      case 4:
        return fmt::format("share --layers {}-{}", a, b);
      case 5:
        return fmt::format("swap --layers {} --with other --from-layers {}", a, below(4));
      case 6:
        return fmt::format("stack --ranges 0-{},other:{},{}-{}", a, below(4), a, b);
      case 7:
        return fmt::format("slice --channels {}% --kv_heads {}", 20 + below(81), 1 + below(2));
      case 8:
        return fmt::format("rewire --form {} --layers {}-{}", below(2) == 0 ? "parallel" : "ladder",
                           a, b);
      default:
        return fmt::format("encode --codec {} --tensors layers.*", below(2) == 0 ? "q8" : "f16");
    }
  };
  int valid = 0;
  for (int chain = 0; chain < (kSanitized ? 20 : 60); ++chain) {
    Network network = base;
    std::string steps;
    for (int i = 0; i < 5; ++i) {
      const std::string next = step(network);
      Result<Network> result = Try(network, next);
      if (!result.ok()) {
        EXPECT_FALSE(result.error().message.empty());
        continue;
      }
      network = *std::move(result);
      steps += (steps.empty() ? "" : " then ") + next;
      ++valid;
      ASSERT_EQ(MessageOf(Validate(network)), "ok") << steps;
      ASSERT_EQ(Must(ParseNetwork(network.CanonicalManifest())).digest(), network.digest());
    }
    if (!steps.empty()) {
      ASSERT_EQ(Derived(base, steps).digest(), network.digest()) << steps;
    }
  }
  EXPECT_GT(valid, kSanitized ? 20 : 60) << "most steps should be possible";
}

}  // namespace
}  // namespace ashlar
