#include "ashlar/kinds/mlp/mlp.h"

#include <numbers>

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::MatVec;
using testing::TestBatch;
using testing::TestBlock;
using testing::TestTensor;

constexpr std::int64_t kMlpWidth = 64;

const AttributeMap kPlainMlp = {
    {"width", kMlpWidth}, {"channels", std::int64_t{96}}, {"activation", "relu"}};
const AttributeMap kSwiGlu = {{"width", kMlpWidth}, {"channels", std::int64_t{96}},
                              {"form", "gated"},    {"activation", "silu"},
                              {"norm", "rms"},      {"norm_eps", 1e-6}};

double Activated(const std::string& activation, double x) {
  if (activation == "silu") {
    return x / (1 + std::exp(-x));
  }
  if (activation == "gelu") {
    return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
  }
  if (activation == "gelu_tanh") {
    return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  }
  const double positive = std::max(x, 0.0);
  return activation == "relu2" ? positive * positive : positive;
}

Doubles Normed(const TestBlock& block, const std::string& which, const Doubles& x) {
  const std::string& type = block.attributes().Choice(which);
  const double eps = block.attributes().Real("norm_eps");
  if (type == "none") {
    return x;
  }
  const Doubles& weight = block.tensor(which + ".weight").values;
  if (type == "rms") {
    return testing::RmsNormed(x, weight, block.attributes().Real("norm_offset"), eps);
  }
  return testing::LayerNormed(
      x, weight, block.has(which + ".bias") ? block.tensor(which + ".bias").values : Doubles{},
      eps);
}

Doubles ExpectedMlp(const TestBlock& block, const Doubles& x) {
  const Attributes& attributes = block.attributes();
  const auto project = [&](const std::string& name, const Doubles& from) {
    const TestTensor* bias = block.has(name + ".bias") ? &block.tensor(name + ".bias") : nullptr;
    return MatVec(block.tensor(name), bias, from);
  };
  const Doubles n = Normed(block, "norm", x);
  Doubles hidden = project("up", n);
  const bool gated = attributes.Choice("form") == "gated";
  const Doubles gate = gated ? project("gate", n) : Doubles();
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    const std::string& activation = attributes.Choice("activation");
    hidden[i] =
        gated ? Activated(activation, gate[i]) * hidden[i] : Activated(activation, hidden[i]);
  }
  Doubles y = Normed(block, "post_norm", project("down", hidden));
  for (double& v : y) {
    v *= attributes.Real("multiplier");
  }
  return y;
}

// Seven rows against ExpectedMlp, for every instruction set.
void ExpectMlpRows(const AttributeMap& attributes, std::string_view codec, double bound) {
  TestBlock block(kMlp, attributes, codec, 1);
  std::mt19937 random(2);
  TestBatch batch{.x = testing::RandomFloats(7 * kMlpWidth, random), .rows = 7};
  Doubles all;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const Doubles y = ExpectedMlp(block, testing::RowOf(batch.x, row, kMlpWidth));
    all.insert(all.end(), y.begin(), y.end());
  }
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    const auto y = testing::Run(*block.Bind(isa), kMlp.interface(block.attributes()), batch, pool);
    EXPECT_LT(testing::RelativeError(y, all), bound) << IsaName(isa);
  }
}

TEST(Mlp, IsThePlainFormulaWithEachActivation) {
  for (const char* activation : {"silu", "gelu", "gelu_tanh", "relu"}) {
    SCOPED_TRACE(activation);
    ExpectMlpRows(Changed(kPlainMlp, {{"activation", activation}}), "f32", 2e-6);
  }
}

TEST(Mlp, IsTheGatedFormulaWithEachActivation) {
  for (const char* activation : {"silu", "gelu", "gelu_tanh", "relu"}) {
    SCOPED_TRACE(activation);
    ExpectMlpRows(Changed(kSwiGlu, {{"activation", activation}}), "f32", 2e-6);
  }
}

