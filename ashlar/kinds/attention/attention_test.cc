#include "ashlar/kinds/attention/attention.h"

#include <algorithm>

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::TestBatch;
using testing::TestBlock;
using testing::TestPages;
using testing::TestTensor;

constexpr std::int64_t kWidth = 64;
constexpr std::int64_t kLength = 41;  // positions: three pages, the last one in part

const AttributeMap kPlain = {{"width", kWidth},
                             {"heads", std::int64_t{4}},
                             {"kv_heads", std::int64_t{2}},
                             {"key_dim", std::int64_t{16}},
                             {"value_dim", std::int64_t{24}}};
const AttributeMap kLlama =
    Changed(kPlain, {{"norm", "rms"}, {"norm_eps", 1e-6}, {"rope_dims", std::int64_t{16}}});

// The block on one whole sequence, by its formula: nothing of it is the code under test, except
// the frequencies of scaled rotations, which rope_tables_test.cc judges.
class Formula {
 public:
  explicit Formula(const TestBlock& block) : block_(block), attributes_(block.attributes()) {}

  Doubles operator()(const std::vector<float>& x) {
    const std::int64_t rows = static_cast<std::int64_t>(x.size()) / kWidth;
    Doubles y;
    for (std::int64_t row = 0; row < rows; ++row) {
      const Doubles n = Normed("norm", testing::RowOf(x, row, kWidth));
      keys_.push_back(Rotated("k_norm", row, Project("k", n)));
      values_.push_back(Project("v", n));
      Doubles attended = Attended(row, Rotated("q_norm", row, Project("q", n)));
      if (Integer("o_gate") == 1) {
        const Doubles gate = Project("gate", n);
        for (std::size_t i = 0; i < attended.size(); ++i) {
          attended[i] /= 1 + std::exp(-gate[i]);
        }
      }
      Doubles out = Project("o", attended);
      out = Normed("post_norm", out);
      for (const double v : out) {
        y.push_back(v * attributes_.Real("multiplier"));
      }
    }
    return y;
  }

 private:
  std::int64_t Integer(const char* name) const { return attributes_.Integer(name); }

  Doubles Normed(const std::string& which, const Doubles& x) const {
    const std::string& type = attributes_.Choice(which);
    const double eps = attributes_.Real("norm_eps");
    if (type == "none") {
      return x;
    }
    const Doubles& weight = block_.tensor(which + ".weight").values;
    return type == "rms" ? testing::RmsNormed(x, weight, attributes_.Real("norm_offset"), eps)
                         : testing::LayerNormed(x, weight, {}, eps);
  }

  Doubles Project(const std::string& name, const Doubles& x) const {
    const TestTensor* bias = block_.has(name + ".bias") ? &block_.tensor(name + ".bias") : nullptr;
    return testing::MatVec(block_.tensor(name), bias, x);
  }

  // All heads of one row, each or all together normed as qk_norm says.
  Doubles NormedHeads(const std::string& norm, const Doubles& x) const {
    const std::string& choice = attributes_.Choice("qk_norm");
    if (choice == "none") {
      return x;
    }
    const Doubles& weight = block_.tensor(norm + ".weight").values;
    const Doubles bias =
        block_.has(norm + ".bias") ? block_.tensor(norm + ".bias").values : Doubles();
    const double eps = attributes_.Real("norm_eps");
    const double offset = attributes_.Real("norm_offset");
    if (choice == "rms_all_heads") {
      return testing::RmsNormed(x, weight, offset, eps);
    }
    Doubles y;
    const std::int64_t key_dim = Integer("key_dim");
    for (auto head = x.begin(); head != x.end(); head += key_dim) {
      const Doubles one(head, head + key_dim);
      const auto own = weight.begin() + (choice == "layer_of_each_head" ? head - x.begin() : 0);
      const Doubles normed =
          choice == "rms_per_head"
              ? testing::RmsNormed(one, weight, offset, eps)
              : testing::LayerNormed(one, Doubles(own, own + key_dim), bias, eps);
      y.insert(y.end(), normed.begin(), normed.end());
    }
    return y;
  }