TEST(Mlp, HasBiasesNormsAndAMultiplier) {
  const AttributeMap sandwich = {{"bias", std::int64_t{1}},
                                 {"norm", "layer"},
                                 {"post_norm", "layer"},
                                 {"norm_eps", 1e-5},
                                 {"multiplier", 0.22}};
  ExpectMlpRows(Changed(kPlainMlp, sandwich), "f32", 2e-6);
  ExpectMlpRows(Changed(Changed(kSwiGlu, sandwich), {{"norm_bias", std::int64_t{1}}}), "f32", 2e-6);
  ExpectMlpRows(Changed(kSwiGlu, {{"post_norm", "rms"}, {"norm_offset", 1.0}}), "f32", 2e-6);
}

TEST(Mlp, ComputesOnInt8RowsWithinTheirRounding) {
  ExpectMlpRows(kSwiGlu, "q8", 0.02);
  ExpectMlpRows(kSwiGlu, "q4", 0.02);
}

// (Of rounded rows 600 take a unit of channels at a time, 200 two, a few all of them; of split ones
// 600 and 200 take eight of eleven.)
TEST(Mlp, ARowsBitsDoNotDependOnHowManyChannelsFitInCacheWithTheRowsBesideIt) {
  for (const AttributeMap& attributes : {kPlainMlp, kSwiGlu}) {
    for (const char* codec : {"f32", "bf16", "q8"}) {
      // (Of numbers that are not in groups the last unit need not be whole.)
      const std::int64_t channels = std::string_view(codec) == "q8" ? 352 : 344;
      TestBlock block(kMlp, Changed(attributes, {{"channels", channels}}), codec, 1);
      const Interface interface = kMlp.interface(block.attributes());
      std::mt19937 random(2);
      const TestBatch batch{.x = testing::RandomFloats(600 * kMlpWidth, random), .rows = 600};
      ThreadPool pool(1);  // which takes all units in one go
      for (const Isa isa : testing::SupportedIsas()) {
        SCOPED_TRACE(fmt::format("{} {}", codec, IsaName(isa)));
        const auto bound = block.Bind(isa);
        const auto together = testing::Run(*bound, interface, batch, pool);
        for (const std::int64_t rows : {1, 3, 200}) {
          const std::int64_t last = (600 - rows) * kMlpWidth;
          const TestBatch part{.x = {batch.x.begin() + last, batch.x.end()}, .rows = rows};
          EXPECT_TRUE(testing::SameBits(testing::Run(*bound, interface, part, pool),
                                        {together.begin() + last, together.end()}))
              << rows;
        }
      }
    }
  }
}

TEST(Mlp, ScratchDoesNotGrowWithManyRowsByTheirHiddenChannelsInParts) {
  constexpr std::int64_t kChannels = 4096;
  TestBlock block(kMlp, Changed(kSwiGlu, {{"channels", kChannels}}), "bf16", 1);
  ThreadPool pool(2);
  const auto bound = block.Bind(Isa::kAmx);  // whose kernels read parts; none of them runs
  const auto scratch = [&](std::int64_t rows) {
    Arena counting;
    bound->Forward({.rows = rows}, nullptr, nullptr, {&pool, &counting});
    return counting.peak();
  };
  constexpr std::int64_t kMoreRows = 512 - 128;
  EXPECT_LT(scratch(512) - scratch(128), kMoreRows * kChannels);
}

TEST(Mlp, SlicesItsChannels) {
  const Attributes whole = *Attributes::Make(kMlp.attributes, kSwiGlu);
  const Attributes part = kMlp.apply_slice(whole, {{"channels", 32}});
  EXPECT_EQ(part.Integer("channels"), 32);
  EXPECT_EQ(part.Integer("width"), kMlpWidth);
  for (const TensorSpec& spec : testing::TensorsOf(kMlp, part)) {
    if (spec.name == "down") {
      EXPECT_EQ(spec.shape, (Shape{kMlpWidth, 32}));
    } else if (spec.name == "gate" || spec.name == "up") {
      EXPECT_EQ(spec.shape, (Shape{32, kMlpWidth}));
    }
  }
}