  Doubles Turned(std::int64_t position, const Doubles& x) const {
    const std::int64_t key_dim = Integer("key_dim");
    const std::int64_t half = Integer("rope_dims") / 2;
    const bool neighbours = attributes_.Choice("rope_pairs") == "neighbours";
    Doubles y = x;
    for (std::size_t head = 0; head < x.size(); head += static_cast<std::size_t>(key_dim)) {
      for (std::int64_t i = 0; i < half; ++i) {
        const double angle =
            static_cast<double>(position) *
            std::pow(attributes_.Real("rope_theta"),
                     -static_cast<double>(i) / static_cast<double>(half)) /
            (attributes_.Choice("rope_scaling") == "linear" ? attributes_.Real("rope_factor") : 1);
        const std::size_t a = head + static_cast<std::size_t>(neighbours ? 2 * i : i);
        const std::size_t b = head + static_cast<std::size_t>(neighbours ? 2 * i + 1 : i + half);
        y[a] = x[a] * std::cos(angle) - x[b] * std::sin(angle);
        y[b] = x[b] * std::cos(angle) + x[a] * std::sin(angle);
      }
    }
    return y;
  }

  Doubles Rotated(const std::string& norm, std::int64_t position, const Doubles& x) const {
    return Integer("qk_norm_after_rope") == 1 ? NormedHeads(norm, Turned(position, x))
                                              : Turned(position, NormedHeads(norm, x));
  }

  // What head h of `alibi_heads` falls by per position, when they are four: 2^-2, 2^-4, ...; of
  // six, the last two have 2^-1 and 2^-3.
  double Slope(std::int64_t head) const {
    if (Integer("alibi_heads") == 0) {
      return 0;
    }
    return std::exp2(head < 4 ? -2.0 * static_cast<double>(head + 1)
                              : -2.0 * static_cast<double>(head - 4) - 1);
  }

  Doubles Attended(std::int64_t position, const Doubles& q) const {
    const std::int64_t key_dim = Integer("key_dim");
    const std::int64_t value_dim = Integer("value_dim");
    const std::int64_t group = Integer("heads") / Integer("kv_heads");
    const std::int64_t window = Integer("window");
    const double cap = attributes_.Real("soft_cap");
    const double scale = attributes_.Real("scale") == 0
                             ? 1 / std::sqrt(static_cast<double>(key_dim))
                             : attributes_.Real("scale");
    Doubles out(Integer("heads") * value_dim);
    for (std::int64_t head = 0; head < Integer("heads"); ++head) {
      const std::int64_t kv_head = head / group;
      double sum = block_.has("sinks") ? std::exp(block_.tensor("sinks").values[head]) : 0;
      const std::int64_t first = window == 0 ? 0 : std::max<std::int64_t>(0, position - window + 1);
      for (std::int64_t t = first; t <= position; ++t) {
        double score = 0;
        for (std::int64_t d = 0; d < key_dim; ++d) {
          score += scale * q[head * key_dim + d] * keys_[t][kv_head * key_dim + d];
        }
        const double fall = Slope(head) * static_cast<double>(position - t) *
                            (Integer("alibi_in_scale") == 1 ? scale : 1);
        const double weight = std::exp((cap == 0 ? score : cap * std::tanh(score / cap)) - fall);
        sum += weight;
        for (std::int64_t d = 0; d < value_dim; ++d) {
          out[head * value_dim + d] += weight * values_[t][kv_head * value_dim + d];
        }
      }
      for (std::int64_t d = 0; d < value_dim; ++d) {
        out[head * value_dim + d] /= sum;
      }
    }
    return out;
  }

  const TestBlock& block_;
  const Attributes& attributes_;
  std::vector<Doubles> keys_;
  std::vector<Doubles> values_;
};

std::vector<float> RandomSequence(std::uint32_t seed) {
  std::mt19937 random(seed);
  return testing::RandomFloats(kLength * kWidth, random);
}

// A whole sequence against the formula, for every instruction set.
void ExpectRows(const AttributeMap& attributes, std::string_view codec = "f32", double bound = 3e-6,
                KvFormat kv_format = KvFormat::kF32) {
  TestBlock block(kAttention, attributes, codec, 1);
  const Interface interface = kAttention.interface(block.attributes());
  TestBatch batch{.x = RandomSequence(2)};
  const Doubles expected = Formula(block)(batch.x);
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    const TestPages pages(interface, kv_format);
    batch.segments.clear();
    batch.rows = 0;
    batch.Add(kLength, 0, pages.get());
    const auto y = testing::Run(*block.Bind(isa, {}, kv_format), interface, batch, pool);
    EXPECT_LT(testing::RelativeError(y, expected), bound) << IsaName(isa);
  }
}

TEST(Attention, IsTheFormulaForGroupsOfHeads) {
  ExpectRows(kPlain);
}

TEST(Attention, RotatesQueriesAndKeys) {
  ExpectRows(kLlama);
  ExpectRows(Changed(kLlama, {{"rope_theta", 500.0}}));
}

TEST(Attention, RotatesSomeOfTheDimensions) {
  ExpectRows(Changed(kLlama, {{"rope_dims", std::int64_t{6}}}));
}

TEST(Attention, RotatesNeighbours) {
  ExpectRows(Changed(kLlama, {{"rope_pairs", "neighbours"}}));
  ExpectRows(Changed(kLlama, {{"rope_pairs", "neighbours"}, {"rope_dims", std::int64_t{6}}}));
}

TEST(Attention, LetsScoresFallWithTheDistance) {
  const auto falls = [](std::int64_t heads) {
    return Changed(kPlain, {{"heads", heads}, {"alibi_heads", heads}});
  };
  ExpectRows(falls(4));
  ExpectRows(falls(6));
  ExpectRows(Changed(falls(6), {{"alibi_in_scale", std::int64_t{1}}, {"scale", 0.5}}));
  // The first heads of a wider block keep its slopes.
  ExpectRows(Changed(falls(4), {{"alibi_heads", std::int64_t{6}}}));
}

TEST(Attention, StretchesEachPairByItsFactorForTheContextThatSequencesMayHave) {
  for (const std::int64_t original : {2 * testing::kMaxPositions, testing::kMaxPositions / 2}) {
    TestBlock block(kAttention,
                    Changed(kLlama, {{"rope_scaling", "longrope"},
                                     {"rope_original_positions", original},
                                     {"rope_attention_factor", 1.0}}),
                    "f32", 1);
    const auto fill = [&](const char* name, float factor) {
      const std::vector<float> factors(8, factor);
      std::memcpy(block.tensor(name).packed.span().data(), factors.data(), 8 * sizeof(float));
    };
    fill("rope_short_factors", original > testing::kMaxPositions ? 4.0f : 3.0f);
    fill("rope_long_factors", original > testing::kMaxPositions ? 3.0f : 4.0f);
    // With all factors alike it is the linear scaling.
    TestBlock linear(kAttention,
                     Changed(kLlama, {{"rope_scaling", "linear"}, {"rope_factor", 4.0}}), "f32", 1);
    const Interface interface = kAttention.interface(block.attributes());
    ThreadPool pool(1);
    std::vector<float> y[2];
    for (int i = 0; i < 2; ++i) {
      const TestPages pages(interface);
      TestBatch batch{.x = RandomSequence(2)};
      batch.Add(kLength, 0, pages.get());
      y[i] = testing::Run(*(i == 0 ? block : linear).Bind(Isa::kReference), interface, batch, pool);
    }
    EXPECT_LT(testing::RelativeError(y[0], Doubles(y[1].begin(), y[1].end())), 1e-5) << original;
  }
}

TEST(Attention, StretchesTheRotation) {
  ExpectRows(Changed(kLlama, {{"rope_scaling", "linear"}, {"rope_factor", 4.0}}));
}

TEST(Attention, SeesItsWindow) {
  for (const std::int64_t window : {1, 5, 16, 17, 41, 100}) {
    ExpectRows(Changed(kLlama, {{"window", window}}));
  }
}

TEST(Attention, HasBiasesScaleCapAndSinks) {
  ExpectRows(Changed(kLlama, {{"qkv_bias", std::int64_t{1}}}));
  ExpectRows(Changed(kLlama, {{"o_bias", std::int64_t{1}}}));
  ExpectRows(Changed(kLlama, {{"scale", 0.7}}));
  ExpectRows(Changed(kLlama, {{"scale", 0.7}, {"soft_cap", 1.5}}));
  ExpectRows(Changed(kLlama, {{"sinks", std::int64_t{1}}}));
}