TEST(Mlp, CostsTwoOperationsPerWeight) {
  const Attributes attributes = *Attributes::Make(kMlp.attributes, kSwiGlu);
  EXPECT_EQ(kMlp.cost(attributes).flops, 2 * 3 * 64 * 96);
}

TEST(Mlp, RefusesAttributesByName) {
  EXPECT_EQ(ErrorOf(kMlp, Changed(kPlainMlp, {{"activation", "swish"}})),
            "attribute \"activation\" must be one of silu, gelu, gelu_tanh, relu, relu2, found "
            "\"swish\"");
  EXPECT_EQ(ErrorOf(kMlp, Changed(kPlainMlp, {{"norm_bias", std::int64_t{1}}})),
            "attribute \"norm_bias\" has no meaning when the block has no norm; leave it out");
  EXPECT_EQ(
      ErrorOf(kMlp, Changed(kSwiGlu, {{"norm_bias", std::int64_t{1}}})),
      "attribute \"norm_bias\" has no meaning when the block has no layer norm; leave it out");
}

// RWKV's channel mixing, and the same without its mixing.
TEST(Mlp, MixesARowWithTheOneBeforeItAndGatesItsOutput) {
  constexpr std::int64_t kShiftedRows = 20;
  for (const std::int64_t shift : {0, 1}) {
    TestBlock block(kMlp,
                    Changed(kPlainMlp, {{"activation", "relu2"},
                                        {"shift", shift},
                                        {"out_gate", std::int64_t{1}},
                                        {"norm", "rms"},
                                        {"norm_eps", 1e-6}}),
                    "f32", 1);
    const Interface interface = kMlp.interface(block.attributes());
    EXPECT_EQ(interface.carried_floats, shift * kMlpWidth);
    std::mt19937 random(2);
    TestBatch batch{.x = testing::RandomFloats(kShiftedRows * kMlpWidth, random)};
    Doubles expected;
    Doubles before(kMlpWidth);
    for (std::int64_t row = 0; row < kShiftedRows; ++row) {
      const Doubles n = Normed(block, "norm", testing::RowOf(batch.x, row, kMlpWidth));
      const auto project = [&](const std::string& name) {
        Doubles mixed = n;
        for (std::size_t i = 0; shift == 1 && i < n.size(); ++i) {
          const double mix = block.tensor("mix." + name).values[i];
          mixed[i] = mix * n[i] + (1 - mix) * before[i];
        }
        return MatVec(block.tensor(name), nullptr, mixed);
      };
      Doubles hidden = project("up");
      for (double& h : hidden) {
        h = Activated("relu2", h);
      }
      Doubles y = MatVec(block.tensor("down"), nullptr, hidden);
      const Doubles gate = project("out_gate");
      for (std::size_t i = 0; i < y.size(); ++i) {
        expected.push_back(y[i] / (1 + std::exp(-gate[i])));
      }
      before = n;
    }
    ThreadPool pool(2);
    for (const Isa isa : testing::SupportedIsas()) {
      const testing::TestPages pages(interface);
      batch.segments.clear();
      batch.rows = 0;
      batch.Add(kShiftedRows, 0, pages.get());
      const auto y = testing::Run(*block.Bind(isa), interface, batch, pool);
      EXPECT_LT(testing::RelativeError(y, expected), 3e-6) << IsaName(isa) << ", shift " << shift;
    }
  }
}

TEST(Mlp, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kMlp, kPlainMlp).digest().ToString(),
            "sha256:a06dbc5b8f84434c2cc3899fc7c800633f3651f3e76f8dc5113169d7d8d49137");
  EXPECT_EQ(testing::LiteralBlock(kMlp, kSwiGlu).digest().ToString(),
            "sha256:bbd55e8e39390c4b732c0f5fc874f4ccccbb4c6d4d54b891bd1697ee9c8268ae");
}

}  // namespace
}  // namespace ashlar