TEST(Attention, GatesWhatItsHeadsAttendTo) {
  ExpectRows(Changed(kLlama, {{"o_gate", std::int64_t{1}}}));
  ExpectRows(Changed(kLlama, {{"o_gate", std::int64_t{1}}, {"qkv_bias", std::int64_t{1}}}), "q8",
             0.03);
}

TEST(Attention, HasNormsOfHeadsAndOfTheOutputAndAMultiplier) {
  ExpectRows(Changed(kLlama, {{"qk_norm", "rms_per_head"}}));
  ExpectRows(Changed(kLlama, {{"qk_norm", "rms_per_head"}, {"norm_offset", 1.0}}));
  ExpectRows(Changed(kLlama, {{"qk_norm", "layer_per_head"}}));
  ExpectRows(Changed(kLlama, {{"qk_norm", "layer_per_head"}, {"qk_norm_bias", std::int64_t{1}}}));
  ExpectRows(Changed(kLlama, {{"qk_norm", "layer_of_each_head"}}));
  ExpectRows(Changed(kLlama, {{"qk_norm", "rms_all_heads"}}));
  ExpectRows(
      Changed(kLlama, {{"qk_norm", "rms_per_head"}, {"qk_norm_after_rope", std::int64_t{1}}}));
  ExpectRows(Changed(kLlama, {{"norm", "layer"}, {"post_norm", "rms"}, {"multiplier", 0.22}}));
}

TEST(Attention, ComputesOnInt8RowsWithinTheirRounding) {
  ExpectRows(kLlama, "q8", 0.03);
  ExpectRows(kLlama, "q4", 0.03);
}

TEST(Attention, KeepsItsStateInHalvesWithinTheirRounding) {
  ExpectRows(kLlama, "f32", 5e-4, KvFormat::kF16);
  ExpectRows(Changed(kLlama, {{"window", std::int64_t{17}}}), "f32", 5e-4, KvFormat::kF16);
}

TEST(Attention, AnswersTheLastRowFromPagesThatEarlierCallsWrote) {
  TestBlock block(kAttention, kLlama, "f32", 1);
  const Interface interface = kAttention.interface(block.attributes());
  const std::vector<float> x = RandomSequence(5);
  const Doubles expected = Formula(block)(x);
  ThreadPool pool(2);
  const auto bound = block.Bind(testing::SupportedIsas().back());
  const TestPages pages(interface);
  for (std::int64_t position = 0; position < kLength; ++position) {
    TestBatch step{.x = {x.begin() + position * kWidth, x.begin() + (position + 1) * kWidth}};
    step.Add(1, position, pages.get());
    const auto y = testing::Run(*bound, interface, step, pool);
    testing::ExpectNear(
        y, {expected.begin() + position * kWidth, expected.begin() + (position + 1) * kWidth},
        1e-5);
  }
}

// A window's row needs no page before the window, so those may have been given back.
TEST(Attention, DoesNotTouchPagesBeforeItsWindow) {
  TestBlock block(kAttention, Changed(kLlama, {{"window", std::int64_t{8}}}), "f32", 1);
  const Interface interface = kAttention.interface(block.attributes());
  const std::vector<float> x = RandomSequence(6);
  ThreadPool pool(1);
  const auto bound = block.Bind(testing::SupportedIsas().back());
  const TestPages pages(interface);
  TestBatch prompt{.x = {x.begin(), x.end() - kWidth}};
  prompt.Add(kLength - 1, 0, pages.get());
  testing::Run(*bound, interface, prompt, pool);

  TestBatch last{.x = {x.end() - kWidth, x.end()}};
  last.Add(1, kLength - 1, pages.get());
  const auto with_all = testing::Run(*bound, interface, last, pool);
  // Position 40 sees 33 .. 40: the page of 32 .. 47 alone.
  std::byte* const needed[] = {nullptr, nullptr, pages.get()[2]};
  last.segments[0].pages = needed;
  EXPECT_TRUE(testing::SameBits(with_all, testing::Run(*bound, interface, last, pool)));
}

TEST(Attention, ReadsTheStateOfAnotherNodeAndWritesNone) {
  TestBlock owner(kAttention, kLlama, "f32", 1);
  TestBlock reader(kAttention, kLlama, "f32", 2);
  const Interface interface = kAttention.interface(owner.attributes());
  const std::vector<float> x = RandomSequence(7);
  ThreadPool pool(2);
  const Isa isa = testing::SupportedIsas().back();
  const TestPages pages(interface);
  TestBatch batch{.x = x};
  batch.Add(kLength, 0, pages.get());
  testing::Run(*owner.Bind(isa), interface, batch, pool);
  const std::vector<std::byte> before = pages.first();

  batch.segments[0].writes_state = false;
  const auto read = testing::Run(*reader.Bind(isa), interface, batch, pool);
  EXPECT_EQ(before, pages.first()) << "the reader wrote";

  // A block with the reader's queries and the owner's keys and values gives the same.
  TestBlock both(kAttention, kLlama, "f32", 2);
  for (const char* name : {"k", "v", "norm.weight"}) {
    const TestTensor& from = owner.tensor(name);
    std::ranges::copy(from.packed.span(), both.tensor(name).packed.span().begin());
  }
  TestBlock same_norm(kAttention, kLlama, "f32", 2);
  std::ranges::copy(owner.tensor("norm.weight").packed.span(),
                    same_norm.tensor("norm.weight").packed.span().begin());
  const TestPages own_pages(interface);
  TestBatch own{.x = x};
  own.Add(kLength, 0, own_pages.get());
  const auto expected = testing::Run(*both.Bind(isa), interface, own, pool);
  const auto actual = testing::Run(*same_norm.Bind(isa), interface, batch, pool);
  EXPECT_TRUE(testing::SameBits(actual, expected));
  EXPECT_FALSE(testing::SameBits(read, expected)) << "the norm's weight was not used";
}

TEST(Attention, MixesNodesThatWriteAndNodesThatReadInOneCall) {
  TestBlock block(kAttention, kLlama, "q8", 1);
  const Interface interface = kAttention.interface(block.attributes());
  const std::vector<float> x = RandomSequence(8);
  ThreadPool pool(3);
  const auto bound = block.Bind(testing::SupportedIsas().back());
  const TestPages pages(interface);
  TestBatch alone{.x = x};
  alone.Add(kLength, 0, pages.get());
  const auto expected = testing::Run(*bound, interface, alone, pool);

  const TestPages fresh(interface);
  TestBatch mixed{.x = x};
  mixed.x.insert(mixed.x.end(), x.begin(), x.end());
  mixed.Add(kLength, 0, fresh.get());
  mixed.Add(kLength, 0, pages.get(), /*writes_state=*/false);
  const auto y = testing::Run(*bound, interface, mixed, pool);
  EXPECT_TRUE(testing::SameBits({y.begin(), y.begin() + kLength * kWidth}, expected));
  EXPECT_TRUE(testing::SameBits({y.begin() + kLength * kWidth, y.end()}, expected));
}

TEST(Attention, SlicesWholeGroupsOfHeads) {
  const Attributes whole = *Attributes::Make(kAttention.attributes, kLlama);
  const Attributes part = kAttention.apply_slice(whole, {{"kv_heads", 1}});
  EXPECT_EQ(part.Integer("kv_heads"), 1);
  EXPECT_EQ(part.Integer("heads"), 2);
  EXPECT_EQ(kAttention.interface(part).state_shape, "kv:1x16+24");
}

TEST(Attention, KeepsKeysAndValuesOfItsHeads) {
  const Interface interface =
      kAttention.interface(*Attributes::Make(kAttention.attributes, kPlain));
  EXPECT_EQ(interface.state_floats, 2 * (16 + 24));
  EXPECT_EQ(interface.state_shape, "kv:2x16+24");
}

TEST(Attention, CostsItsMatricesAndItsContext) {
  const Cost cost = kAttention.cost(*Attributes::Make(kAttention.attributes, kPlain));
  EXPECT_EQ(cost.flops, 2 * 64 * (4 * 16 + 2 * 16 + 2 * 24 + 4 * 24));
  EXPECT_EQ(cost.flops_per_position, 2 * 4 * (16 + 24));
}

TEST(Attention, RefusesAttributesByName) {
  const auto error = [](const AttributeMap& changes) {
    return ErrorOf(kAttention, Changed(kLlama, changes));
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({{"heads", std::int64_t{3}}}), "heads 3 is no multiple of kv_heads 2");
  EXPECT_EQ(error({{"rope_dims", std::int64_t{18}}}),
            "attribute \"rope_dims\" must be even and at most key_dim 16, found 18");
  EXPECT_EQ(error({{"rope_dims", std::int64_t{5}}}),
            "attribute \"rope_dims\" must be even and at most key_dim 16, found 5");
  EXPECT_EQ(error({{"rope_dims", std::int64_t{0}}, {"rope_factor", 2.0}}),
            "attribute \"rope_factor\" has no meaning when rope_dims is 0; leave it out");
  EXPECT_EQ(error({{"rope_theta", 1.0}}), "attribute \"rope_theta\" must be above 1, found 1");
  EXPECT_EQ(error({{"rope_factor", 2.0}}),
            "attribute \"rope_factor\" has no meaning when rope_scaling is none; leave it out");
  EXPECT_EQ(error({{"rope_scaling", "linear"}, {"rope_factor", 0.5}}),
            "attribute \"rope_factor\" must be at least 1, found 0.5");
  EXPECT_EQ(
      error({{"rope_scaling", "yarn"}, {"rope_factor", 2.0}}),
      "attribute \"rope_original_positions\" is missing, and needed when rope_scaling is yarn");
  EXPECT_EQ(error({{"rope_scaling", "llama3"},
                   {"rope_original_positions", std::int64_t{64}},
                   {"rope_low_frequency_factor", 4.0}}),
            "rope_high_frequency_factor 4 is not above rope_low_frequency_factor 4");
  EXPECT_EQ(
      error({{"rope_scaling", "linear"}, {"rope_beta_fast", 16.0}}),
      "attribute \"rope_beta_fast\" has no meaning when rope_scaling is linear; leave it out");
  EXPECT_EQ(error({{"rope_scaling", "longrope"}, {"rope_original_positions", std::int64_t{64}}}),
            "attribute \"rope_attention_factor\" must be above 0, found 0");
  EXPECT_EQ(error({{"rope_dims", std::int64_t{2}}, {"rope_pairs", "neighbours"}}),
            "attribute \"rope_pairs\" has no meaning when rope_dims is 2; leave it out");
  EXPECT_EQ(error({{"alibi_in_scale", std::int64_t{1}}}),
            "attribute \"alibi_in_scale\" has no meaning when alibi_heads is 0; leave it out");
  EXPECT_EQ(error({{"alibi_heads", std::int64_t{3}}}),
            "attribute \"alibi_heads\" must be at least heads 4, found 3");
  EXPECT_EQ(error({{"qk_norm_after_rope", std::int64_t{1}}}),
            "attribute \"qk_norm_after_rope\" has no meaning when qk_norm is none; leave it out");
  EXPECT_EQ(
      error({{"qk_norm", "rms_per_head"}, {"qk_norm_bias", std::int64_t{1}}}),
      "attribute \"qk_norm_bias\" has no meaning when qk_norm is no layer norm; leave it out");
  EXPECT_EQ(
      error({{"qk_norm", "layer_per_head"}, {"norm_bias", std::int64_t{1}}}),
      "attribute \"norm_bias\" has no meaning when neither norm nor post_norm is layer; leave "
      "it out");
  EXPECT_EQ(error({{"scale", -1.0}}), "attribute \"scale\" must be at least 0, found -1");
  EXPECT_EQ(ErrorOf(kAttention, Changed(kPlain, {{"qk_norm", "rms_per_head"}})),
            "attribute \"norm_eps\" must be above 0, found 0");
}

TEST(Attention, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kAttention, kPlain).digest().ToString(),
            "sha256:72984c1259325a23a031041ea18af89e698bb2839290f19fbb45f6c04b19fbf0");
  EXPECT_EQ(testing::LiteralBlock(kAttention, kLlama).digest().ToString(),
            "sha256:82bc5f014ffe69c51bc8ca13305582a98a7082722c4ac6f9f4f18a8ee268eaf4");
}

}  // namespace
}  // namespace ashlar
